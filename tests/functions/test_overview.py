"""The overview: its figures are exact, cheap, and answered whatever else is away."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from orderflow.audit.checks import audit
from orderflow.audit.record import run_audit
from orderflow.config import ConsumerSettings, settings
from orderflow.database.connection import Connection, retrying
from orderflow.models import ChangeInventory, PlaceOrder
from orderflow.overview import counters, figures, kafka
from orderflow.overview.counters import fold
from orderflow.overview.figures import MAX_COUNTED, MAX_DELTAS, STATUSES, read_figures, read_items
from orderflow.overview.kept import Kept
from orderflow.stock import holds
from tests.functions.test_list_orders import explained, rows_read
from tests.support.contract import check_answer
from tests.support.function_calls import (
    client_of,
    database_away,
    make_order,
    module_of,
    ordered,
    own_database,
    place,
    tick,
    using,
)

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
MANY = 20_000


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept for another test is forgotten."""
    module = module_of("overview")
    for name in ("figures", "items", "behind"):
        monkeypatch.setattr(module, name, Kept(getattr(module, name)._make))


async def overview() -> dict[str, Any]:
    answer = await client_of("overview").get("/overview")
    check_answer("get_overview", answer)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def truth(connection: Connection) -> dict[str, int]:
    rows = connection.run("SELECT status, count(*) FROM orders GROUP BY status")
    none: dict[str, int] = dict.fromkeys(STATUSES, 0)
    return none | dict(rows)


def counted(connection: Connection) -> dict[str, int]:
    found: dict[str, int] = read_figures(connection)["orders"]
    return found


def accepted(told: dict[str, Any]) -> int:
    return sum(minute["accepted"] for minute in told["per_minute"])


def allocated(told: dict[str, Any]) -> int:
    return sum(minute["allocated"] for minute in told["per_minute"])


def place_on(connection: Connection, **order: Any) -> str:
    """Place an order in a database that no function is told of."""
    create, body = module_of("create_order"), make_order(**order)
    wanted = create.requested(PlaceOrder.model_validate(body), None, TRACE)
    retrying(lambda: create.place_orders(connection, [wanted]))
    return str(body["order_id"])


def restock_on(connection: Connection, item: str, stock: int) -> None:
    inventory = module_of("update_inventory")
    told = ChangeInventory(item=item, stock=stock)
    inventory.record_changes(connection, [inventory.requested(told, TRACE)])
    module_of("apply_inventory").update_items(connection, [item])


def decide_on(connection: Connection, *order_ids: str) -> None:
    retrying(lambda: module_of("process_order").decide_orders(connection, order_ids))


def change_on(connection: Connection, order_id: str, status: Any) -> Any:
    update = module_of("update_order")
    wanted = [update.Change(order_id, status)]
    (result,) = retrying(lambda: update.change_orders(connection, wanted))
    return result


async def test_it_answers_with_what_is_there() -> None:
    before = await overview()
    confirmed, waits = await ordered(), await ordered("backordered")

    module_of("overview").figures._until_s = 0.0
    told = await overview()

    added = {status: told["orders"][status] - before["orders"][status] for status in STATUSES}
    assert added == dict.fromkeys(STATUSES, 0) | {"confirmed": 1, "backordered": 1}
    assert accepted(told) - accepted(before) == 2
    assert allocated(told) - allocated(before) == 2
    assert told["allocation_ms"]["orders"] >= 2
    assert 0 < told["allocation_ms"]["p50"] <= told["allocation_ms"]["p99"] < 60_000
    assert {confirmed, waits}.isdisjoint({(told["oldest_pending"] or {}).get("order_id")})


async def test_minutes_have_no_gaps_and_end_now() -> None:
    told = await overview()

    minutes = [datetime.fromisoformat(row["minute"]) for row in told["per_minute"]]
    assert len(minutes) == 60
    assert {b - a for a, b in pairwise(minutes)} == {timedelta(minutes=1)}
    assert timedelta() <= datetime.fromisoformat(told["at"]) - minutes[-1] < timedelta(minutes=1)


async def test_a_sweep_is_told_and_changes_no_figure(database: Connection) -> None:
    await ordered()
    before = read_figures(database)

    await tick()

    told = read_figures(database)
    assert database.run("SELECT FROM order_deltas") == []
    assert told["orders"] == before["orders"] == truth(database)
    assert (accepted(told), allocated(told)) == (accepted(before), allocated(before))
    assert told["allocation_ms"] == before["allocation_ms"]
    assert 0 <= told["last_sweep"]["age_s"] < 60


async def test_a_sweep_with_a_failed_step_is_none(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tick()
    ((before,),) = database.run("SELECT at FROM last_sweep")
    await ordered()

    async def fail() -> int:
        raise ConnectionError

    monkeypatch.setitem(module_of("sweep").STEPS, "relayed", fail)
    with pytest.raises(AssertionError):
        await tick()

    assert database.run("SELECT at FROM last_sweep") == [[before]]
    assert database.run("SELECT FROM order_deltas") == []  # counted all the same


async def test_kafka_s_answer_is_the_lag_of_each_source() -> None:
    await place()

    told = await overview()

    groups = ConsumerSettings().groups
    expected = [(group, topic) for group, topics in groups.items() for topic in topics]
    assert [(row["group"], row["topic"]) for row in told["consumer_lag"]] == expected
    # Nobody reads here, so all that was ever published waits.
    assert {row["topic"]: row["lag"] for row in told["consumer_lag"]}["orders"] > 0


async def test_without_kafka_it_answers_in_time_and_leaves_the_lag_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = settings().model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:9"})
    monkeypatch.setattr(kafka, "settings", lambda: away)
    kafka._admin.cache_clear()
    started = time.monotonic()

    told, again = await overview(), await overview()

    kafka._admin.cache_clear()
    assert (told["consumer_lag"], again["consumer_lag"]) == (None, None)
    assert time.monotonic() - started < 2 * kafka.ANSWER_WITHIN_S  # it is not asked twice
    assert told["orders"]


async def test_the_last_audit_is_told(database: Connection) -> None:
    run_audit(database, "someone")
    last = run_audit(database, "schedule")

    told = (await overview())["last_audit"]

    assert told["audit_id"] == last.audit_id
    assert told["passed"] is last.audit.holds
    assert told["differences"] == sum(finding.found for finding in last.audit.findings)


async def test_without_the_database_it_says_so() -> None:
    with using(worker=database_away()):
        answer = await client_of("overview").get("/overview")

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/database-away"


async def test_a_hundred_pages_cost_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    module, looks = module_of("overview"), []

    async def look() -> dict[str, Any]:
        looks.append(1)
        await asyncio.sleep(0.05)
        told: dict[str, Any] = await module.worker().submit(read_figures)
        return told

    monkeypatch.setattr(module, "figures", Kept(look))

    await asyncio.gather(*(overview() for _ in range(100)))

    assert len(looks) == 1


def test_whatever_happens_to_orders_at_once_is_counted_exactly(postgres: str) -> None:
    with own_database(postgres) as url:
        wrong = Crowd(url).run()

        with closing(Connection(url)) as connection:
            place_on(connection, item="item 0")
            told = read_figures(connection)
            assert wrong == []
            assert told["orders"] == truth(connection)
            assert min(told["orders"].values()) > 0, told["orders"]
            assert audit(connection).holds
            assert accepted(told) == sum(told["orders"].values())
            decided = """SELECT count(*) FROM order_history
              WHERE sequence = 2 AND status <> 'cancelled'"""
            assert connection.run(decided) == [[allocated(told)]]
            fold(connection)
            assert counted(connection) == truth(connection)


class Crowd:
    """Orders placed, decided, shipped, cancelled, expired and filled, and the counters folded and
    looked at, each by threads of their own.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._placed: list[str] = []
        self._done = threading.Event()
        self._wrong: list[str] = []

    def run(self) -> list[str]:
        """Let them, and return what was wrong meanwhile."""
        writing = [self._thread(work) for work in (*[self._write] * 3, self._restock)]
        looking = [self._thread(self._look) for _ in range(2)]
        for thread in writing:
            thread.join()
        self._done.set()
        for thread in looking:
            thread.join()
        return self._wrong

    def _thread(self, work: Callable[[Connection], None]) -> threading.Thread:
        def run() -> None:
            with closing(Connection(self._url)) as connection:
                work(connection)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def _write(self, connection: Connection) -> None:
        for turn in range(60):
            more = {"hold_minutes": 1, "on_shortage": "backorder" if turn % 7 else "reject"}
            self._placed.append(place_on(connection, item=f"item {turn % 3}", **more))
            if turn % 9:
                decide_on(connection, *self._placed[-4:])
            if turn % 4 == 0:
                change_on(connection, self._placed[turn * 7 % len(self._placed)], "cancelled")
            if turn % 5 == 0:
                change_on(connection, self._placed[turn * 3 % len(self._placed)], "shipped")

    def _restock(self, connection: Connection) -> None:
        for turn in range(20):
            retrying(partial(restock_on, connection, f"item {turn % 3}", 10))
            connection.run("""UPDATE orders SET due_at = '1970-01-01' WHERE position = (
              SELECT position FROM orders WHERE status = 'confirmed' ORDER BY position LIMIT 1
            )""")
            expired = list(holds.overdue(connection))
            retrying(partial(holds.expire_orders, connection, expired))

    def _look(self, connection: Connection) -> None:
        while not self._done.is_set():
            retrying(partial(fold, connection))
            with connection.transaction():
                connection.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                told, there = counted(connection), truth(connection)
            if told != there:
                self._wrong.append(f"{told} counted, {there} there")


def test_what_is_rolled_back_is_not_counted(alone: Connection) -> None:
    place_on(alone, item="Lamp")

    with pytest.raises(ZeroDivisionError), alone.transaction():
        place_on(alone, item="Lamp")
        raise ZeroDivisionError

    assert counted(alone)["pending"] == 1


def test_a_fold_that_is_interrupted_has_not_happened(alone: Connection) -> None:
    for _ in range(3):
        place_on(alone, item="Lamp")

    with pytest.raises(ZeroDivisionError), alone.transaction():
        assert fold(alone) == 3
        raise ZeroDivisionError

    assert counted(alone)["pending"] == 3
    assert fold(alone) == 3
    assert fold(alone) == 0
    assert counted(alone)["pending"] == 3
    assert accepted(read_figures(alone)) == 3


def test_a_fold_takes_bounded_steps(alone: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "FOLDED_AT_ONCE", 2)
    monkeypatch.setattr(counters, "FOLDS", 3)
    for _ in range(7):
        place_on(alone, item="Lamp")

    assert [fold(alone), fold(alone)] == [6, 1]
    assert counted(alone)["pending"] == 7


def test_minutes_are_forgotten_after_some_hours_and_totals_are_not(alone: Connection) -> None:
    alone.script("""
      INSERT INTO order_deltas (minute, enters, n) VALUES
        (date_trunc('minute', now() - interval '200 minutes'), 'pending', 5),
        (date_trunc('minute', now() - interval '30 minutes'), 'pending', 2)
    """)

    fold(alone)
    fold(alone)

    assert counted(alone)["pending"] == 7
    assert accepted(read_figures(alone)) == 2
    assert alone.run("SELECT sum(n) FROM order_minutes") == [[2]]


def test_orders_that_are_deleted_are_counted_no_more(alone: Connection) -> None:
    order_id = place_on(alone, item="Lamp")
    place_on(alone, item="Lamp")

    alone.script(f"""
      DELETE FROM order_history; DELETE FROM order_lines;
      DELETE FROM orders WHERE order_id = '{order_id}'
    """)

    assert counted(alone) == truth(alone)
    assert counted(alone)["pending"] == 1


def test_a_caller_s_own_table_is_not_taken_for_the_counters(alone: Connection) -> None:
    alone.script("CREATE TEMPORARY TABLE order_deltas (LIKE order_deltas INCLUDING ALL)")

    place_on(alone, item="Lamp")

    assert alone.run("SELECT FROM pg_temp.order_deltas") == []
    assert alone.run("SELECT enters, n FROM public.order_deltas") == [["pending", 1]]


def test_a_change_that_is_no_move_is_not_counted(alone: Connection) -> None:
    place_on(alone, item="Lamp")
    fold(alone)

    alone.run("UPDATE orders SET due_at = now(), attention = 'look'")

    assert alone.run("SELECT FROM order_deltas") == []


def test_latencies_are_those_from_acceptance_to_decision(alone: Connection) -> None:
    for age_s in (0.2, 0.2, 0.2, 30):
        order_id = place_on(alone, item="Lamp")
        age = (
            "UPDATE orders SET placed_at = now() - :age * interval '1 second' WHERE order_id = :id"
        )
        alone.run(age, age=age_s, id=order_id)
        decide_on(alone, order_id)
    cancelled = place_on(alone, item="Lamp")
    assert change_on(alone, cancelled, "cancelled") is True  # nobody decided on it

    told = read_figures(alone)["allocation_ms"]

    assert told["orders"] == 4
    assert 200 * 0.84 <= told["p50"] <= 1_000
    assert 30_000 * 0.84 <= told["p99"] <= 30_000 * 1.3


@pytest.mark.parametrize(
    ("latency_s", "bucket"),
    [(0, 0), (0.001, 0), (0.0011, 1), (0.002, 4), (0.1, 27), (1e3, 80), (1e7, 120), (-5, 0)],
)
def test_a_latency_has_its_bucket(database: Connection, latency_s: float, bucket: int) -> None:
    sql = "SELECT latency_bucket(:latency * interval '1 second')"

    assert database.run(sql, latency=latency_s) == [[bucket]]


async def test_what_waits_and_who_is_asked_is_counted(alone: Connection) -> None:
    oldest = place_on(alone, item="Lamp")
    place_on(alone, item="Lamp")
    alone.script("""
      UPDATE orders SET attention = 'look' WHERE position = 2;
      INSERT INTO inventory_changes (
        change_id, item, adjust, occurred_at, fingerprint, traceparent, announce_at, attention,
        outcome, applied_at
      ) VALUES
        ('open', 'Lamp', -1, now(), '', '', now(), 'look', NULL, NULL),
        ('refused', 'Lamp', -1, now(), '', '', now(), NULL, 'refused', now()),
        ('old', 'Lamp', -1, now(), '', '', now(), NULL, 'refused', now() - interval '8 days');
    """)

    told = read_figures(alone)

    assert told["oldest_pending"]["order_id"] == oldest
    assert told["outbox"]["waiting"] == 2
    assert told["outbox"]["oldest_s"] >= 0
    assert told["attention"] == {"orders": 1, "inventory_changes": 1, "refused_changes": 1}
    assert told["dead_letters"] == {"kept": 0, "redriving": 0}


def test_where_nothing_waits_nothing_is_old(alone: Connection) -> None:
    told = read_figures(alone)

    assert told["outbox"] == {"waiting": 0, "oldest_s": None}
    assert (told["oldest_pending"], told["allocation_ms"], told["last_sweep"]) == (None,) * 3


def test_a_short_item_is_one_of_which_more_is_waited_for_than_free(alone: Connection) -> None:
    restock_on(alone, "Laptop", 5)
    restock_on(alone, "Dock", 1)
    for quantity in (2, 3):
        order = {"lines": [{"item": i, "quantity": quantity} for i in ("Laptop", "Dock")]}
        decide_on(alone, place_on(alone, **order))
    decide_on(alone, place_on(alone, item="Mouse", quantity=9))

    told = read_items(alone)

    assert told["short_items"] == {
        "count": 2,
        "items": [
            {"item": "Mouse", "available": 0, "orders": 1, "units": 9},
            {"item": "Dock", "available": 1, "orders": 2, "units": 5},
        ],
    }


def test_a_low_item_has_less_available_than_its_threshold(alone: Connection) -> None:
    alone.script("""
      INSERT INTO stock (item, on_hand, reserved, threshold) VALUES
        ('enough', 9, 4, 5), ('low', 9, 5, 5), ('empty', 3, 3, 5), ('unguarded', 0, 0, NULL);
    """)

    assert read_items(alone)["low_items"] == {
        "count": 2,
        "items": [
            {"item": "empty", "available": 0, "threshold": 5},
            {"item": "low", "available": 4, "threshold": 5},
        ],
    }


@pytest.fixture(scope="module")
def large(postgres: str) -> Iterator[Connection]:
    """A database of its own with 20,000 of everything that could wait."""
    with own_database(postgres) as url, closing(Connection(url)) as connection:
        connection.script(f"""
          INSERT INTO stock (item, on_hand, threshold)
          SELECT 'item ' || n, 0, CASE WHEN n % 100 = 0 THEN 5 END
          FROM generate_series(1, {MANY}) AS n;
          INSERT INTO orders (
            order_id, fingerprint, on_shortage, status, traceparent, due_at, attention
          )
          SELECT 'order ' || n, '', 'backorder',
            (ARRAY['backordered', 'confirmed', 'pending'])[1 + n % 3], '', now(), 'look'
          FROM generate_series(1, {MANY}) AS n;
          INSERT INTO outbox (
            id, aggregatetype, aggregateid, type, payload, sequence, source, traceparent
          )
          SELECT gen_random_uuid(), 'orders', n, '', '{{}}', 1, '', ''
          FROM generate_series(1, {MANY}) AS n;
          INSERT INTO inventory_changes (
            change_id, item, adjust, occurred_at, fingerprint, traceparent, announce_at,
            attention, outcome, applied_at
          )
          SELECT n, 'Lamp', -1, now(), '', '', now(),
            'look', CASE WHEN n % 2 = 0 THEN 'refused' END, CASE WHEN n % 2 = 0 THEN now() END
          FROM generate_series(1, {MANY}) AS n;
          ANALYZE;
        """)
        yield connection


def test_what_waits_is_counted_to_a_limit_and_no_further(large: Connection) -> None:
    most = 50

    told = explained(large, figures.SELECT_BACKLOG, most=most, days=7)

    assert rows_read(told) <= 8 * most, told
    found = large.value(figures.SELECT_BACKLOG, most=most, days=7)
    assert found["outbox"]["waiting"] == found["attention"]["orders"] == most
    assert 1_000 <= MAX_COUNTED < MANY


def test_orders_are_not_counted_to_tell_how_many_there_are(large: Connection) -> None:
    fold(large)

    told = explained(large, figures.SELECT_COUNTS, most=MAX_DELTAS, minutes=5)

    assert rows_read(told) <= 200, told
    assert counted(large) == truth(large)


def test_items_are_read_only_where_somebody_waits_or_wants_to_know(large: Connection) -> None:
    told = explained(large, figures.SELECT_LOW_ITEMS, most=1_000, shown=100)
    short = explained(large, figures.SELECT_SHORT_ITEMS, most=1_000, shown=100)

    assert rows_read(told) <= MANY // 100 * 4, told
    assert rows_read(short) <= 10, short
    assert read_items(large)["low_items"]["count"] == MANY // 100
    assert len(read_items(large)["low_items"]["items"]) == 100
