"""The rules that the database keeps against any code, and its absence."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from orderflow.database.connection import Connection, Refused, retrying
from orderflow.database.migrate import FOLDER, migrate
from orderflow.database.worker import Worker
from orderflow.errors import DatabaseAway
from orderflow.resources import resources
from tests.support.function_calls import (
    Shelf,
    apply,
    client_of,
    database_away,
    deliver,
    history_of,
    make_order,
    ordered,
    patch,
    place,
    process,
    reference,
    restock,
    shelf_of,
    status_of,
    tell,
    using,
)
from tests.support.server_process import embedded_postgres

# The net under the code


def test_an_update_that_oversells_is_refused(database: Connection) -> None:
    item = reference("item")
    database.run("INSERT INTO stock (item, on_hand, reserved) VALUES (:item, 5, 3)", item=item)

    with pytest.raises(Refused, match=f"oversell refused: 6 of {item} reserved, 5 on hand"):
        database.run("UPDATE stock SET reserved = 6 WHERE item = :item", item=item)

    assert shelf_of(database, item) == Shelf(5, 3)


def test_an_insert_that_oversells_is_refused(database: Connection) -> None:
    item = reference("item")

    with pytest.raises(Refused, match="oversell refused"):
        database.run("INSERT INTO stock (item, on_hand, reserved) VALUES (:item, 1, 2)", item=item)

    assert shelf_of(database, item) is None


def test_an_upsert_that_oversells_is_refused(database: Connection) -> None:
    item = reference("item")
    database.run("INSERT INTO stock (item, on_hand) VALUES (:item, 1)", item=item)

    with pytest.raises(Refused, match="oversell refused"):
        database.run(
            """INSERT INTO stock (item) VALUES (:item)
            ON CONFLICT (item) DO UPDATE SET reserved = 2""",
            item=item,
        )


def test_after_a_low_count_less_may_be_promised_but_not_more(database: Connection) -> None:
    item = reference("item")
    database.run("INSERT INTO stock (item, on_hand, reserved) VALUES (:item, 5, 5)", item=item)
    database.run("UPDATE stock SET on_hand = 2 WHERE item = :item", item=item)

    database.run("UPDATE stock SET reserved = 4 WHERE item = :item", item=item)
    with pytest.raises(Refused):
        database.run("UPDATE stock SET reserved = 5 WHERE item = :item", item=item)

    assert shelf_of(database, item) == Shelf(2, 4)


@pytest.mark.parametrize("column", ["on_hand", "reserved"])
def test_no_figure_falls_below_zero(database: Connection, column: str) -> None:
    item = reference("item")
    database.run("INSERT INTO stock (item) VALUES (:item)", item=item)

    with pytest.raises(Refused):
        database.run(f"UPDATE stock SET {column} = -1 WHERE item = :item", item=item)


@pytest.mark.parametrize("kind", ["reserve", "release", "ship"])
async def test_an_order_moves_an_item_of_one_kind_once(database: Connection, kind: str) -> None:
    item = reference("item")
    order_id = await place(item=item)
    sql = """INSERT INTO stock_ledger (
        item, kind, on_hand_change, reserved_change, order_position, occurred_at
      ) SELECT :item, :kind, 0, 1, position, now() FROM orders WHERE order_id = :id"""
    database.run(sql, item=item, kind=kind, id=order_id)

    with pytest.raises(Refused, match="stock_ledger_once"):
        database.run(sql, item=item, kind=kind, id=order_id)


async def test_a_second_reserve_takes_its_whole_transaction_with_it(database: Connection) -> None:
    """An order forced back to pending would be reserved again: the ledger refuses."""
    item = reference("item")
    order_id = await ordered(item=item)
    await restock(item, 5)
    database.run("UPDATE orders SET status = 'pending' WHERE order_id = :id", id=order_id)

    response = await process(order_id)

    assert response.status_code == 422
    assert shelf_of(database, item) == Shelf(5, 1)
    assert history_of(database, order_id) == ["pending", "confirmed"]


async def test_one_order_that_the_database_refuses_does_not_harm_its_neighbours(
    database: Connection,
) -> None:
    item = reference("item")
    await restock(item, 50)
    order_ids = [await place(item=item) for _ in range(8)]
    await process(order_ids[3])
    database.run("UPDATE orders SET status = 'pending' WHERE order_id = :id", id=order_ids[3])

    responses = await asyncio.gather(*(process(order_id) for order_id in order_ids))

    expected = [204] * 8
    expected[3] = 422
    assert [response.status_code for response in responses] == expected
    assert shelf_of(database, item) == Shelf(50, 8)


@pytest.mark.parametrize("status", ["lost", "", None])
async def test_no_order_enters_an_unknown_status(database: Connection, status: str | None) -> None:
    order_id = await place()

    with pytest.raises(Refused):
        database.run(
            "UPDATE orders SET status = :status WHERE order_id = :id", status=status, id=order_id
        )


@pytest.mark.parametrize(
    ("stock", "adjust"), [(1, 1), (None, None), (-1, None), (None, 0)], ids=str
)
def test_a_change_is_a_count_or_a_difference(
    database: Connection, stock: int | None, adjust: int | None
) -> None:
    with pytest.raises(Refused):
        database.run(
            """INSERT INTO inventory_changes (
              change_id, item, stock, adjust, occurred_at, fingerprint, traceparent, announce_at
            ) VALUES (
              :id, 'x', CAST(:stock AS bigint), CAST(:adjust AS bigint), now(), '', '', now()
            )""",
            id=reference("change"),
            stock=stock,
            adjust=adjust,
        )


# Migrations


@pytest.fixture
def fresh(postgres: str, database: Connection) -> Iterator[str]:
    """The URL of an empty database."""
    name = reference("fresh").replace("-", "_")
    database.script(f"CREATE DATABASE {name}")
    yield f"{postgres.rpartition('/')[0]}/{name}"
    database.script(f"DROP DATABASE {name} WITH (FORCE)")


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.sql"))


def test_migrations_run_once_however_often_they_are_started(fresh: str) -> None:
    assert migrate(fresh) == names()
    assert migrate(fresh) == []


def test_migrations_started_at_one_instant_run_once(fresh: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(migrate, [fresh] * 4))

    assert sorted(name for some in applied for name in some) == names()


def test_every_table_says_why_it_exists(database: Connection) -> None:
    silent = database.run(
        """SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
          AND relname <> 'migrations' AND obj_description(oid) IS NULL"""
    )

    assert silent == []


# The database goes away and comes back


def backend_of(connection: Connection) -> int:
    ((pid,),) = connection.run("SELECT pg_backend_pid()")
    return int(pid)


def end(database: Connection, pid: int) -> None:
    database.run("SELECT pg_terminate_backend(CAST(:pid AS integer), 5000)", pid=pid)


async def test_a_killed_connection_is_survived(database: Connection) -> None:
    item = reference("item")
    await restock(item, 3)
    worker = resources().worker

    for _ in range(3):
        end(database, await worker.submit(backend_of))
        assert (await process(await place(item=item))).status_code == 204

    assert shelf_of(database, item) == Shelf(3, 3)


async def test_connections_killed_under_load_lose_and_double_nothing(
    database: Connection,
) -> None:
    item = reference("item")
    await restock(item, 1_000)
    worker, done = resources().worker, asyncio.Event()

    async def kill() -> None:
        while not done.is_set():
            end(database, await worker.submit(backend_of))
            await asyncio.sleep(0.03)

    async def run() -> str:
        body = make_order(item=item)
        await until_accepted(lambda: client_of("create_order").post("/order", json=body))
        await until_accepted(lambda: process(body["order_id"]))
        return str(body["order_id"])

    killing = asyncio.create_task(kill())
    order_ids = [await run() for _ in range(12)]
    done.set()
    await killing

    assert {status_of(database, order_id) for order_id in order_ids} == {"confirmed"}
    assert shelf_of(database, item) == Shelf(1_000, 12)


async def until_accepted(call: Any) -> httpx.Response:
    """Repeat a call as a caller or Knative does: while it is answered 503."""
    deadline = time.monotonic() + 15
    while True:
        response: httpx.Response = await call()
        if response.status_code != 503:
            assert response.status_code < 300, response.text
            return response
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_a_transaction_whose_connection_is_killed_leaves_nothing(
    postgres: str, database: Connection
) -> None:
    item, connection = reference("item"), Connection(postgres)

    with pytest.raises(DatabaseAway), connection.transaction():
        connection.run("INSERT INTO stock (item) VALUES (:item)", item=item)
        end(database, backend_of(connection))
        connection.run("SELECT 1")
    connection.close()

    assert shelf_of(database, item) is None


def test_a_deadlock_is_tried_again_and_both_come_through(
    postgres: str, database: Connection
) -> None:
    first, second = reference("item"), reference("item")
    for item in (first, second):
        database.run("INSERT INTO stock (item) VALUES (:item)", item=item)
    sql = "UPDATE stock SET on_hand = on_hand + 1 WHERE item = :item"

    def cross(connection: Connection, items: tuple[str, str]) -> None:
        with connection.transaction():
            for item in items:
                connection.run(sql, item=item)
                time.sleep(0.05)  # so that the two meet in the middle

    def run(items: tuple[str, str]) -> None:
        connection = Connection(postgres)
        try:
            retrying(lambda: cross(connection, items))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, [(first, second), (second, first)]))

    assert shelf_of(database, first) == shelf_of(database, second) == Shelf(2, 0)


@pytest.fixture
async def second(broker: str, tmp_path: Path) -> AsyncIterator["Stoppable"]:
    """A database that can be stopped and started, and functions that use it."""
    server = Stoppable(tmp_path)
    server.start()
    migrate(server.url)
    worker = Worker(server.url, resources().outbox.publish)
    with using(worker=worker):
        yield server
    await worker.submit(lambda connection: connection.close())
    server.stop()


class Stoppable:
    """A PostgreSQL of this test's own; its port and its data stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self.url = ""

    def start(self) -> None:
        self.url = self._running.enter_context(embedded_postgres(self._folder))

    def stop(self) -> None:
        self._running.close()


CALLS: dict[str, Callable[[], Coroutine[Any, Any, httpx.Response]]] = {
    "create_order": lambda: client_of("create_order").post("/order", json=make_order()),
    "update_order": lambda: patch("any", "shipped"),
    "list_orders": lambda: client_of("list_orders").get("/orders"),
    "one order": lambda: client_of("list_orders").get("/order/any"),
    "stream": lambda: client_of("list_orders").get(
        "/orders", headers={"accept": "application/x-ndjson"}
    ),
    "update_inventory": lambda: tell("any", stock=1),
    "list_inventory": lambda: client_of("list_inventory").get("/inventory"),
    "process_order": lambda: process("any"),
    "apply_inventory": lambda: apply("any"),
    "sweep": lambda: deliver("sweep", "dev.knative.sources.ping", {}),
}


async def test_a_function_is_ready_once_it_has_reached_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away, here = database_away(), resources().worker
    monkeypatch.setattr(resources(), "has_reached_database", False)
    statuses = []
    for worker in (away, here, away):
        with using(worker=worker):
            statuses.append((await client_of("create_order").get("/readyz")).status_code)

    assert statuses == [503, 200, 200]


async def test_while_the_database_is_away_callers_are_told_to_come_again_and_it_recovers(
    second: "Stoppable",
) -> None:
    before = make_order()
    assert (await client_of("create_order").post("/order", json=before)).status_code == 201

    second.stop()
    away = {name: await call() for name, call in CALLS.items()}
    second.start()
    again = {name: await call() for name, call in CALLS.items()}
    kept = await client_of("list_orders").get(f"/order/{before['order_id']}")

    assert {name: response.status_code for name, response in away.items()} == dict.fromkeys(
        CALLS, 503
    )
    for response in away.values():
        assert int(response.headers["retry-after"]) >= 1
        assert response.json()["type"] == "/problems/database-away"
    assert all(response.status_code < 500 for response in again.values()), again
    assert (kept.status_code, kept.json()["order_id"]) == (200, before["order_id"])
