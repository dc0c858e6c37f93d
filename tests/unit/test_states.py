"""The table of moves."""

from itertools import product
from typing import get_args

import pytest

from orderflow.orders.states import MOVES, Status

ALLOWED = {
    ("pending", "confirmed"),
    ("pending", "backordered"),
    ("pending", "rejected"),
    ("pending", "cancelled"),
    ("backordered", "confirmed"),
    ("backordered", "cancelled"),
    ("confirmed", "shipped"),
    ("confirmed", "cancelled"),
}


def test_the_table_has_a_row_for_every_status() -> None:
    assert set(MOVES) == set(get_args(Status))


@pytest.mark.parametrize(("leaves", "enters"), list(product(get_args(Status), repeat=2)))
def test_an_order_makes_the_moves_of_the_design_and_no_other(
    leaves: Status, enters: Status
) -> None:
    assert (enters in MOVES[leaves]) == ((leaves, enters) in ALLOWED)
