"""Allocation is pure, so its promises are checked on thousands of generated queues."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from orderflow.stock.allocation import Decision, OpenOrder, allocate

ITEMS = ("apple", "bread", "cheese", "dates")
needs = st.dictionaries(st.sampled_from(ITEMS), st.integers(1, 9), min_size=1)
shortage = st.sampled_from(["backorder", "reject"])
queues = st.lists(
    st.builds(OpenOrder, st.integers(1, 10_000), needs, shortage),
    unique_by=lambda order: order.position,
    max_size=30,
)
shelves = st.dictionaries(st.sampled_from(ITEMS), st.integers(-5, 30))


def make_order(position: int = 1, on_shortage: str = "backorder", **needs: int) -> OpenOrder:
    return OpenOrder(position, needs, on_shortage)  # type: ignore[arg-type]


def outcomes(decisions: list[Decision]) -> list[str]:
    return [decision.outcome for decision in decisions]


def promised(decisions: list[Decision]) -> Counter[str]:
    total: Counter[str] = Counter()
    for decision in decisions:
        if decision.outcome == "confirmed":
            total.update(decision.order.needs)
    return total


@given(queues, shelves)
def test_no_item_is_promised_beyond_what_is_free(
    orders: list[OpenOrder], free: dict[str, int]
) -> None:
    total = promised(allocate(orders, free))

    assert all(units <= max(free.get(item, 0), 0) for item, units in total.items())


@given(queues, shelves)
def test_every_order_gets_one_decision_in_order_of_arrival(
    orders: list[OpenOrder], free: dict[str, int]
) -> None:
    decisions = allocate(orders, free)

    assert [d.order for d in decisions] == sorted(orders, key=lambda order: order.position)


@given(queues, shelves)
def test_whoever_is_refused_did_not_fit_into_what_was_left_and_whoever_fitted_is_confirmed(
    orders: list[OpenOrder], free: dict[str, int]
) -> None:
    left = {item: max(free.get(item, 0), 0) for item in ITEMS}

    for decision in allocate(orders, free):
        wanted = decision.order.needs
        lacking = {i: n - left[i] for i, n in wanted.items() if n > left[i]}
        assert decision.short == lacking
        assert (decision.outcome == "confirmed") == (not lacking)
        if not lacking:
            left = {item: units - wanted.get(item, 0) for item, units in left.items()}


@given(queues, shelves)
def test_shortage_ends_as_the_caller_asked(orders: list[OpenOrder], free: dict[str, int]) -> None:
    refused = {"backorder": "backordered", "reject": "rejected"}

    for decision in allocate(orders, free):
        assert decision.outcome in ("confirmed", refused[decision.order.on_shortage])


@given(queues, shelves, st.randoms())
def test_the_order_of_the_input_does_not_matter(
    orders: list[OpenOrder], free: dict[str, int], chance: random.Random
) -> None:
    shuffled = chance.sample(orders, len(orders))

    assert allocate(shuffled, free) == allocate(orders, free)


@given(queues, shelves)
def test_the_arguments_are_left_as_they_were(orders: list[OpenOrder], free: dict[str, int]) -> None:
    given_orders, given_free = list(orders), dict(free)

    allocate(orders, free)

    assert (orders, free) == (given_orders, given_free)


@given(queues, shelves)
def test_a_later_order_never_changes_the_fate_of_an_earlier_one(
    orders: list[OpenOrder], free: dict[str, int]
) -> None:
    earlier = sorted(orders, key=lambda order: order.position)[: len(orders) // 2]

    assert allocate(orders, free)[: len(earlier)] == allocate(earlier, free)


@given(queues, shelves)
def test_offering_what_is_left_again_confirms_nobody(
    orders: list[OpenOrder], free: dict[str, int]
) -> None:
    decisions = allocate(orders, free)
    taken = promised(decisions)
    left = {item: max(units, 0) - taken[item] for item, units in free.items()}

    again = allocate([d.order for d in decisions if d.outcome != "confirmed"], left)

    assert "confirmed" not in outcomes(again)


def test_an_order_that_does_not_fit_does_not_block_a_smaller_one_behind_it() -> None:
    big, small = make_order(1, apple=5), make_order(2, apple=3)

    assert outcomes(allocate([big, small], {"apple": 4})) == ["backordered", "confirmed"]


def test_an_order_of_which_one_line_is_lacking_takes_nothing_of_the_others() -> None:
    both, one = make_order(1, apple=1, bread=1), make_order(2, apple=1)

    assert outcomes(allocate([both, one], {"apple": 1})) == ["backordered", "confirmed"]


def test_an_unknown_item_counts_as_none() -> None:
    (decision,) = allocate([make_order(apple=2)], {})

    assert decision.short == {"apple": 2}


def test_a_negative_figure_counts_as_none() -> None:
    (decision,) = allocate([make_order(apple=2)], {"apple": -7})

    assert decision.short == {"apple": 2}


def test_the_cause_names_what_is_lacking() -> None:
    (decision,) = allocate([make_order(bread=3, apple=2)], {"apple": 1})

    assert decision.cause == "short of 1 apple, 3 bread"


def test_nobody_waiting_is_nothing_decided() -> None:
    assert allocate([], {"apple": 1}) == []
