"""Sources that leave as Knative's do: without a last commit, so that events come twice."""

import asyncio
import os
import signal
from pathlib import Path

from tests.support.brokers import OpenBroker
from tests.support.impatient_project import ORDERS_ALONE, impatient_project
from tests.support.shop import Call, Shop, insist, open_shop, reference
from tests.support.waiting import eventually_async

STOPS, ORDERS = 2, 100
SERVICES = (*ORDERS_ALONE, "update-inventory", "list-inventory", "apply-inventory")
ASSIGNED_WITHIN_S = 60.0  # a session of 10 s, the group's new round, and a slow machine


async def place(shop: Shop, item: str) -> list[str]:
    """Place orders and wait until all are confirmed; return their ids."""
    ids = [reference() for _ in range(ORDERS)]
    bodies = [{"order_id": order_id, "item": item, "quantity": 1} for order_id in ids]
    await insist(shop, [Call("POST", "/order", body) for body in bodies])
    sql = """SELECT count(*) FROM orders
      WHERE status = 'confirmed' AND order_id = ANY(CAST(:ids AS text[]))"""
    listed = "{" + ",".join(ids) + "}"
    await eventually_async(lambda: shop.query(sql, ids=listed) == [[ORDERS]])
    return ids


async def stop_abruptly(shop: Shop) -> None:
    """End the source of orders, and wait until its successor has the group's partitions."""
    former = shop.component("orders", "KafkaSource")["pid"]
    assert former is not None
    os.kill(former, signal.SIGTERM)

    def succeeded() -> bool:
        now = shop.component("orders", "KafkaSource")
        return now["pid"] not in {None, former} and now["state"] == "ready"

    await eventually_async(succeeded, within_s=ASSIGNED_WITHIN_S)


async def test_events_that_come_twice_by_an_abrupt_stop_act_once(
    tmp_path: Path, open_broker: OpenBroker
) -> None:
    project = impatient_project(tmp_path / "project", SERVICES)
    item, accepted = reference("item"), list[str]()
    options = ["--project", str(project), "--like-knative"]
    with (
        open_broker() as broker,
        open_shop(tmp_path / "data", kafka=broker.address, options=options) as shop,
    ):
        await asyncio.to_thread(shop.stock, item, (STOPS + 1) * ORDERS)
        for _ in range(STOPS):
            accepted += await place(shop, item)
            await stop_abruptly(shop)
        accepted += await place(shop, item)

        # No order was ever pending for so long that `sweep` announced it again.
        delivered = shop.answers("process-order", "event_id")
        proof = shop.proof(accepted)
        reserved = shop.shelf(item)["reserved"]

    assert delivered > len(accepted)
    assert proof.holds, proof
    assert (proof.orders, reserved) == (len(accepted), len(accepted))
