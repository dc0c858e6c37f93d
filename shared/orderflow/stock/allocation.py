"""Who gets stock: the only place that decides. Pure: no I/O, no clock, no chance.

All lines of an order or none; first come first filled; an order that does not fit does not block
a smaller one behind it; stock is never promised twice.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Outcome = Literal["confirmed", "backordered", "rejected"]


class OpenOrder(NamedTuple):
    """An order that wants stock. `needs` maps each item to its summed quantity, in units."""

    position: int
    needs: Mapping[str, int]
    on_shortage: Literal["backorder", "reject"] = "backorder"


class Decision(NamedTuple):
    """What becomes of an order; `short` maps each item that is lacking to the missing units."""

    order: OpenOrder
    outcome: Outcome
    short: Mapping[str, int] = MappingProxyType({})

    @property
    def blocked_by(self) -> str | None:
        """The item of which most is missing, if any is."""
        return max(self.short, key=self.short.__getitem__, default=None)

    @property
    def cause(self) -> str:
        """The decision in words for a person."""
        if self.outcome == "confirmed":
            return "stock reserved for every line"
        return "short of " + ", ".join(f"{n} {item}" for item, n in sorted(self.short.items()))


def allocate(orders: Iterable[OpenOrder], free: Mapping[str, int]) -> list[Decision]:
    """Decide on each order, in order of arrival (`position`), given the free units of each item.

    An item missing from `free` has none; a negative figure counts as none.
    """
    left = {item: max(units, 0) for item, units in free.items()}
    return [_decide(order, left) for order in sorted(orders, key=lambda order: order.position)]


def _decide(order: OpenOrder, left: dict[str, int]) -> Decision:
    short = {
        item: units - left.get(item, 0)
        for item, units in order.needs.items()
        if units > left.get(item, 0)
    }
    if short:
        return Decision(order, _SHORTAGE[order.on_shortage], short)
    for item, units in order.needs.items():
        left[item] -= units
    return Decision(order, "confirmed")


_SHORTAGE: dict[str, Outcome] = {"backorder": "backordered", "reject": "rejected"}
