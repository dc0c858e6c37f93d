"""What OrderFlow answers: dictionaries to which fields may be added. Times are RFC 3339."""

from typing import Any, Literal, NotRequired, TypedDict

Status = Literal["pending", "confirmed", "backordered", "rejected", "cancelled", "shipped"]


class Line(TypedDict):
    """So many of one item."""

    item: str
    quantity: int


class OrderAccepted(TypedDict):
    """The order is stored; of a repeat, this is the first answer again."""

    message: str
    order_id: str
    status: Literal["pending"]


class OrderChanged(TypedDict):
    """The order and the status that it has now."""

    order_id: str
    status: Literal["cancelled", "shipped"]


class OrderRetried(TypedDict):
    """The order is announced again within ten seconds."""

    message: str
    order_id: str


class ListedOrder(TypedDict):
    """An order in a list; `item` and `quantity` of an order of one line."""

    order_id: str
    item: NotRequired[str]
    quantity: NotRequired[int]
    lines: list[Line]
    status: Status
    hold_minutes: int | None
    attention: NotRequired[str | None]
    placed_at: str
    updated_at: str


class Moved(TypedDict):
    """A status that an order has had, and why."""

    sequence: int
    status: Status
    cause: str
    at: str


class Order(ListedOrder):
    """An order with its history and, while it is open, why it waits."""

    on_shortage: Literal["backorder", "reject"]
    history: list[Moved]
    waiting: NotRequired[dict[str, Any]]


class ChangeAccepted(TypedDict):
    """The change is stored and will be applied."""

    message: str
    change_id: str


class Stock(TypedDict):
    """An item's units: `available` is on hand and not reserved, `short` the opposite."""

    item: str
    on_hand: int
    reserved: int
    available: int
    short: int
    threshold: NotRequired[int | None]


class Item(Stock):
    """An item with who waits for it and a page of its ledger."""

    counted_at: str | None
    backordered: dict[str, Any]
    ledger: list[dict[str, Any]]
    refused_changes: list[dict[str, Any]]


class InventoryChange(TypedDict):
    """A change and what became of it; `why` if it was not applied."""

    change_id: str
    item: str
    stock: int | None
    adjust: int | None
    reason: str | None
    status: Literal["pending", "applied", "superseded", "refused"]
    why: str | None
    occurred_at: str
    received_at: str
    applied_at: str | None


class DeadLetter(TypedDict):
    """An event that no function could process, and the last failure."""

    id: int
    state: str
    event_id: str
    type: str
    order_id: str | None
    item: str | None
    topic: str | None
    destination: str
    error: str
    detail: str
    failures: int
    first_failed_at: str
    last_failed_at: str


class Redriven(TypedDict):
    """What was scheduled to be sent again; with `more` there are others: ask again."""

    redrive: NotRequired[int | None]
    matched: int
    skipped: int
    cannot_be_sent: int
    more: bool


class Minute(TypedDict):
    """How many orders were accepted in a minute, and on how many was decided."""

    minute: str
    accepted: int
    allocated: int


class AllocationTimes(TypedDict):
    """Milliseconds from acceptance to decision, of the last `minutes`."""

    p50: float
    p95: float
    p99: float
    orders: int
    minutes: int


class ConsumerLag(TypedDict):
    """Events of a topic that a consumer group has not finished."""

    group: str
    topic: str
    lag: int


class ItemList(TypedDict):
    """How many items there are, and the first of them, with their figures."""

    count: int
    items: list[dict[str, Any]]


class Overview(TypedDict):
    """How the whole does at this moment; each field is as `GET /overview` documents it."""

    at: str
    orders: dict[Status, int]
    per_minute: list[Minute]
    allocation_ms: AllocationTimes | None
    oldest_pending: dict[str, Any] | None
    outbox: dict[str, Any]
    consumer_lag: list[ConsumerLag] | None
    attention: dict[str, int]
    dead_letters: dict[str, int]
    short_items: ItemList
    low_items: ItemList
    last_sweep: dict[str, Any] | None
    last_audit: dict[str, Any] | None


class ListedAudit(TypedDict):
    """An audit in a list."""

    audit_id: int
    started_at: str
    finished_at: str
    asked_by: str
    passed: bool
    differences: int


class Audit(ListedAudit):
    """An audit: rows that each check looked at, and what it found with some examples."""

    counted: dict[str, int]
    checks: list[dict[str, Any]]
