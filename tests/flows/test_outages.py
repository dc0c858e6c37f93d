"""Servers that go away: what was accepted survives, and comes to its end without anyone's help."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from knative_local.supervisor.state_file import ComponentState
from orderflow_cli.topics import create_topics
from tests.support.brokers import Broker, OpenBroker
from tests.support.kafka_topics import records
from tests.support.server_process import embedded_postgres
from tests.support.shop import Call, Shop, at_once, insist, open_shop, reference
from tests.support.waiting import eventually, eventually_async

RECOVERED_WITHIN_S = 60.0  # two rounds of sweep, and a slow machine
SENT = "Order received, stored in DB, and sent to Kafka"
QUEUED = "Order received, stored in DB, and queued for Kafka"


class Server:
    """A server of the test's own, which it can take away and give back at the same address."""

    def __init__(
        self, serve: Callable[[], AbstractContextManager[str]], pid_file: Path = Path()
    ) -> None:
        self._serve, self._pid_file = serve, pid_file
        self._running = ExitStack()
        self.address = ""

    def start(self) -> None:
        self.address = self._running.enter_context(self._serve())

    def stop(self) -> None:
        self._running.close()

    def crash(self) -> None:
        """Kill it as a power cut does."""
        os.kill(int(self._pid_file.read_text().split()[0]), signal.SIGKILL)
        self.stop()


@pytest.fixture(scope="module")
def kafka(open_broker: OpenBroker) -> Iterator[Broker]:
    """A broker that is killed to stop it; some have forgotten everything when they start."""
    with open_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A database that keeps its data."""
    folder = tmp_path_factory.mktemp("own")
    server = Server(lambda: embedded_postgres(folder), folder / "postgres/postmaster.pid")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own(
    tmp_path_factory: pytest.TempPathFactory, kafka: Broker, database: Server
) -> Iterator[Shop]:
    """OrderFlow on these two servers; no component of it may have been restarted at the end."""
    data = tmp_path_factory.mktemp("outages") / "data"
    with open_shop(data, postgres=database.address, kafka=kafka.address) as shop:
        yield shop
        assert {component["restarts"] for component in shop.components()} == {0}


@contextmanager
def asleep(component: ComponentState) -> Iterator[None]:
    """Let a component do nothing during the block."""
    assert component["pid"] is not None
    os.killpg(component["pid"], signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(component["pid"], signal.SIGCONT)


def test_without_its_database_it_says_when_to_come_back(own: Shop, database: Server) -> None:
    item, accepted = reference("item"), own.place(item=reference("item"), quantity=1)
    own.stock(item, 1)
    order = {"order_id": reference(), "item": item, "quantity": 1}
    calls = [
        Call("POST", "/order", order),
        Call("POST", "/inventory", {"item": item, "stock": 9}),
        Call("PATCH", f"/order/{accepted}", {"status": "cancelled"}),
        Call("GET", "/orders"),
        Call("GET", f"/inventory/{item}"),
    ]

    database.stop()
    answers = [own.call(*call) for call in calls]
    database.start()

    assert [answer.status_code for answer in answers] == [503] * len(calls)
    for answer in answers:
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["type"] == "/problems/database-away"
    assert own.call("GET", f"/order/{order['order_id']}").status_code == 404
    assert own.shelf(item)["on_hand"] == 1
    own.await_status(accepted, "backordered", within_s=RECOVERED_WITHIN_S)


def test_after_its_return_the_database_is_used_as_before(own: Shop, database: Server) -> None:
    item = reference("item")
    own.stock(item, 1)
    waiting = own.place(item=item, quantity=2)

    database.stop()
    database.start()
    placed = own.place(item=item, quantity=1)

    own.await_status(placed, "confirmed", within_s=RECOVERED_WITHIN_S)
    own.await_status(waiting, "backordered", within_s=RECOVERED_WITHIN_S)
    assert own.proof([waiting, placed]).holds


async def test_orders_taken_while_the_database_crashes_are_whole(
    own: Shop, database: Server
) -> None:
    item = reference("item")
    own.stock(item, 100)
    orders = [{"order_id": reference(), "item": item, "quantity": 1} for _ in range(400)]
    placing = asyncio.create_task(insist(own, [Call("POST", "/order", o) for o in orders]))
    await eventually_async(lambda: own.shelf(item)["reserved"] > 0)

    database.crash()
    database.start()
    answers = await placing

    assert {answer.status_code for answer in answers} <= {200, 201}
    assert own.proof([str(order["order_id"]) for order in orders]).holds
    assert own.shelf(item)["reserved"] == 100


async def test_orders_taken_while_kafka_is_away_come_to_their_end(own: Shop, kafka: Broker) -> None:
    item = reference("item")
    own.stock(item, 30)
    kafka.kill()
    orders = [{"order_id": reference(), "item": item, "quantity": 1} for _ in range(40)]

    answers = await at_once(own, [Call("POST", "/order", order) for order in orders])
    kafka.start()
    create_topics(kafka.address)

    assert {answer.status_code for answer in answers} == {201}
    assert {answer.json()["message"] for answer in answers} == {QUEUED}
    ids = [str(order["order_id"]) for order in orders]
    eventually(lambda: "pending" not in map(own.status, ids), within_s=RECOVERED_WITHIN_S)
    assert [own.status(order_id) for order_id in ids].count("confirmed") == 30
    assert records(kafka.address, "orders", ids[0], 1)
    assert records(kafka.address, "order-events", ids[0], 1)
    assert own.proof(ids).holds


def test_after_its_return_kafka_is_used_as_before(own: Shop, kafka: Broker) -> None:
    kafka.kill()
    queued = own.call("POST", "/order", {"item": reference("item"), "quantity": 1})
    kafka.start()
    create_topics(kafka.address)

    def sent() -> bool:
        answer = own.call("POST", "/order", {"item": reference("item"), "quantity": 1})
        return bool(answer.json()["message"] == SENT)

    assert queued.json()["message"] == QUEUED
    eventually(sent)
    order_id = own.place(item=reference("item"), quantity=1)
    own.await_status(order_id, "backordered", within_s=RECOVERED_WITHIN_S)


def test_event_acknowledged_just_before_kafka_crashed_is_acted_on_even_if_it_was_lost(
    own: Shop, kafka: Broker
) -> None:
    item = reference("item")

    with asleep(own.component("orders", "KafkaSource")):
        order_id = own.place(item=item, quantity=1)
        kafka.kill()
        kafka.start()
        create_topics(kafka.address)

    own.await_status(order_id, "backordered", within_s=RECOVERED_WITHIN_S)
    assert own.history(order_id) == ["pending", "backordered"]


async def test_orders_are_decided_although_nobody_offers_stock_to_those_who_wait(own: Shop) -> None:
    scarce, plenty = reference("item"), reference("item")
    for item in (scarce, plenty):
        own.stock(item, 1)
    holds = own.placed("confirmed", item=scarce, quantity=1)
    waits = own.placed("backordered", item=scarce, quantity=1)
    body = {"item": scarce, "quantity": 1}
    # More than a dispatcher has under way at once: if they came again and again, no other would.
    orders = [{"order_id": reference()} | body for _ in range(120)]

    with asleep(own.component("inventory", "KafkaSource")):
        assert own.patch(holds, "cancelled").status_code == 200
        answers = await at_once(own, [Call("POST", "/order", order) for order in orders])
        other = own.place(item=plenty, quantity=1)
        own.await_status(other, "confirmed")
        own.await_status(waits, "confirmed")

    assert {answer.status_code for answer in answers} == {201}
    assert own.proof([str(order["order_id"]) for order in orders]).holds
