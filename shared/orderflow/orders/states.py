"""The moves an order may make: the one table that code, errors and the README's diagram share."""

from typing import Literal

Status = Literal["pending", "confirmed", "backordered", "rejected", "cancelled", "shipped"]

MOVES: dict[Status, tuple[Status, ...]] = {
    "pending": ("confirmed", "backordered", "rejected", "cancelled"),
    "backordered": ("confirmed", "cancelled"),
    "confirmed": ("shipped", "cancelled"),
    "rejected": (),
    "cancelled": (),
    "shipped": (),
}
