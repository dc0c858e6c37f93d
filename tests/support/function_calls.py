"""What the function tests share: functions in-process, made-up orders, looks into the truth."""

import importlib.util
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import httpx
import orjson
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from functions_framework.aio import create_asgi_app_from_module

from orderflow.config import settings
from orderflow.database.connection import Connection
from orderflow.database.migrate import migrate
from orderflow.database.worker import Worker
from orderflow.events.outbox import Outbox
from orderflow.resources import resources
from orderflow.retention.purging import purge

FUNCTIONS = Path(__file__).parents[2] / "functions"
WITHIN_S = 15.0  # far above what anything here takes; a deadline, not a pause


@cache
def module_of(function: str) -> ModuleType:
    """Load a function's main.py as functions-framework does, under a name of its own."""
    path = FUNCTIONS / function / "main.py"
    spec = importlib.util.spec_from_file_location(f"{function}_main", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def client_of(function: str) -> httpx.AsyncClient:
    """Return a client of one function."""
    source = str(FUNCTIONS / function / "main.py")
    create: Any = create_asgi_app_from_module
    app = create(function, source, "http", module_of(function), None)
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


@contextmanager
def using(worker: Worker | None = None, outbox: Outbox | None = None) -> Iterator[None]:
    """Let the functions have another worker or outbox for a while."""
    made = vars(resources())
    first_use = outbox is None and "outbox" not in made
    with pytest.MonkeyPatch.context() as patch:
        if worker is not None:
            patch.setattr(resources(), "worker", worker)
        if outbox is not None:
            patch.setattr(resources(), "outbox", outbox)
        yield
    if first_use:  # it was made meanwhile, and is of the other worker
        made.pop("outbox", None)


def kafka_away() -> Outbox:
    """An outbox of a broker that nobody reaches: the discard port."""
    return Outbox("127.0.0.1:9", resources().worker)


def database_away() -> Worker:
    """A worker of a database that nobody reaches."""
    return Worker("postgresql://postgres@127.0.0.1:9/postgres")


def reference(what: str = "order") -> str:
    """Return a name that no other test has."""
    return f"{what}-{uuid.uuid4().hex[:12]}"


@contextmanager
def own_database(postgres: str, *, copy_of: str | None = None) -> Iterator[str]:
    """The URL of a database that no other test has, migrated or a copy of another one's."""
    server, _, _ = postgres.rpartition("/")
    name, connection = reference("own").replace("-", "_"), Connection(postgres)
    template = f" TEMPLATE {copy_of.rpartition('/')[2]}" if copy_of else ""
    connection.script(f"CREATE DATABASE {name}{template}")
    try:
        if copy_of is None:
            migrate(f"{server}/{name}")
        yield f"{server}/{name}"
    finally:
        connection.script(f"DROP DATABASE {name} WITH (FORCE)")
        connection.close()


def make_order(**overrides: Any) -> dict[str, Any]:
    """Return a body, of one line unless `lines` are given; `...` leaves a field out."""
    one_line = {} if "lines" in overrides else {"item": reference("item"), "quantity": 1}
    body = {"order_id": reference()} | one_line | overrides
    return {name: value for name, value in body.items() if value is not ...}


def make_lines(*lines: tuple[str, int]) -> list[dict[str, Any]]:
    """Return lines of item and quantity."""
    return [{"item": item, "quantity": quantity} for item, quantity in lines]


async def place(**overrides: Any) -> str:
    """Place an order and return its id."""
    response = await client_of("create_order").post("/order", json=make_order(**overrides))
    assert response.status_code == 201, response.text
    return str(response.json()["order_id"])


def ce_headers(of_type: str, **overrides: str) -> dict[str, str]:
    """Return the headers of an event as Knative's dispatcher sends them."""
    attributes = {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/t", "type": of_type}
    named = {f"ce-{name}": value for name, value in (attributes | overrides).items()}
    return {"content-type": "application/json", **named}


async def deliver(function: str, of_type: str, data: Any) -> httpx.Response:
    """Send one event in binary mode."""
    content = data if isinstance(data, bytes) else orjson.dumps(data)
    return await client_of(function).post("/", content=content, headers=ce_headers(of_type))


async def process(order_id: str) -> httpx.Response:
    """Deliver `order.placed`."""
    return await deliver("process_order", "orderflow.order.placed.v1", {"order_id": order_id})


async def apply(item: str) -> httpx.Response:
    """Deliver `inventory.changed`."""
    return await deliver("apply_inventory", "orderflow.inventory.changed.v1", {"item": item})


async def tick() -> None:
    """Let sweep run once."""
    response = await deliver("sweep", "dev.knative.sources.ping", {})
    assert response.status_code == 204, response.text


async def forget() -> None:
    """Do what sweep does about what is over and old enough."""
    await resources().worker.submit(purge)


async def tell(item: str, **fields: Any) -> httpx.Response:
    """Tell an inventory change."""
    return await client_of("update_inventory").post("/inventory", json={"item": item} | fields)


async def restock(item: str, stock: int) -> None:
    """Count an item and apply the count."""
    assert (await tell(item, stock=stock)).status_code == 202
    assert (await apply(item)).status_code == 204


async def patch(order_id: str, status: str) -> httpx.Response:
    """Cancel or ship an order."""
    return await client_of("update_order").patch(f"/order/{order_id}", json={"status": status})


async def ordered(status: str = "confirmed", **overrides: Any) -> str:
    """Place an order and decide it, on stock that is or is not there; return its id."""
    body = make_order(**overrides)
    if status == "confirmed":
        await restock(body["item"], body["quantity"])
    order_id = await place(**body)
    assert (await process(order_id)).status_code == 204
    return order_id


class Shelf(NamedTuple):
    """An item's row."""

    on_hand: int
    reserved: int
    fill_due: bool = False


def shelf_of(database: Connection, item: str) -> Shelf | None:
    """Return an item's stock."""
    sql = "SELECT on_hand, reserved, fill_due FROM stock WHERE item = :item"
    rows = database.run(sql, item=item)
    return Shelf(*rows[0]) if rows else None


def ledger_of(database: Connection, item: str) -> tuple[int, int]:
    """Return the sums of an item's movements: on hand, reserved."""
    sql = """SELECT coalesce(sum(on_hand_change), 0)::bigint,
      coalesce(sum(reserved_change), 0)::bigint FROM stock_ledger WHERE item = :item"""
    (row,) = database.run(sql, item=item)
    return row[0], row[1]


def status_of(database: Connection, order_id: str) -> str:
    """Return an order's status."""
    ((status,),) = database.run("SELECT status FROM orders WHERE order_id = :id", id=order_id)
    return str(status)


def history_of(database: Connection, order_id: str) -> list[str]:
    """Return every status that an order has had."""
    sql = """SELECT h.status FROM order_history h JOIN orders USING (position)
      WHERE order_id = :id ORDER BY h.sequence"""
    return [status for (status,) in database.run(sql, id=order_id)]


def unpublished(database: Connection, entity: str) -> list[str]:
    """Return the types of an entity's events that the outbox still holds, in their order."""
    sql = "SELECT type FROM outbox WHERE aggregateid = :id ORDER BY at, sequence"
    return [of_type for (of_type,) in database.run(sql, id=entity)]


class Record(NamedTuple):
    """A record of a topic: its `ce_` attributes and its data."""

    attributes: dict[str, str]
    data: dict[str, Any]


def records_of(topic: str, key: str, count: int, *, distinct: bool = True) -> list[Record]:
    """Read a topic from its beginning until it has given `count` (different) events of a key."""
    found: dict[str, Record] = {}
    deadline = time.monotonic() + WITHIN_S
    for number, message in enumerate(_read(topic, deadline)):
        if message.key() == key.encode():
            record = _record(message)
            found.setdefault(record.attributes["id"] if distinct else str(number), record)
        if len(found) == count:
            return list(found.values())
    raise AssertionError(f"{topic} has {len(found)} of {count} records of {key}")


def _read(topic: str, deadline: float) -> Iterator[Message]:
    options = {
        "bootstrap.servers": settings().kafka_bootstrap_servers,
        "group.id": reference("reader"),
        "session.timeout.ms": 6_000,
        "enable.auto.commit": False,
        "log_level": 2,
    }
    with closing(Consumer(options)) as consumer:
        partitions = consumer.list_topics(topic, timeout=WITHIN_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and not message.error():
                yield message


def _record(message: Message) -> Record:
    headers: Any = message.headers() or []
    attributes = {name.removeprefix("ce_"): value.decode() for name, value in headers}
    return Record(attributes, orjson.loads(message.value() or b"null"))
