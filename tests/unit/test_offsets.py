"""What may be committed: the tests of the original OffsetManager, and any order at all."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knative_local.kafka_source.offsets import OffsetTracker


def tracker(*offsets: int) -> OffsetTracker:
    found = OffsetTracker()
    for offset in offsets:
        assert found.receive(offset)
    return found


def test_nothing_is_committable_before_the_first_record() -> None:
    assert tracker().committable is None


def test_hole_holds_the_commit_until_it_is_filled() -> None:
    found = tracker(0, 1, 2)

    found.finish(1)
    found.finish(2)
    before = found.committable
    found.finish(0)

    assert (before, found.committable) == (0, 3)


def test_offsets_that_never_come_count_as_finished() -> None:
    found = tracker(0, 4, 6)

    found.finish(0)
    after_first = found.committable
    found.finish(6)
    found.finish(4)

    assert (after_first, found.committable) == (4, 7)


def test_record_received_before_is_told_apart() -> None:
    found = tracker(5, 6)

    assert not found.receive(5)
    assert found.receive(7)


@pytest.mark.parametrize("first", [0, 63, 2**31 - 5, 2**40 + 17])
def test_any_first_offset_works(first: int) -> None:
    found = tracker(*range(first, first + 200))

    for offset in reversed(range(first, first + 200)):
        found.finish(offset)

    assert found.committable == first + 200


def test_two_million_records_leave_nothing_behind() -> None:
    count = 2_000_051
    found = OffsetTracker()

    for offset in range(count):
        found.receive(offset)
        found.finish(offset)

    assert found.committable == count
    assert not found._open
    assert not found._finished


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_committable_is_the_first_unfinished(steps: list[int], order: random.Random) -> None:
    offsets = [sum(steps[: index + 1]) for index in range(len(steps))]
    found, open_offsets = tracker(*offsets), set(offsets)

    for offset in order.sample(offsets, len(offsets)):
        found.finish(offset)
        open_offsets.remove(offset)
        assert found.committable == min(open_offsets, default=offsets[-1] + 1)
