"""A backup that is made while orders come adds up, and what came after it is found on Kafka."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from urllib.parse import unquote, urlsplit

import pytest

from orderflow.database.connection import Connection
from orderflow_cli.audit.proof import prove
from orderflow_cli.postgres.server import SUPERUSER, program
from orderflow_cli.topics import PARTITIONS
from tests.support.brokers import OpenBroker
from tests.support.commands import orderflow
from tests.support.impatient_project import ORDERS_ALONE
from tests.support.kafka_client import Kafka
from tests.support.server_process import embedded_postgres
from tests.support.shop import Shop, open_shop
from tests.support.waiting import eventually

GROUP = "orderflow-process-order"  # as orders-source.yaml names it
ENOUGH = """
  WITH counted AS (INSERT INTO stock (item, on_hand) VALUES ('Laptop', 100) RETURNING item)
  INSERT INTO stock_ledger (item, kind, on_hand_change, reserved_change, reason, occurred_at)
  SELECT item, 'repair', 100, 0, 'test', now() FROM counted
"""
LOST = "SELECT order_id FROM dead_letters WHERE error_name = 'invalid-input'"


@pytest.fixture
def servers(open_broker: OpenBroker, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL of a database and the address of a broker, which outlive an OrderFlow."""
    with embedded_postgres(tmp_path) as url, open_broker() as broker:
        yield url, broker.address


def run(name: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL as an operator does."""
    parts = urlsplit(url)
    folder = unquote(parts.netloc.rpartition("@")[2])
    command = [program(name), f"--host={folder}", f"--username={SUPERUSER}", *arguments]
    subprocess.run(command, check=True, timeout=60)


def taken_meanwhile(shop: Shop, stop: Event) -> list[str]:
    """Order as long as nobody says stop."""
    taken = []
    while not stop.is_set():
        taken.append(shop.place(item="Laptop", quantity=1))
    return taken


def test_what_a_restored_database_lacks_becomes_dead_letters(
    servers: tuple[str, str], tmp_path: Path
) -> None:
    url, kafka = servers
    dump, restored = tmp_path / "orderflow.dump", f"{url.rpartition('/')[0]}/restored"
    stop = Event()
    with ExitStack() as running:
        threads = running.enter_context(ThreadPoolExecutor(1))
        shop = running.enter_context(
            open_shop(tmp_path / "data", postgres=url, kafka=kafka, services=ORDERS_ALONE)
        )
        running.callback(stop.set)
        shop.query(ENOUGH)
        accepted = [shop.place(item="Laptop", quantity=1) for _ in range(5)]
        taking = threads.submit(taken_meanwhile, shop, stop)
        run("pg_dump", url, "--format=custom", f"--file={dump}", "postgres")
        accepted += [shop.place(item="Laptop", quantity=1) for _ in range(5)]
        stop.set()
        accepted += taking.result()
        shop.proof(accepted)  # waits until all are decided

    with closing(Connection(url)) as connection:
        connection.script("CREATE DATABASE restored")
    run("pg_restore", url, "--dbname=restored", "--no-owner", "--no-privileges", str(dump))
    assert orderflow("migrate", "--postgres", restored).status == 0
    with closing(Connection(restored)) as connection:
        assert prove(connection).audit.holds
        kept = {order_id for (order_id,) in connection.run("SELECT order_id FROM orders")}
    lost = set(accepted) - kept
    assert 5 <= len(kept) < len(accepted)

    Kafka(kafka).commit(GROUP, "orders", 0, partitions=PARTITIONS)
    again = tmp_path / "again" / "data"
    again.parent.mkdir()
    with open_shop(again, postgres=restored, kafka=kafka, services=ORDERS_ALONE) as shop:
        eventually(lambda: {order_id for (order_id,) in shop.query(LOST)} == lost)
        assert shop.proof(sorted(kept)).holds
