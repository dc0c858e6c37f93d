"""Proves the promises from the database itself: nothing lost, twice, oversold, or off the books."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from orderflow.database import Connection, statement

PROVE = statement(Path(__file__).parent / "prove.sql")


class Proof(NamedTuple):
    """Counts over the whole database; every field but `orders` must be 0."""

    orders: int
    lost: int
    without_outcome: int
    done_twice: int
    units_oversold: int
    items_off_ledger: int
    items_off_orders: int

    @property
    def holds(self) -> bool:
        """Whether all promises hold."""
        return not any(self[1:])


def prove(connection: Connection, accepted: Sequence[str] = ()) -> Proof:
    """Count what breaks a promise; `accepted` are order ids that a caller was told are stored."""
    (row,) = connection.run(PROVE, accepted=list(accepted))
    return Proof(*row)
