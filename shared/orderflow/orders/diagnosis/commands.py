"""The commands that move an order on, for a shell, as a person can give them."""

import json
import shlex
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from orderflow.orders.diagnosis.facts import Letter


class Target(NamedTuple):
    """What commands work on: the URL of the gateway, and options that tell `orderflow` the same."""

    gateway: str = "http://127.0.0.1:8080"  # where `orderflow up` listens unless told otherwise
    options: Sequence[str] = ()


def retry(target: Target, order_id: str) -> str:
    """Return the command that has a pending order announced again."""
    # What starts with a dash would be taken for an option.
    end_of_options = ["--"] if order_id.startswith("-") else []
    return shlex.join(["orderflow", "retry", *target.options, *end_of_options, order_id])


def announce(target: Target, order_id: str) -> str:
    """Return the call that has a pending order announced again."""
    return _curl("POST", f"{_order(target, order_id)}/retry")


def redrive(target: Target, letters: Sequence[Letter | None]) -> list[str]:
    """Return the command that sends dead letters again, none if none of them can be sent."""
    ids = sorted({letter.id for letter in letters if letter is not None and letter.sendable})
    command = ["orderflow", "dead-letters", "redrive", *target.options, *map(str, ids)]
    return [shlex.join(command)] if ids else []


def adjust(target: Target, item: str, units: int) -> str:
    """Return the call that brings so many units of an item."""
    return _curl("POST", f"{target.gateway}/inventory", item=item, adjust=units)


def patch(target: Target, order_id: str, status: str) -> str:
    """Return the call that gives an order a status."""
    return _curl("PATCH", _order(target, order_id), status=status)


def _order(target: Target, order_id: str) -> str:
    return f"{target.gateway}/order/{quote(order_id, safe='')}"


def _curl(method: str, url: str, **body: object) -> str:
    json_type, content = "Content-Type: application/json", json.dumps(body, ensure_ascii=False)
    return shlex.join(["curl", "-X", method, url, "-H", json_type, "-d", content])
