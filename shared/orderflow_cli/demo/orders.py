"""The calls of the demo, what a busy hour of a shop sends, from a fixed seed; and the answers."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

ITEMS = 50
ORDERS = 5_000
REPEATS = 200  # the same order sent again, as a caller does who lost the answer
INVALID = 50
HOT_ITEM = "Laptop"
HOT_STOCK = 600  # about one order in five wants it: some will wait
STOCK = 400  # of each other item; the last ones run short
SCARCE_STOCK = 60
SEED = 20_260_101


class Call(NamedTuple):
    """A request to make, and the order that it places, if any."""

    request: bytes
    order_id: str = ""


@dataclass
class Placed:
    """What the callers saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, call: Call, status: int, seconds: float) -> None:
        """Take in the status of one answer, and how long it took."""
        self.statuses[status] += 1
        self.latencies_ms.append(seconds * 1000)
        if status in (200, 201):
            self.accepted.append(call.order_id)


def items() -> dict[str, int]:
    """Return the items and the units of each to start with."""
    names = [HOT_ITEM, *(f"Item {number:02}" for number in range(2, ITEMS + 1))]
    stock = dict.fromkeys(names, STOCK)
    scarce = dict.fromkeys(names[-5:], SCARCE_STOCK)
    return stock | scarce | {HOT_ITEM: HOT_STOCK}


def calls(base_url: str) -> list[Call]:
    """Return new orders, repeats and invalid ones in the order in which to send them."""
    chance = random.Random(SEED)  # noqa: S311 (a demo, not a secret)
    names = list(items())
    new = [_order(chance, names, number) for number in range(ORDERS)]
    orders = [Call(post(base_url, "/order", body), str(body["order_id"])) for body in new]
    wrong = chance.choices([0, -1, "two", None, 1.5], k=INVALID)
    bodies = [{**body, "item": "x", "quantity": q} for body, q in zip(new, wrong, strict=False)]
    later = chance.sample(orders, REPEATS) + [Call(post(base_url, "/order", b)) for b in bodies]
    for call in later:
        orders.insert(chance.randrange(ORDERS // 2, len(orders)), call)
    return orders


def post(base_url: str, path: str, body: object) -> bytes:
    """Return the bytes of a whole POST request."""
    content = orjson.dumps(body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(base_url).netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _order(chance: random.Random, names: list[str], number: int) -> dict[str, object]:
    body: dict[str, object] = {"order_id": f"demo-{number:05}"}
    if chance.random() < 0.15:
        body["on_shortage"] = "reject"
    if chance.random() < 0.7:
        hot = chance.random() < 0.25
        item = HOT_ITEM if hot else chance.choice(names)
        return body | {"item": item, "quantity": chance.choice([1, 1, 1, 2])}
    lines = [
        {"item": chance.choice(names), "quantity": chance.choice([1, 1, 2])}
        for _ in range(chance.randint(2, 5))
    ]
    return body | {"lines": lines}
