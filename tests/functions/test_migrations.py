"""Migrations that fill new columns, on rows that were there before."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orderflow.audit.checks import audit
from orderflow.database import migrate as migrations
from orderflow.database.connection import Connection
from orderflow.overview.figures import read_figures
from tests.support.function_calls import reference

MigrateUntil = Callable[[str], None]


@pytest.fixture
def old(postgres: str, database: Connection) -> Iterator[Connection]:
    """A connection to a database that has no tables yet."""
    name = reference("old").replace("-", "_")
    database.script(f"CREATE DATABASE {name}")
    with closing(Connection(f"{postgres.rpartition('/')[0]}/{name}")) as connection:
        yield connection
    database.script(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def migrate_until(
    old: Connection, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MigrateUntil:
    """Applies what comes before a number to the old database."""
    ((name,),) = old.run("SELECT current_database()")

    def migrate_until(number: str) -> None:
        for path in migrations.FOLDER.glob("*.sql"):
            if path.stem < number:
                shutil.copy(path, tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(migrations, "FOLDER", tmp_path)
            migrations.migrate(f"{postgres.rpartition('/')[0]}/{name}")

    return migrate_until


def wait_for(old: Connection, order_id: str, **items: int) -> None:
    """Add an order that waits for these items, as 0011 knew it."""
    old.run(
        """WITH added AS (
          INSERT INTO orders (order_id, fingerprint, on_shortage, status, traceparent, due_at)
          VALUES (:id, '', 'backorder', 'backordered', '', now() + interval '1 day')
          RETURNING position
        ), history AS (
          INSERT INTO order_history (position, sequence, status, cause)
          SELECT position, 1, 'backordered', 'test' FROM added
        ), lines AS (
          INSERT INTO order_lines (position, line, item, quantity)
          SELECT position, line, item, quantity FROM added, unnest(
            CAST(:items AS text[]), CAST(:quantities AS integer[])
          ) WITH ORDINALITY AS wanted (item, quantity, line)
          RETURNING item, position, quantity
        )
        INSERT INTO backorders (item, position, quantity)
        SELECT item, position, quantity FROM lines""",
        id=order_id,
        items=list(items),
        quantities=list(items.values()),
    )


def test_orders_that_waited_before_0012_say_what_blocks_them(
    old: Connection, migrate_until: MigrateUntil
) -> None:
    migrate_until("0012")
    old.script("""
      INSERT INTO stock (item, on_hand, reserved, fill_due) VALUES
        ('Cable', 9, 0, false), ('Dock', 0, 0, false),
        ('Laptop', 5, 3, false), ('Mouse', 8, 0, true)
    """)
    wait_for(old, "one item", Laptop=5)
    wait_for(old, "one of two", Cable=1, Laptop=3)
    wait_for(old, "both", Laptop=3, Dock=1)
    wait_for(old, "none by now", Cable=1, Mouse=2)

    migrate_until("0013")

    rows = old.run(
        """SELECT DISTINCT order_id, blocked_by, blocked_quantity
        FROM backorders JOIN orders USING (position)"""
    )
    assert sorted(rows) == [
        ["both", "Dock", 1],  # the first by name
        ["none by now", "Mouse", 2],  # which is to be offered
        ["one item", "Laptop", 5],
        ["one of two", "Laptop", 3],
    ]


LETTERS = {
    "http://process-order.orderflow.svc.cluster.local/": "process-order",
    "http://apply-inventory:8080/": "apply-inventory",
    "https://billing.example/events": "billing.example",
    "http://process-orders.example/": "process-orders.example",
    "http://127.0.0.1:4711/": "127.0.0.1",
    f"http://{'x' * 300}/": "x" * 256,
    "somewhere": "unknown",
}


def test_letters_from_before_0014_say_who_could_not_take_them(
    old: Connection, migrate_until: MigrateUntil
) -> None:
    migrate_until("0014")
    for destination in LETTERS:
        old.run(
            """INSERT INTO dead_letters (
              identity, event_id, type, topic, attributes, data, data_bytes, destination, error
            ) VALUES (
              :to, 'id', 'orderflow.order.placed.v1', 'orders', '{}', '', 0, :to, 'no'
            )""",
            to=destination,
        )

    migrate_until("0015")

    rows = old.run("SELECT destination, consumer, sendable FROM dead_letters")
    assert {to: consumer for to, consumer, _ in rows} == LETTERS
    assert {consumer for _, consumer, sendable in rows if sendable} == {"process-order"}


def test_what_was_moved_through_every_migration_passes_the_audit(
    old: Connection, migrate_until: MigrateUntil
) -> None:
    migrate_until("0012")
    old.script("INSERT INTO stock (item) VALUES ('Dock'), ('Laptop')")
    wait_for(old, "waiting", Dock=2, Laptop=1)

    migrate_until("9999")

    found = audit(old)
    assert found.found("backorders", "waiting") == 0, found


def test_orders_from_before_0016_are_counted_and_then_their_moves(
    old: Connection, migrate_until: MigrateUntil
) -> None:
    migrate_until("0016")
    old.script("""
      INSERT INTO orders (order_id, fingerprint, on_shortage, status, traceparent, due_at) VALUES
        ('a', '', 'backorder', 'cancelled', '', now()),
        ('b', '', 'backorder', 'backordered', '', now()),
        ('c', '', 'backorder', 'backordered', '', now())
    """)

    migrate_until("9")  # all of it: the figures are of this version

    before = read_figures(old)["orders"]
    old.run("UPDATE orders SET status = 'confirmed' WHERE order_id = 'b'")
    after = read_figures(old)["orders"]
    names = ("backordered", "cancelled", "confirmed")
    assert [before[name] for name in names] == [2, 1, 0]
    assert [after[name] for name in names] == [1, 1, 1]
