"""Answers about orders."""

from typing import Annotated, Literal, NotRequired

from pydantic import AwareDatetime, Field

# Of the standard library's, pydantic takes only that of Python 3.12 and newer.
from typing_extensions import TypedDict

from orderflow.models import HoldMinutes, Quantity
from orderflow.orders.states import Status

Count = Annotated[int, Field(ge=0)]


class OrderAccepted(TypedDict):
    """The order is stored; the message says whether Kafka has its event."""

    message: str
    order_id: str
    status: Annotated[Literal["pending"], Field(description="As it was when it was placed.")]


class OrderChanged(TypedDict):
    """The order and the status that it has now."""

    order_id: str
    status: Literal["cancelled", "shipped"]


class OrderRetried(TypedDict):
    """The order is announced again with the next tick of sweep; the message says when that is."""

    message: str
    order_id: str


class OrderLine(TypedDict):
    """So many of one item."""

    item: str
    quantity: Quantity


class OrderState(TypedDict):
    """What every view of an order has."""

    order_id: str
    item: NotRequired[Annotated[str, Field(description="Of an order of one line.")]]
    quantity: NotRequired[Annotated[Quantity, Field(description="Of an order of one line.")]]
    lines: list[OrderLine]
    status: Status
    hold_minutes: HoldMinutes | None
    placed_at: AwareDatetime
    updated_at: AwareDatetime


class ListedOrder(OrderState):
    """An order in a list."""

    attention: Annotated[str | None, Field(description="Why a person has to look at it.")]


class Moved(TypedDict):
    """A status that an order has had."""

    sequence: Annotated[int, Field(ge=1)]
    status: Status
    cause: str
    by: Annotated[str | None, Field(description="Who asked for it, if anyone did.")]
    at: AwareDatetime


class AwaitedItem(TypedDict):
    """An item that a backordered order waits for, in units; `ahead` counts orders before it."""

    item: str
    needs: Count
    available: Count
    short_by: Count
    ahead: Count
    more_ahead: bool


class BlockingLetter(TypedDict):
    """A dead letter that holds the order up."""

    id: Count
    error: str


class UnsentEvent(TypedDict):
    """An event that Kafka has not taken yet."""

    type: str
    since: AwareDatetime


class Waiting(TypedDict):
    """Why an open order waits, what happens when, and the commands that would move it."""

    for_: Annotated[str, Field(alias="for")]
    items: list[AwaitedItem]
    announcements: Count
    next_try: AwareDatetime | None
    attempts: Count
    last_error: str | None
    last_failed_at: AwareDatetime | None
    dead_letter: BlockingLetter | None
    unsent: UnsentEvent | None
    deadline: AwareDatetime | None
    at_deadline: str
    attention: str | None
    unstick: list[str]


class OneOrder(OrderState):
    """An order with its history and, while it is open, why it waits."""

    on_shortage: Literal["backorder", "reject"]
    placed_by: str
    history: list[Moved]
    waiting: NotRequired[Waiting]
