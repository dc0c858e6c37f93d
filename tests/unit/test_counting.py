"""Counts and adjustments, told late or twice at one time."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orderflow.stock.counting import Applied, Change, apply_changes

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def make_count(stock: int, minutes: int = 0, moved_since: int = 0) -> Change:
    return Change(1, stock, None, at(minutes), moved_since)


def make_adjustment(adjust: int, minutes: int = 0) -> Change:
    return Change(1, None, adjust, at(minutes))


def told(applied: list[Applied]) -> list[tuple[str, int]]:
    return [(done.result, done.on_hand_change) for done in applied]


counts = st.builds(make_count, st.integers(0, 50), st.integers(-9, 9), st.integers(-20, 20))
adjustments = st.builds(
    make_adjustment, st.integers(-30, 30).filter(lambda units: units != 0), st.integers(-9, 9)
)
sequences = st.lists(counts | adjustments, max_size=12)
last_counts = st.none() | st.integers(-9, 9).map(at)


@given(st.integers(0, 100), last_counts, sequences)
def test_on_hand_never_falls_below_zero(
    on_hand: int, counted_at: datetime | None, changes: list[Change]
) -> None:
    for done in apply_changes(on_hand, counted_at, changes):
        on_hand += done.on_hand_change
        assert on_hand >= 0


@given(st.integers(0, 100), last_counts, sequences)
def test_every_change_is_told_what_became_of_it_in_its_place(
    on_hand: int, counted_at: datetime | None, changes: list[Change]
) -> None:
    assert [done.change for done in apply_changes(on_hand, counted_at, changes)] == changes


@given(st.integers(0, 100), last_counts, sequences)
def test_only_what_is_applied_moves_stock(
    on_hand: int, counted_at: datetime | None, changes: list[Change]
) -> None:
    for done in apply_changes(on_hand, counted_at, changes):
        assert done.result == "applied" or done.on_hand_change == 0


@given(st.integers(0, 100), last_counts, sequences, st.data())
def test_two_batches_do_the_same_as_one(
    on_hand: int, counted_at: datetime | None, changes: list[Change], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(changes)))
    whole = apply_changes(on_hand, counted_at, changes)

    first = apply_changes(on_hand, counted_at, changes[:cut])
    latest = [d.change.occurred_at for d in first if d.change.stock is not None]
    applied_counts = [
        d.change.occurred_at for d in first if d.change.stock is not None and d.result == "applied"
    ]
    counted_at = applied_counts[-1] if applied_counts else counted_at
    # A second batch finds the adjustments of the first one on record.
    rest = [c._replace(moved_since=recorded(first, c)) for c in changes[cut:]]
    second = apply_changes(on_hand + sum(d.on_hand_change for d in first), counted_at, rest)

    assert len(latest) >= len(applied_counts)
    assert told(first) + told(second) == told(whole)


def recorded(first: list[Applied], change: Change) -> int | None:
    return (
        None
        if change.moved_since is None
        else change.moved_since
        + sum(
            done.on_hand_change
            for done in first
            if done.change.adjust is not None and done.change.occurred_at > change.occurred_at
        )
    )


@given(st.integers(0, 100), st.integers(0, 100), st.lists(st.integers(1, 20), max_size=5))
def test_units_are_conserved_after_a_count(on_hand: int, counted: int, received: list[int]) -> None:
    changes = [make_count(counted, 0), *(make_adjustment(n, 1) for n in received)]

    moved = sum(done.on_hand_change for done in apply_changes(on_hand, None, changes))

    assert on_hand + moved == counted + sum(received)


def test_a_count_replaces_what_was_there() -> None:
    assert told(apply_changes(7, None, [make_count(100)])) == [("applied", 93)]


def test_a_count_of_nothing_empties_the_shelf() -> None:
    assert told(apply_changes(7, None, [make_count(0)])) == [("applied", -7)]


def test_a_late_count_keeps_every_movement_after_its_time() -> None:
    late = make_count(100, minutes=-30, moved_since=-4)

    assert told(apply_changes(10, None, [late])) == [("applied", 86)]


def test_a_late_count_keeps_an_adjustment_of_its_own_batch() -> None:
    changes = [make_adjustment(5, minutes=0), make_count(100, minutes=-30)]

    assert told(apply_changes(10, None, changes)) == [("applied", 5), ("applied", 90)]


def test_a_late_count_forgets_an_adjustment_from_before_it() -> None:
    changes = [make_adjustment(5, minutes=-60), make_count(100, minutes=-30)]

    assert told(apply_changes(10, None, changes)) == [("applied", 5), ("applied", 85)]


def test_a_count_from_before_the_latest_one_is_superseded() -> None:
    assert told(apply_changes(10, at(0), [make_count(99, minutes=-1)])) == [("superseded", 0)]


def test_an_adjustment_from_before_the_latest_count_is_in_it_already() -> None:
    assert told(apply_changes(10, at(0), [make_adjustment(5, minutes=-1)])) == [("superseded", 0)]


def test_of_two_counts_of_one_time_the_later_told_holds() -> None:
    changes = [make_count(5), make_count(8)]

    assert told(apply_changes(0, None, changes)) == [("applied", 5), ("applied", 3)]


def test_an_adjustment_of_the_counts_own_time_comes_on_top() -> None:
    assert told(apply_changes(10, at(0), [make_adjustment(2, minutes=0)])) == [("applied", 2)]


def test_an_adjustment_below_zero_is_refused_and_the_next_one_is_not() -> None:
    changes = [make_adjustment(-11), make_adjustment(-10)]

    assert told(apply_changes(10, None, changes)) == [("refused", 0), ("applied", -10)]


def test_a_refused_adjustment_is_not_kept_by_a_late_count() -> None:
    changes = [make_adjustment(-11, minutes=5), make_count(20, minutes=0)]

    assert told(apply_changes(10, None, changes)) == [("refused", 0), ("applied", 10)]


def test_more_left_since_than_was_counted_is_an_empty_shelf() -> None:
    late = make_count(3, minutes=-30, moved_since=-9)

    assert told(apply_changes(4, None, [late])) == [("applied", -4)]


def test_a_superseded_count_does_not_supersede_others() -> None:
    changes = [make_count(5, minutes=-10), make_adjustment(1, minutes=0)]

    assert told(apply_changes(9, at(-5), changes)) == [("superseded", 0), ("applied", 1)]


def test_a_count_from_before_what_is_archived_is_superseded_and_a_difference_is_not() -> None:
    changes = [
        make_count(5, 0)._replace(moved_since=None),
        make_adjustment(2, 0)._replace(moved_since=None),
    ]

    done = apply_changes(10, None, changes)

    assert [(change.result, change.on_hand_change) for change in done] == [
        ("superseded", 0),
        ("applied", 2),
    ]
