"""The proof that a run went well: an audit, no accepted order lost, and none left undecided."""

from collections.abc import Sequence
from typing import NamedTuple

from orderflow.audit.checks import Audit, audit
from orderflow.database.connection import Connection, statement

COUNT_ORDERS = statement(__file__, "count_orders.sql")
COUNT_PENDING = statement(__file__, "count_pending.sql")


class Proof(NamedTuple):
    """Over the whole database: `lost` and `without_outcome` must be 0, and the audit hold."""

    orders: int
    lost: int
    without_outcome: int
    audit: Audit

    @property
    def holds(self) -> bool:
        """Whether all promises hold."""
        return not self.lost and not self.without_outcome and self.audit.holds

    @property
    def done_twice(self) -> int:
        """How many moves of orders and movements of stock are not once what they should be."""
        return self.audit.found("history", "movements", "changes")

    @property
    def oversold(self) -> int:
        """How many reservations went beyond what was there."""
        return self.audit.found("oversold")


def prove(connection: Connection, accepted: Sequence[str] = ()) -> Proof:
    """Audit, and look for `accepted`: ids of orders that a caller was told are stored."""
    ((orders, lost),) = connection.run(COUNT_ORDERS, accepted=list(accepted))
    return Proof(orders, lost, pending(connection), audit(connection))


def pending(connection: Connection) -> int:
    """Return how many orders are not decided; cheap enough to ask again and again."""
    ((count,),) = connection.run(COUNT_PENDING)
    return int(count)
