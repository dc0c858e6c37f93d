"""Each process is killed under load: every order that was accepted comes to one outcome."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from tests.flows.shop import (
    FUNCTIONS,
    Call,
    NewShop,
    Shop,
    eventually,
    insist,
    of_group,
    reference,
)

LOAD = 300  # calls, which take about a second
BACK_WITHIN_S = 20.0  # a start takes two seconds of an idle machine
COMPONENTS = [
    *((function.replace("_", "-"), "Service") for function in FUNCTIONS),
    ("orders", "KafkaSource"),
    ("inventory", "KafkaSource"),
    ("gateway", "Gateway"),
]


@pytest.fixture(scope="module")
def mortal(new_shop: NewShop) -> Iterator[Shop]:
    """An OrderFlow whose processes may be killed."""
    with new_shop() as shop:
        yield shop


def load(item: str) -> list[Call]:
    """Orders, and now and then all else that a caller can do."""
    calls = []
    for number in range(LOAD):
        order_id = reference()
        calls.append(Call("POST", "/order", {"order_id": order_id, "item": item, "quantity": 1}))
        if number % 10 == 0:
            change = {"item": item, "adjust": 5, "change_id": reference("change")}
            calls.append(Call("POST", "/inventory", change))
        if number % 25 == 0:
            calls.append(Call("PATCH", f"/order/{order_id}", {"status": "cancelled"}))
            calls.append(Call("GET", f"/order/{order_id}"))
    return calls


async def under_load(shop: Shop, item: str, victim: int) -> list[str]:
    """Kill a process while callers call; return the ids of all orders, which were accepted."""
    calls = load(item)
    calling = asyncio.create_task(insist(shop, calls))
    await asyncio.to_thread(eventually, lambda: shop.shelf(item)["reserved"] > 0)
    os.kill(victim, signal.SIGKILL)
    answers = await calling
    refused = [a.text for a in answers if a.status_code >= 500 or a.status_code == 422]
    assert not refused
    return [str(c.body["order_id"]) for c in calls if c.path == "/order" and c.body]


def await_back(shop: Shop, name: str, kind: str, dead: int) -> None:
    """Wait until a component is ready as another process."""

    def is_back() -> bool:
        component = shop.component(name, kind)
        return component["state"] == "ready" and component["pid"] != dead

    eventually(is_back, within_s=BACK_WITHIN_S)


def check(shop: Shop, item: str, order_ids: list[str]) -> None:
    """No accepted order is lost, undecided or decided twice, and all stock is accounted for."""
    assert shop.proof(order_ids).holds
    eventually(lambda: shop.shelf(item)["on_hand"] == 5 * LOAD // 10)
    eventually(lambda: shop.shelf(item)["available"] == 0)


@pytest.mark.parametrize(("name", "kind"), COMPONENTS)
async def test_killed_process_is_replaced_and_nothing_is_lost(
    mortal: Shop, name: str, kind: str
) -> None:
    item, pid = reference("item"), mortal.component(name, kind)["pid"]
    assert pid is not None

    order_ids = await under_load(mortal, item, victim=pid)

    await_back(mortal, name, kind, dead=pid)
    check(mortal, item, order_ids)


@pytest.mark.parametrize("name", ["create-order", "process-order", "apply-inventory"])
async def test_killed_worker_of_a_function_is_replaced_and_nothing_is_lost(
    mortal: Shop, name: str
) -> None:
    item, master = reference("item"), mortal.component(name, "Service")["pid"]
    assert master is not None
    (worker,) = (pid for pid in of_group(master) if pid != master)

    order_ids = await under_load(mortal, item, victim=worker)

    eventually(lambda: set(of_group(master)) - {master, worker}, within_s=BACK_WITHIN_S)
    check(mortal, item, order_ids)
