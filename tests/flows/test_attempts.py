"""The count of failed attempts survives whoever delivers, and whoever fails."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from orderflow.database.connection import Connection
from orderflow.events.attempts import MAX_ATTEMPTS
from orderflow_cli.project import groups_of, kafka_sources
from orderflow_cli.topics import lag
from tests.support.brokers import OpenBroker
from tests.support.kafka_topics import Record, produce, records
from tests.support.shop import Shop, open_shop, reference
from tests.support.waiting import eventually

WITHIN_S = 90.0
PLACED = "orderflow.order.placed.v1"


@pytest.fixture(scope="module")
def shop(open_broker: OpenBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """An OrderFlow whose processes may be killed."""
    data = tmp_path_factory.mktemp("attempts") / "data"
    with open_broker() as broker, open_shop(data, kafka=broker.address) as running:
        yield running


@contextmanager
def undecidable(shop: Shop, item: str) -> Iterator[None]:
    """Let every decision on an item fail, in a way that another try may mend, during the block."""
    with closing(Connection(shop.servers[0])) as database:
        database.script(f"""
          CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN
            RAISE EXCEPTION 'somebody else was faster' USING ERRCODE = 'serialization_failure';
          END $$;
          CREATE TRIGGER conflict BEFORE INSERT OR UPDATE ON stock FOR EACH ROW
            WHEN (NEW.item = '{item}') EXECUTE FUNCTION conflict();
          CREATE TRIGGER conflict BEFORE INSERT ON stock_ledger FOR EACH ROW
            WHEN (NEW.item = '{item}') EXECUTE FUNCTION conflict();
        """)
        try:
            yield
        finally:
            database.script("DROP FUNCTION conflict CASCADE")


def attempts(shop: Shop, event_id: str) -> int:
    rows = shop.query("SELECT failures FROM attempts WHERE event_id = :id", id=event_id)
    return rows[0][0] if rows else 0


def letters(shop: Shop, event_id: str) -> list[tuple[str, int]]:
    """The type of the error, and how often the event became a dead letter."""
    sql = "SELECT error_type, failures FROM dead_letters WHERE event_id = :id"
    return [(of_type, failures) for of_type, failures in shop.query(sql, id=event_id)]


def kill(shop: Shop, name: str, kind: str) -> None:
    """Kill a component and wait until another process is in its place."""
    dead = shop.component(name, kind)["pid"]
    assert dead is not None
    os.killpg(dead, signal.SIGKILL)
    eventually(lambda: shop.component(name, kind)["pid"] != dead)
    eventually(lambda: shop.component(name, kind)["state"] == "ready", within_s=WITHIN_S)


def malformed(partition_of: Record) -> Record:
    """An event that can never be processed, for the same partition as another."""
    headers = {"ce_specversion": "1.0", "ce_source": "/t", "ce_type": PLACED}
    headers["ce_id"] = reference("event")
    encoded = tuple((name, value.encode()) for name, value in headers.items())
    return Record("orders", partition_of.key, b"{", encoded)


def test_attempts_are_counted_across_deaths_until_the_event_is_given_up(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 1)
    with undecidable(shop, item):
        order_id = shop.place(item=item, quantity=1)
        (placed,) = records(shop.servers[1], "orders", order_id, 1)
        event_id, never = placed.attributes()["ce_id"], malformed(placed)
        produce(shop.servers[1], never, placed, placed)
        eventually(lambda: letters(shop, never.attributes()["ce_id"]))
        eventually(lambda: attempts(shop, event_id) >= 3)

        before = attempts(shop, event_id)
        kill(shop, "orders", "KafkaSource")
        kill(shop, "process-order", "Service")

        eventually(lambda: letters(shop, event_id), within_s=WITHIN_S)
        assert 3 <= before < MAX_ATTEMPTS <= attempts(shop, event_id)
        assert [of_type for of_type, _ in letters(shop, event_id)] == ["given-up"]
        assert shop.status(order_id) == "pending"
        # The event before it was not committed, so this one came again, to the same letter.
        ((_, failures),) = letters(shop, never.attributes()["ce_id"])
        assert failures >= 2

    # What was given up is tried all the same when sweep announces it again.
    shop.await_status(order_id, "confirmed", within_s=WITHIN_S)
    eventually(
        lambda: set(lag(shop.servers[1], groups_of(kafka_sources())).values()) == {0},
        within_s=WITHIN_S,
    )
    assert shop.proof([order_id]).holds
