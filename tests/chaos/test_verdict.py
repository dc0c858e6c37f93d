"""The verdict finds what is not as callers were told, or no run could fail."""

from typing import Any

import pytest

from tests.chaos.load import Told
from tests.chaos.verdict import changes_untrue, orders_untrue, shelves_untrue

ORDER = {"order_id": "order-1", "item": "Sold 1", "quantity": 2, "on_shortage": "reject"}
COUNT = {"item": "Counted 1", "stock": 9, "change_id": "count-1"}
ADDED = {"item": "Sold 1", "adjust": 5, "change_id": "change-1"}


def told(**fields: Any) -> Told:
    """An order that was accepted, and whatever else."""
    return Told(**{"orders": {"order-1": ORDER}} | fields)


@pytest.mark.parametrize("status", ["confirmed", "rejected"])
def test_outcome_that_an_order_may_have_is_none_to_mention(status: str) -> None:
    assert list(orders_untrue(told(), {"order-1": status})) == []


@pytest.mark.parametrize("status", ["pending", "backordered", "cancelled", "shipped"])
def test_outcome_that_nobody_asked_for_is_named(status: str) -> None:
    assert list(orders_untrue(told(), {"order-1": status})) != []


def test_order_that_is_not_there_is_lost() -> None:
    (said,) = orders_untrue(told(), {})

    assert said.startswith("order-1 is lost")


def test_order_that_is_not_what_its_caller_made_of_it_is_named() -> None:
    shipped = told(becomes={"order-1": "shipped"})

    assert list(orders_untrue(shipped, {"order-1": "shipped"})) == []
    assert list(orders_untrue(shipped, {"order-1": "confirmed"})) != []


@pytest.mark.parametrize("found", [{}, {"change-1": ("applied", 2)}, {"change-1": ("refused", 0)}])
def test_change_that_is_not_in_the_ledger_once_is_named(found: dict[str, tuple[str, int]]) -> None:
    changed = told(changes={"change-1": ADDED})

    assert list(changes_untrue(changed, {"change-1": ("applied", 1)})) == []
    assert list(changes_untrue(changed, found)) != []


def test_count_may_come_too_late_and_a_difference_not() -> None:
    counted, added = told(changes={"count-1": COUNT}), told(changes={"change-1": ADDED})

    assert list(changes_untrue(counted, {"count-1": ("superseded", 0)})) == []
    assert list(changes_untrue(added, {"change-1": ("superseded", 0)})) != []


def test_shelf_that_differs_from_what_was_told_is_named() -> None:
    moved = told(
        changes={"change-1": ADDED, "count-1": COUNT},
        counts={"Counted 1": 9},
        becomes={"order-1": "shipped"},
    )

    assert list(shelves_untrue(moved, {"Sold 1": 3, "Counted 1": 9})) == []
    assert len(list(shelves_untrue(moved, {"Sold 1": 5, "Counted 1": 8}))) == 2
