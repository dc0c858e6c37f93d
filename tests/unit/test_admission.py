"""When it is better to refuse: turns, room and what a refused caller is told."""

import resource

import pytest

from orderflow.errors import QueueFull
from orderflow.http.request_body import BodyReader
from orderflow.server.admission import (
    FILES,
    MAX_RETRY_AFTER_S,
    MAX_WAIT_S,
    MAX_WAITING,
    WaitEstimator,
    raise_open_file_limit,
)


def turns(*took_s: float) -> WaitEstimator:
    """WaitEstimator of which so many have been taken, from time 0 on."""
    taken, now_s = WaitEstimator(), 0.0
    for one_s in took_s:
        taken.begin(now_s)
        now_s += one_s
        taken.end(now_s)
    return taken


def retry_after_s(taken: WaitEstimator, waiting: int, before: int, now_s: float) -> int:
    """What a refused caller is told."""
    with pytest.raises(QueueFull) as refused:
        taken.admit(waiting, before, now_s)
    return int(refused.value.headers["Retry-After"])


def test_wait_is_as_many_usual_turns_as_are_before() -> None:
    taken = turns(*[0.1] * 50)

    assert taken.wait_s(0, 100.0) == 0
    assert taken.wait_s(10, 100.0) == pytest.approx(1.0)


def test_turn_that_lasts_makes_the_wait_longer() -> None:
    taken = turns(*[0.1] * 50)

    taken.begin(100.0)

    assert taken.wait_s(0, 102.0) == pytest.approx(2.0)
    assert taken.wait_s(10, 102.0) == pytest.approx(3.0)


def test_usual_follows_the_latest_turns() -> None:
    quick_again = turns(*[4.0] * 10, *[0.01] * 20)

    assert quick_again.wait_s(10, 100.0) < 0.2


def test_who_waits_less_than_the_bound_is_admitted() -> None:
    turns(*[0.1] * 50).admit(MAX_WAITING - 1, 10, 100.0)


def test_one_too_many_is_told_when_those_before_are_likely_done() -> None:
    assert retry_after_s(turns(*[0.2] * 50), MAX_WAITING, 11, 100.0) == 3


def test_too_long_a_wait_is_refused_long_before_the_queue_is_full() -> None:
    assert retry_after_s(turns(*[2.0] * 50), 700, 3, 100.0) == 6


def test_database_that_hangs_refuses_newcomers_at_once() -> None:
    taken = turns(0.1)
    taken.begin(100.0)

    taken.admit(1, 0, 100.0 + MAX_WAIT_S)
    assert retry_after_s(taken, 1, 0, 101.0 + MAX_WAIT_S) == 6


def test_no_one_is_sent_away_for_longer_than_the_bound() -> None:
    assert retry_after_s(turns(*[60.0] * 50), 700, 3, 100.0) == MAX_RETRY_AFTER_S


def test_after_slow_turns_the_first_is_admitted_all_the_same() -> None:
    turns(*[60.0] * 50).admit(0, 0, 1e6)


async def test_room_that_is_taken_is_refused_and_given_back() -> None:
    reader = BodyReader(room_bytes=10)

    async with reader.room(8):
        with pytest.raises(QueueFull):
            async with reader.room(3):
                pass

    async with reader.room(10):
        pass


def test_process_may_open_more_files_than_callers_wait() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    raise_open_file_limit()

    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert allowed[1] == most
    assert allowed[0] == most or allowed[0] >= FILES > 2 * MAX_WAITING
