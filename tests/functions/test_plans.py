"""How statements find their rows: through an index, whatever else waits, from the first day on."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from pg8000.native import to_statement

from orderflow.database.connection import Connection
from orderflow.orders.diagnosis.facts import SELECT_ORDER
from orderflow.stock.filling import FEW, FILL_BATCH, FINISH_FILLING, SELECT_FILLABLE
from tests.functions.test_list_orders import explained, rows_read
from tests.support.function_calls import module_of, own_database

ROOT = Path(__file__).parents[2]
MANY = 20_000
PARTS = ("stock", "orders", "dead_letters", "events", "retention", "overview")
STATEMENTS = sorted(
    path
    for folder in (ROOT / "functions", *(ROOT / "shared/orderflow" / part for part in PARTS))
    for path in folder.rglob("*.sql")
    if path.name != "grants.sql"
)
STATEMENTS += sorted((ROOT / "shared/orderflow/database").glob("*_answers.sql"))
STATEMENTS += sorted((ROOT / "shared/orderflow_cli/archive").glob("*.sql"))
SWITCHES = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")


@pytest.fixture(scope="module")
def queue(postgres: str) -> Iterator[Connection]:
    """A database of its own, in which 20,000 orders of 5 to 10 units wait for one item."""
    with own_database(postgres) as url, closing(Connection(url)) as connection:
        connection.script(f"""
          INSERT INTO stock (item) VALUES ('Laptop');
          INSERT INTO orders (
            order_id, fingerprint, on_shortage, status, traceparent, due_at
          )
          SELECT 'order ' || n, '', 'backorder', 'backordered', '', now() + interval '1 day'
          FROM generate_series(1, {MANY}) AS n;
          INSERT INTO order_lines (position, line, item, quantity)
          SELECT position, 1, 'Laptop', 5 + position % 6 FROM orders;
          INSERT INTO backorders (item, position, quantity, blocked_by, blocked_quantity)
          SELECT item, position, quantity, item, quantity FROM order_lines;
          INSERT INTO stock_ledger (
            item, kind, on_hand_change, reserved_change, reason, occurred_at
          )
          SELECT 'Cable', 'repair', 1, 0, 'test', now() FROM generate_series(1, {MANY});
          ANALYZE;
        """)
        yield connection


@pytest.mark.parametrize("free", [0, 4, 5, 9, 1_000_000])
def test_a_filling_reads_a_bounded_part_of_the_queue(queue: Connection, free: int) -> None:
    queue.run("UPDATE stock SET on_hand = :free, fill_due = true", free=free)

    wanted = {"items": ["Laptop"], "few": FEW, "count": FILL_BATCH}
    found = explained(queue, SELECT_FILLABLE, **wanted)
    queue.run("BEGIN")
    finished = explained(queue, FINISH_FILLING, item="Laptop")
    queue.run("ROLLBACK")

    assert rows_read(found) <= FEW * 6 + FILL_BATCH * 12, found
    assert rows_read(finished) <= 10, finished
    assert len(queue.run(SELECT_FILLABLE, **wanted)) == (FILL_BATCH if free >= 5 else 0)


def test_the_first_in_line_are_found_however_the_queue_is_read(queue: Connection) -> None:
    everyone = "SELECT order_id FROM orders JOIN backorders USING (position) WHERE quantity <= :n"
    for free in (5, 7, 10):
        queue.run("UPDATE stock SET on_hand = :free, fill_due = true", free=free)
        expected = queue.run(f"{everyone} ORDER BY position LIMIT 200", n=free)

        for few in (100, FEW, MANY):
            wanted = {"items": ["Laptop"], "few": few, "count": 200}
            assert queue.run(SELECT_FILLABLE, **wanted) == expected, (free, few)


@pytest.fixture(scope="module")
def blocked(postgres: str) -> Iterator[Connection]:
    """20,000 orders of a Laptop and a Dock each: of Laptops there are enough, of Docks is none."""
    with own_database(postgres) as url, closing(Connection(url)) as connection:
        connection.script(f"""
          INSERT INTO stock (item, on_hand) VALUES ('Laptop', 1000000), ('Dock', 0);
          INSERT INTO orders (order_id, fingerprint, on_shortage, status, traceparent, due_at)
          SELECT 'order ' || n, '', 'backorder', 'backordered', '', now() + interval '1 day'
          FROM generate_series(1, {MANY}) AS n;
          INSERT INTO backorders (item, position, quantity, blocked_by, blocked_quantity)
          SELECT item, position, 1, 'Dock', 1
          FROM orders, unnest(ARRAY['Laptop', 'Dock']) AS item;
          ANALYZE;
        """)
        yield connection


@pytest.mark.parametrize("docks", [0, 5])
def test_a_filling_reads_no_order_that_another_item_blocks(blocked: Connection, docks: int) -> None:
    sql = "UPDATE stock SET on_hand = CASE item WHEN 'Dock' THEN CAST(:n AS bigint) ELSE 9 END,"
    blocked.run(f"{sql} fill_due = item = 'Laptop'", n=docks)

    found = explained(blocked, SELECT_FILLABLE, items=["Laptop"], few=FEW, count=FILL_BATCH)
    finished = explained(blocked, FINISH_FILLING, item="Laptop")

    assert rows_read(found) <= 10, found
    assert rows_read(finished) <= 10, finished
    assert blocked.run("SELECT item FROM stock WHERE fill_due") == []


def test_orders_that_one_more_item_blocks_are_found_in_the_line_of_each(
    blocked: Connection,
) -> None:
    blocked.run("UPDATE stock SET on_hand = 5, fill_due = true")

    for item in ("Laptop", "Dock"):
        wanted = {"items": [item], "few": FEW, "count": FILL_BATCH}
        found = explained(blocked, SELECT_FILLABLE, **wanted)
        assert rows_read(found) <= FEW * 6 + FILL_BATCH * 12, found
        first = [[f"order {number}"] for number in range(1, FILL_BATCH + 1)]
        assert blocked.run(SELECT_FILLABLE, **wanted) == first


def test_what_waits_is_counted_to_a_limit(queue: Connection) -> None:
    order = explained(
        queue, SELECT_ORDER, order_id=f"order {MANY}", event_id="x", owner=None, most=100
    )
    sql = module_of("list_inventory").SELECT_ITEM
    item = explained(queue, sql, item="Laptop", below=2**62, count=50, most=100)

    assert rows_read(order) <= 120, order
    assert rows_read(item) <= 120, item


@pytest.fixture(scope="module")
def empty(postgres: str) -> Iterator[Connection]:
    """A connection to a database of its own without any rows."""
    with own_database(postgres) as url, closing(Connection(url)) as connection:
        yield connection


def plan_of(connection: Connection, path: Path) -> dict[str, Any]:
    """The plan that a connection prepares for whatever values come."""
    sql, _ = to_statement(path.read_text())
    connection.ping()
    assert connection._native is not None
    answer = connection._native.execute_simple(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {sql}")
    plan = answer.rows[0][0]
    return dict((orjson.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def read_whole(node: dict[str, Any]) -> set[str]:
    """The tables that a plan reads from end to end."""
    found = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set()
    return found.union(*(read_whole(child) for child in node.get("Plans", [])))


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.stem)
def test_a_statement_that_is_prepared_on_empty_tables_reads_none_from_end_to_end(
    empty: Connection, path: Path
) -> None:
    assert read_whole(plan_of(empty, path)) == set()


def test_without_the_sessions_switches_such_statements_would(alone: Connection) -> None:
    alone.script("".join(f"SET {switch} = on;" for switch in SWITCHES))

    whole = {path.stem: read_whole(plan_of(alone, path)) for path in STATEMENTS}

    # Prepared plans outlive the growth of the tables, so these would read all orders each time.
    assert {name for name, tables in whole.items() if tables & {"orders", "stock", "backorders"}}
