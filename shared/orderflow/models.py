"""What callers send: strict, frozen models. The tables' CHECKs repeat what they promise."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

# No control characters (Knative loses an event with one in an attribute) and no blanks at the
# ends (HTTP cuts them off a header). Written out: the contract's readers know no \p{Cc}.
_CONTROL = r"\x00-\x1f\x7f-\x9f"
PLAIN_TEXT = rf"^[^\s{_CONTROL}](?:[^{_CONTROL}]*[^\s{_CONTROL}])?$"

OrderId = Annotated[str, Field(max_length=128, pattern=PLAIN_TEXT)]
ChangeId = Annotated[str, Field(max_length=128, pattern=PLAIN_TEXT)]
Item = Annotated[str, Field(max_length=200, pattern=PLAIN_TEXT)]
IdempotencyKey = Annotated[str, Field(max_length=255, pattern=PLAIN_TEXT)]
Asker = Annotated[str, Field(max_length=200, pattern=PLAIN_TEXT)]
Subject = Annotated[str, Field(max_length=255, pattern=PLAIN_TEXT)]  # OpenID Connect's own limit
# A million of one item in one line: more is a slip of the finger.
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]
# A year: what is promised for longer is no hold.
HoldMinutes = Annotated[int, Field(ge=1, le=525_600)]
# A billion on the shelf: far from where sums of bigint columns end.
Stock = Annotated[int, Field(ge=0, le=1_000_000_000)]
# Available units below which an item is listed as low; 0: it never is.
Threshold = Annotated[int, Field(ge=0, le=1_000_000_000)]
Adjustment = Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:  # a first or last day that in UTC is in no year from 1 to 9999
        raise ValueError("give a time that has a date in UTC") from error


def _no_number(time: object) -> object:
    # Else 2026 would be a time of 1970.
    if not isinstance(time, str | datetime) or (isinstance(time, str) and "-" not in time[1:]):
        raise ValueError("give a date and time as RFC 3339 has it, as 2026-11-26T18:15:00Z")
    return time


# In UTC, so that one instant has one form and the database answers none that Python can't hold.
Instant = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_no_number), AfterValidator(_in_utc)
]

MAX_LINES = 100  # one order's share of a batch stays small


def _fault(field: str, message: str) -> PydanticCustomError:
    # A rule for several fields names the one to mend.
    return PydanticCustomError("rule", "{message}", {"field": field, "message": message})


class Body(BaseModel, strict=True, frozen=True, extra="forbid"):
    """Base of every body: unknown fields, other types and later changes are refused."""


class NoFields(Body):
    """What asks for something by its path alone."""


class Line(Body):
    """So many of one item."""

    item: Item
    quantity: Quantity


class PlaceOrder(Body):
    """`POST /order`: one line as `item` and `quantity`, or 1 to 100 as `lines`."""

    order_id: OrderId | None = None
    item: Item | None = None
    quantity: Quantity | None = None
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=MAX_LINES, strict=False)] = ()
    on_shortage: Literal["backorder", "reject"] = "backorder"
    hold_minutes: HoldMinutes | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        for field in ("item", "quantity"):
            if self.lines and getattr(self, field) is not None:
                raise _fault("lines", "give either item and quantity, or lines")
            if not self.lines and getattr(self, field) is None:
                raise _fault(field, "give item and quantity, or lines")
        return self

    def plain_lines(self) -> list[dict[str, str | int]]:
        """Return the lines, whichever form they came in, as objects of `item` and `quantity`."""
        if self.item is not None and self.quantity is not None:
            return [{"item": self.item, "quantity": self.quantity}]
        return [{"item": line.item, "quantity": line.quantity} for line in self.lines]

    def fingerprint(self) -> str:
        """Return a digest that is equal for bodies that ask for the same order."""
        asked = [self.order_id, self.on_shortage, self.plain_lines()]
        # Only where it is given, so that a body without it keeps the digest it always had.
        return digest(asked if self.hold_minutes is None else [*asked, self.hold_minutes])


class ChangeOrder(Body):
    """`PATCH /order/{order_id}`: what a caller may make of an order."""

    status: Literal["cancelled", "shipped"]


class ChangeInventory(Body):
    """`POST /inventory`: a count (`stock`) or a difference (`adjust`) of one item.

    With its `threshold`, or that alone: of fewer units available a person wants to know.
    """

    item: Item
    stock: Stock | None = None
    adjust: Adjustment | None = None
    threshold: Threshold | None = None
    reason: Annotated[str, Field(max_length=500, pattern=PLAIN_TEXT)] | None = None
    change_id: ChangeId | None = None
    occurred_at: Instant | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        told = (self.stock is not None) + (self.adjust is not None)
        if told > 1 or (not told and self.threshold is None):
            raise _fault("stock", "give either stock (a count) or adjust (a difference)")
        if self.adjust == 0:
            raise _fault("adjust", "must not be 0")
        return self

    def fingerprint(self) -> str:
        """Return a digest that is equal for bodies that ask for the same change."""
        asked = [self.item, self.stock, self.adjust, self.reason, self.occurred_at]
        return digest(asked if self.threshold is None else [*asked, self.threshold])

    def columns(self) -> dict[str, Any]:
        """Return the change as it is stored: a threshold alone is a difference of none."""
        told = self.model_dump(mode="json")
        return told | ({"adjust": 0} if self.stock is None and self.adjust is None else {})


def digest(content: object) -> str:
    """Return 32 hexadecimal digits that stand for the content (BLAKE2b, 16 bytes)."""
    return hashlib.blake2b(orjson.dumps(content), digest_size=16).hexdigest()
