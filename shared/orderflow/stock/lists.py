"""What a list of inventory changes is chosen by."""

from typing import Literal

from orderflow.http.pagination import Page
from orderflow.models import Item

ChangeStatus = Literal["pending", "applied", "superseded", "refused"]


class ChangePage(Page):
    """`GET /inventory/changes`: filters that may be combined."""

    outcome: ChangeStatus | None = None
    item: Item | None = None
