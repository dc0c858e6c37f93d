"""Callers, at a steady rate and as their seed says: they order, change their minds, count shelves.

Each caller insists, as real ones do: with the same id, until there is an answer that is one. What
the callers were told is remembered, for it must be true for ever.
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx

from knative_local.ports import LOOPBACK
from tests.support.shop import Call, exchange

CALLERS_PER_S = 15  # some 35 calls a second: half of what two slow cores do beside all the rest
MAX_CALLERS = 100  # at once; while nothing answers, further ones stay away
BURST_CALLERS = 32  # at once, of those who come with a burst
PATIENCE_S = 10.0  # of a caller with one attempt
PAUSE_S = (0.5, 1.5)  # until the next attempt of who was not told when to come again
MAX_PAUSE_S = 5.0  # of who was told
INSISTED_S = 120.0  # far beyond any fault: who has no answer by then will never have one
AGAIN = frozenset({429, 502, 503, 504})
LOOKS = 20  # at an order, half a second apart, until it is confirmed

SOLD = [f"Sold {number}" for number in range(3)]  # few and wanted by many; these are shipped
KEPT = [f"Kept {number:02}" for number in range(40)]  # many, wanted by few
COUNTED = [f"Counted {number}" for number in range(5)]  # told as counts, all else as differences


@dataclass
class Told:
    """What callers were told. `troubles` are answers that no caller should have had."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    becomes: dict[str, str] = field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def on_hand(self) -> dict[str, int]:
        """What is on the shelves if everything told happened once, and nothing else did."""
        shelves: dict[str, int] = {}
        for change in self.changes.values():
            shelves[change["item"]] = shelves.get(change["item"], 0) + change.get("adjust", 0)
        for order_id, status in self.becomes.items():
            for line in lines(self.orders[order_id]) if status == "shipped" else ():
                shelves[line["item"]] -= line["quantity"]
        return shelves | self.counts


class Load:
    """The callers of the shop on a port of the loopback interface."""

    def __init__(self, port: int, seed: int) -> None:
        self.told = Told()
        self.clock_off = timedelta(0)
        self._port, self._seed = port, seed
        self._came = 0
        self._ends = False
        self._shelves = {item: asyncio.Lock() for item in COUNTED}

    async def open(self) -> None:
        """Fill the shelves."""
        for item in SOLD + KEPT:
            await self._change({"item": item, "adjust": 20, "change_id": f"first {item}"})
        for item in COUNTED:
            await self._change({"item": item, "stock": 20, "change_id": f"first {item}"})
            self.told.counts[item] = 20

    async def run(self) -> None:
        """Let callers come until `end`; return when the last one has gone."""
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as callers:
            while not self._ends:
                if len(running) < MAX_CALLERS:
                    running.add(caller := callers.create_task(self._call()))
                    caller.add_done_callback(running.discard)
                await asyncio.sleep(1 / CALLERS_PER_S)

    def end(self) -> None:
        """Let no more callers come."""
        self._ends = True

    async def burst(self, count: int) -> None:
        """Let so many order as fast as they are served."""
        left = iter(range(count))

        async def caller() -> None:
            for _ in left:
                await self.order()

        await asyncio.gather(*(caller() for _ in range(BURST_CALLERS)))

    async def order(self) -> str:
        """Place an order that is like no other; return its id."""
        chance = self._next()
        body = new_order(chance, f"order-{self._came}")
        await self._place(chance, body)
        return str(body["order_id"])

    async def look(self, order_id: str) -> dict[str, Any]:
        """What the shop says of an order that it has accepted."""
        answer = await self._insist(self._next(), Call("GET", f"/order/{order_id}"), 200)
        return answer.json() if answer is not None else {"status": "unknown"}

    def _next(self) -> random.Random:
        self._came += 1
        return random.Random(f"{self._seed} {self._came}")

    async def _call(self) -> None:
        chance = self._next()
        kind = chance.random()
        if kind < 0.8:
            await self._buy(chance, new_order(chance, f"order-{self._came}"))
        elif kind < 0.93:
            await self._restock(chance, f"change-{self._came}")
        else:
            await self._count(chance, f"count-{self._came}")

    async def _buy(self, chance: random.Random, body: dict[str, Any]) -> None:
        await self._place(chance, body)
        if chance.random() < 0.25:
            await self._place(chance, body)
        then = chance.random()
        if then < 0.15:
            refused = (409,) if body["on_shortage"] == "reject" else ()
            await self._patch(chance, body["order_id"], "cancelled", *refused)
        elif then < 0.5 and may_ship(body):
            if await self._is_confirmed(chance, body["order_id"]):
                await self._patch(chance, body["order_id"], "shipped")
        elif then < 0.65:
            await self._insist(chance, Call("GET", f"/order/{body['order_id']}"), 200)
            await self._insist(chance, Call("GET", "/orders?limit=20"), 200)

    async def _place(self, chance: random.Random, body: dict[str, Any]) -> None:
        order_id = body["order_id"]
        new = () if order_id in self.told.orders else (201,)
        answer = await self._insist(chance, Call("POST", "/order", body), 200, *new)
        if answer is not None:
            self.told.orders[order_id] = body

    async def _is_confirmed(self, chance: random.Random, order_id: str) -> bool:
        for _ in range(LOOKS):
            answer = await self._insist(chance, Call("GET", f"/order/{order_id}"), 200)
            if answer is None or (status := answer.json()["status"]) == "confirmed":
                return answer is not None
            if status != "pending" or self._ends:
                return False
            await asyncio.sleep(0.5)
        return False

    async def _patch(
        self, chance: random.Random, order_id: str, status: str, *refused: int
    ) -> None:
        call = Call("PATCH", f"/order/{order_id}", {"status": status})
        answer = await self._insist(chance, call, 200, *refused)
        if answer is not None and answer.status_code == 200:
            self.told.becomes[order_id] = status

    async def _restock(self, chance: random.Random, change_id: str) -> None:
        if chance.random() < 0.5:
            item, units, less = chance.choice(SOLD), chance.randint(10, 30), 0
        else:
            item, units, less = chance.choice(KEPT), chance.randint(4, 10), chance.randint(0, 3)
        await self._change({"item": item, "adjust": units, "change_id": change_id} | self._when())
        if less:  # never more than just came, so that it is never refused
            taken = {"item": item, "adjust": -less, "change_id": f"{change_id}-broken"}
            await self._change(taken | self._when())

    async def _count(self, chance: random.Random, change_id: str) -> None:
        item, units = chance.choice(COUNTED), chance.randint(0, 60)
        # One at a time, so that it is known which was the last.
        async with self._shelves[item]:
            superseded = self.clock_off < timedelta(0)  # by the count before, which is later
            body = {"item": item, "stock": units, "change_id": change_id} | self._when()
            if await self._change(body) and not superseded:
                self.told.counts[item] = units

    async def _change(self, body: dict[str, Any]) -> bool:
        answer = await self._insist(self._next(), Call("POST", "/inventory", body), 202)
        if answer is not None:
            self.told.changes[body["change_id"]] = body
        return answer is not None

    def _when(self) -> dict[str, str]:
        off = self.clock_off
        return {"occurred_at": (datetime.now(UTC) + off).isoformat()} if off else {}

    async def _insist(
        self, chance: random.Random, call: Call, *expected: int
    ) -> httpx.Response | None:
        deadline = time.monotonic() + INSISTED_S
        while time.monotonic() < deadline:
            answer = await self._attempt(call)
            if answer is not None and answer.status_code not in AGAIN:
                if answer.status_code in expected:
                    return answer
                self.told.troubles.append(f"{call}: {answer.status_code} {answer.text}")
                return None
            told_s = float(answer.headers.get("Retry-After", 0)) if answer is not None else 0.0
            await asyncio.sleep(max(chance.uniform(*PAUSE_S), min(told_s, MAX_PAUSE_S)))
        self.told.troubles.append(f"{call}: no answer in {INSISTED_S:g} s")
        return None

    async def _attempt(self, call: Call) -> httpx.Response | None:
        date = format_datetime(datetime.now(UTC) + self.clock_off, usegmt=True)
        try:
            async with asyncio.timeout(PATIENCE_S):
                streams = await asyncio.open_connection(LOOPBACK, self._port)
                return await exchange(call._replace(headers={"Date": date}), *streams)
        except OSError:  # that it took too long is one too
            return None


def new_order(chance: random.Random, order_id: str) -> dict[str, Any]:
    """Make the body of an order: mostly one line, often of what everybody wants."""
    on_shortage = chance.choice(["backorder", "backorder", "reject"])
    body: dict[str, Any] = {"order_id": order_id, "on_shortage": on_shortage}
    if chance.random() < 0.1:
        body["hold_minutes"] = 1
    if chance.random() < 0.7:
        item = chance.choice(SOLD if chance.random() < 0.5 else KEPT + COUNTED)
        return body | {"item": item, "quantity": chance.randint(1, 2)}
    wanted = chance.choices(SOLD * 4 + KEPT + COUNTED, k=chance.randint(2, 5))
    return body | {"lines": [{"item": i, "quantity": chance.randint(1, 2)} for i in wanted]}


def lines(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of an order, whichever form it has."""
    given: list[dict[str, Any]] = body.get("lines") or [body]
    return given


def may_ship(body: dict[str, Any]) -> bool:
    """Whether nothing but its caller can undo the order once it is confirmed."""
    return "hold_minutes" not in body and all(line["item"] in SOLD for line in lines(body))
