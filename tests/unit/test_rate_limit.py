"""A subject that calls too often is told when to come again; no other one is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.auth.rate_limit import WINDOW_S, Bucket, RateLimiter
from orderflow.errors import TooManyRequests


def admitted(limiter: RateLimiter, subject: str, calls: int, now_s: float) -> int:
    """How many of so many calls at one instant are let through."""
    through = 0
    for _ in range(calls):
        try:
            limiter.admit(subject, now_s)
        except TooManyRequests:
            continue
        through += 1
    return through


def test_a_subject_has_what_a_window_holds_and_then_its_rate() -> None:
    limiter = RateLimiter(5)

    assert admitted(limiter, "alice", 1_000, 0.0) == 5 * WINDOW_S
    assert admitted(limiter, "alice", 1_000, 1.0) == 5
    assert admitted(limiter, "alice", 1_000, 1_000.0) == 5 * WINDOW_S


def test_others_do_not_feel_it() -> None:
    limiter = RateLimiter(5)
    admitted(limiter, "alice", 1_000, 0.0)

    assert admitted(limiter, "bob", 10, 0.0) == 10


def test_who_is_refused_is_told_when_to_come_again() -> None:
    limiter = RateLimiter(5)
    admitted(limiter, "alice", 1_000, 0.0)

    with pytest.raises(TooManyRequests) as raised:
        limiter.admit("alice", 0.0)

    assert raised.value.status == 429
    assert raised.value.headers == {
        "Retry-After": "1",
        "RateLimit-Policy": '"subject";q=50;w=10',
        "RateLimit": '"subject";r=0;t=1',
    }


def test_so_many_subjects_are_remembered_and_no_more() -> None:
    limiter = RateLimiter(1, max_subjects=2)
    for subject in ("alice", "bob", "alice", "carol"):  # bob makes room
        admitted(limiter, subject, WINDOW_S, 0.0)

    assert admitted(limiter, "alice", WINDOW_S, 0.0) == 0
    assert admitted(limiter, "bob", WINDOW_S, 0.0) == WINDOW_S


@given(
    size=st.integers(1, 50),
    per_s=st.floats(0.01, 100),
    waits_s=st.lists(st.floats(0, 5), max_size=200),
)
def test_a_bucket_gives_no_more_than_its_size_and_its_rate(
    size: int, per_s: float, waits_s: list[float]
) -> None:
    bucket, now_s, taken = Bucket(size, per_s), 0.0, 0

    for wait_s in waits_s:
        now_s += wait_s
        taken += bucket.take(now_s)

    assert taken <= size + now_s * per_s + 1e-6
    if not bucket.take(now_s):
        assert bucket.take(now_s + bucket.wait_s() + 1e-6)
