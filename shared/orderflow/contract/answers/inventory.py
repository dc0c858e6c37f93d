"""Answers about stock."""

from typing import Literal

from pydantic import AwareDatetime
from typing_extensions import TypedDict

from orderflow.contract.answers.orders import Count
from orderflow.stock.lists import ChangeStatus


class ChangeAccepted(TypedDict):
    """The change is stored; the message says whether Kafka has its event."""

    message: str
    change_id: str


class Figures(TypedDict):
    """An item's stock: `available` is on hand and not reserved, `short` the opposite.

    Of fewer available than its `threshold` a person wants to know.
    """

    item: str
    on_hand: Count
    reserved: Count
    available: Count
    short: Count
    threshold: Count | None


class Backordered(TypedDict):
    """Who waits for an item; `more` if not all were counted."""

    orders: Count
    units: Count
    more: bool


class Movement(TypedDict):
    """An entry of an item's ledger."""

    entry: Count
    kind: Literal["count", "adjust", "reserve", "release", "ship", "repair"]
    on_hand_change: int
    reserved_change: int
    order_id: str | None
    change_id: str | None
    reason: str | None
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime


class Opening(TypedDict):
    """The sum of movements that are in archives, and no entries of the ledger any more."""

    on_hand_change: int
    reserved_change: int
    reason: str
    recorded_at: AwareDatetime


class RefusedChange(TypedDict):
    """A difference that would have brought on hand below zero."""

    change_id: str
    adjust: int
    reason: str | None
    occurred_at: AwareDatetime


class OneItem(Figures):
    """An item with who waits for it, a page of its ledger, and what was refused lately.

    Where movements are in archives the ledger begins with the balance that they left.
    """

    counted_at: AwareDatetime | None
    backordered: Backordered
    opening: Opening | None
    ledger: list[Movement]
    refused_changes: list[RefusedChange]


class InventoryChange(TypedDict):
    """A change and what became of it; `why` if it was not applied."""

    change_id: str
    item: str
    stock: Count | None
    adjust: int | None
    threshold: Count | None
    reason: str | None
    status: ChangeStatus
    why: str | None
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    applied_at: AwareDatetime | None
