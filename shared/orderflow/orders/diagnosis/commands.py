"""The commands that move an order on, as a person can give them: for a shell, or over HTTP."""

import json
import shlex
from collections.abc import Sequence
from urllib.parse import quote

from orderflow.orders.diagnosis.facts import Letter


def retry(order_id: str) -> str:
    """Return the command that has a pending order announced again."""
    # What starts with a dash would be taken for an option.
    return f"orderflow retry {'-- ' if order_id.startswith('-') else ''}{shlex.quote(order_id)}"


def redrive(letters: Sequence[Letter | None]) -> list[str]:
    """Return the command that sends dead letters again, none if none of them can be sent."""
    ids = sorted({letter.id for letter in letters if letter is not None and letter.sendable})
    return [f"orderflow dead-letters redrive {' '.join(map(str, ids))}"] if ids else []


def adjust(item: str, units: int) -> str:
    """Return the request that brings so many units of an item."""
    return f"POST /inventory {_json(item=item, adjust=units)}"


def patch(order_id: str, status: str) -> str:
    """Return the request that gives an order a status."""
    return f"PATCH /order/{quote(order_id, safe='')} {_json(status=status)}"


def _json(**body: object) -> str:
    return json.dumps(body, ensure_ascii=False)
