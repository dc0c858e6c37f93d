"""What a list of orders is chosen by."""

from typing import Literal

from orderflow.http.pagination import Page
from orderflow.models import Instant, Item
from orderflow.orders.states import Status


class OrderPage(Page):
    """`GET /orders`: filters that may be combined."""

    status: Status | None = None
    item: Item | None = None
    placed_after: Instant | None = None
    placed_before: Instant | None = None
    attention: Literal["true"] | None = None
    """Only what a person has to look at."""
