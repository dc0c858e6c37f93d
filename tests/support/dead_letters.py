"""Dead letters for tests, and what is asked of them."""

import base64
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from orderflow.database.connection import Connection, Json
from tests.support.function_calls import client_of, reference

LETTER = {
    "topic": "orders",
    "kafka_partition": 0,
    "kafka_offset": 7,
    "destination": "http://process-order.orderflow.svc.cluster.local",
    "consumer": "process-order",
    "error_code": 422,
    "error_type": "invalid-input",
    "error": "there is no such order",
    "failures": 1,
    "state": "kept",
}
INSERT = """
  INSERT INTO dead_letters (
    identity, event_id, type, order_id, item, topic, kafka_partition, kafka_offset, attributes,
    data, data_bytes, destination, consumer, error_code, error_type, error, failures, state,
    first_failed_at, last_failed_at
  )
  SELECT
    identity, event_id, type, order_id, item, topic, kafka_partition, kafka_offset, attributes,
    decode(data, 'base64'), data_bytes, destination, consumer, error_code, error_type, error,
    failures, state, failed_at, failed_at
  FROM jsonb_to_recordset(CAST(:letters AS jsonb)) AS letter (
    identity text, event_id text, type text, order_id text, item text, topic text,
    kafka_partition integer, kafka_offset bigint, attributes jsonb, data text, data_bytes bigint,
    destination text, consumer text, error_code smallint, error_type text, error text,
    failures integer, state text, failed_at timestamptz
  )
  RETURNING position
"""


def make_letter(data: bytes = b'{"order_id": "x"}', **overrides: Any) -> dict[str, Any]:
    """The columns of a letter, which failed just now; `type` is a name of its test's own."""
    event_id = overrides.get("event_id", reference("event"))
    of_type = overrides.setdefault("type", reference("type"))
    attributes = {"specversion": "1.0", "id": event_id, "source": "/t", "type": of_type}
    made = {
        "identity": reference("identity"),
        "event_id": event_id,
        "attributes": {**attributes, "subject": reference("subject")},
        "data": base64.b64encode(data).decode(),
        "data_bytes": len(data),
        "failed_at": datetime.now(UTC).isoformat(),
    }
    of_inventory = {"topic": "inventory", "consumer": "apply-inventory"}
    changed = of_type == "orderflow.inventory.changed.v1"
    return LETTER | (of_inventory if changed else {}) | made | overrides


def keep(database: Connection, *letters: dict[str, Any]) -> list[int]:
    """Store letters; return their ids."""
    return [position for (position,) in database.run(INSERT, letters=Json(list(letters)))]


def keep_many(database: Connection, count: int, **overrides: Any) -> tuple[str, list[int]]:
    """Store letters of one type, a second apart; return the type and the ids, oldest first."""
    of_type = str(overrides.pop("type", reference("type")))
    first = datetime.now(UTC) - timedelta(seconds=count)
    letters = [
        make_letter(
            **{"type": of_type, "failed_at": (first + timedelta(seconds=n)).isoformat()} | overrides
        )
        for n in range(count)
    ]
    return of_type, keep(database, *letters)


def state_of(database: Connection, letter: int) -> str:
    """A letter's state."""
    ((state,),) = database.run("SELECT state FROM dead_letters WHERE position = :id", id=letter)
    return str(state)


def make_due(database: Connection, *letters: int) -> None:
    """Let the time of letters that wait to be sent be past."""
    sql = """UPDATE redriven_letters SET send_at = now() - interval '1 minute'
      WHERE letter = ANY(CAST(:ids AS bigint[]))"""
    database.run(sql, ids=list(letters))


async def get(path: str = "/dead-letters", **query: Any) -> httpx.Response:
    return await client_of("redrive").get(path, params=query or None)


async def ask(action: str = "redrive", **body: Any) -> httpx.Response:
    """Ask for a redrive or a discard."""
    asked = {"by": "Ada"} | body
    return await client_of("redrive").post(f"/dead-letters/{action}", json=asked)


async def record_of(redrive: int) -> dict[str, Any]:
    """What the record says of a redrive."""
    listed = (await get("/dead-letters/redrives")).json()
    return next(row for row in listed if row["id"] == redrive)


def ids_of(response: httpx.Response) -> list[int]:
    assert response.status_code == 200, response.text
    return [letter["id"] for letter in response.json()]


@contextmanager
def connections(url: str, count: int) -> Iterator[list[Connection]]:
    """So many connections of their own during the block."""
    with ExitStack() as opened:
        yield [opened.enter_context(closing(Connection(url))) for _ in range(count)]
