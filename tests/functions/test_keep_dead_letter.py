"""The dead letter sink: whatever comes is kept, once, with the reason."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderflow.database.connection import Connection
from orderflow.dead_letters.letters import letter_of
from orderflow.errors import DatabaseAway
from orderflow.events.cloudevent import PLAIN_RECORD, RawEvent
from tests.support.function_calls import (
    ce_headers,
    client_of,
    database_away,
    module_of,
    reference,
    using,
)

PLACED = "orderflow.order.placed.v1"
PROCESS_ORDER = "http://process-order.orderflow.svc.cluster.local"
COLUMNS = """state, failures, event_id, type, order_id, item, topic, kafka_partition, kafka_offset,
  attributes::text, data, data_bytes, destination, error_code, error_type, error"""


def made(event_id: str, **overrides: str) -> dict[str, str]:
    """The headers that the dispatcher sends to a dead letter sink."""
    problem = {"type": "/problems/invalid-input", "detail": "there is no such order"}
    added = {
        "id": event_id,
        "knativekafkapartition": "1",
        "knativekafkaoffset": "5",
        "kafkatopic": "orders",
        "kafkaconsumer": "process-order",
        "knativeerrordest": PROCESS_ORDER,
        "knativeerrorcode": "422",
        "knativeerrordata": base64.b64encode(orjson.dumps(problem)).decode(),
    }
    return ce_headers(overrides.pop("type", PLACED), **(added | overrides))


async def fail(event_id: str, data: bytes = b"{}", **overrides: str) -> httpx.Response:
    """Let an event come as a dead letter."""
    headers = httpx.Headers(made(event_id, **overrides), encoding="latin-1")
    return await client_of("keep_dead_letter").post("/", content=data, headers=headers)


def letters_of(database: Connection, event_id: str) -> list[dict[str, Any]]:
    """What is kept under an id."""
    sql = f"SELECT {COLUMNS} FROM dead_letters WHERE event_id = :id ORDER BY position"
    names = [name.strip().partition(":")[0] for name in COLUMNS.split(",")]
    rows = database.run(sql, id=event_id)
    return [dict(zip(names, row, strict=True)) for row in rows]


def redrive(
    database: Connection, event_id: str, state: str = "redriven", *, sent: bool = True
) -> None:
    """Let a letter be sent again."""
    sql = """WITH asked AS (
        INSERT INTO redrives (action, asked_by, selection, matched, rate_per_s)
        VALUES ('redrive', 'test', '{}', 1, 1) RETURNING position
      ),
      sent AS (
        INSERT INTO redriven_letters (redrive, letter, send_at, sent_at)
        SELECT asked.position, letter.position, now(), CASE WHEN :sent THEN now() END
        FROM asked, dead_letters AS letter WHERE event_id = :id
      )
      UPDATE dead_letters SET state = :state WHERE event_id = :id"""
    database.run(sql, id=event_id, state=state, sent=sent)


def came_back(database: Connection, event_id: str) -> list[bool]:
    """Of each redrive of a letter, whether it came back from it."""
    sql = """SELECT came_back_at IS NOT NULL FROM redriven_letters
      JOIN dead_letters ON position = letter WHERE event_id = :id ORDER BY redrive"""
    return [came for (came,) in database.run(sql, id=event_id)]


async def test_an_event_is_kept_as_it_came_with_the_reason(database: Connection) -> None:
    event_id = reference("event")

    response = await fail(event_id, b'{"order_id": "A-1"}', subject="A-1", name="50%25 Zo\xeb")

    (letter,) = letters_of(database, event_id)
    attributes = orjson.loads(letter.pop("attributes"))
    assert (response.status_code, response.content) == (204, b"")
    assert letter == {
        "state": "kept",
        "failures": 1,
        "event_id": event_id,
        "type": PLACED,
        "order_id": "A-1",
        "item": None,
        "topic": "orders",
        "kafka_partition": 1,
        "kafka_offset": 5,
        "data": b'{"order_id": "A-1"}',
        "data_bytes": 19,
        "destination": PROCESS_ORDER,
        "error_code": 422,
        "error_type": "invalid-input",
        "error": "there is no such order",
    }
    assert attributes == {
        "specversion": "1.0",
        "id": event_id,
        "source": "/t",
        "type": PLACED,
        "subject": "A-1",
        "name": "50%25 Zo\xeb",
        "datacontenttype": "application/json",
    }


async def test_an_event_that_fails_again_is_counted_and_tells_of_the_last(
    database: Connection,
) -> None:
    event_id = reference("event")
    await fail(event_id, b'{"order_id": "A-1"}')

    again = {"knativekafkaoffset": "9", "knativeerrorcode": "503", "knativeerrordata": ""}
    response = await fail(event_id, b"", **again)

    (letter,) = letters_of(database, event_id)
    assert response.status_code == 204
    assert (letter["failures"], letter["kafka_offset"], letter["error_code"]) == (2, 9, 503)
    assert letter["error"] == "answered 503 without saying why"
    assert letter["data"] == b'{"order_id": "A-1"}'


async def test_deliveries_at_one_instant_are_one_letter(database: Connection) -> None:
    event_ids = [reference("event") for _ in range(5)]

    responses = await asyncio.gather(*(fail(event_id) for event_id in event_ids * 8))

    assert {response.status_code for response in responses} == {204}
    for event_id in event_ids:
        (letter,) = letters_of(database, event_id)
        assert letter["failures"] == 8


def test_equal_letters_of_one_batch_count_and_tell_of_the_last(database: Connection) -> None:
    event_id = reference("event")
    headers = {"id": event_id, "source": "/t", "type": "any", "knativeerrorcode": "500"}
    codes = ("500", "502", "504")
    letters = [letter_of(RawEvent({**headers, "knativeerrorcode": code}, b"", 0)) for code in codes]

    module_of("keep_dead_letter").keep_letters(database, letters)

    (letter,) = letters_of(database, event_id)
    assert (letter["failures"], letter["error_code"]) == (3, 504)


async def test_an_event_for_two_destinations_is_two_letters(database: Connection) -> None:
    event_id = reference("event")

    await fail(event_id)
    await fail(event_id, knativeerrordest="http://apply-inventory.orderflow.svc.cluster.local")

    assert [letter["failures"] for letter in letters_of(database, event_id)] == [1, 1]


async def test_plain_records_are_told_apart_by_their_time(database: Connection) -> None:
    event_id = reference("partition:0/offset:0")

    for second in (1, 2, 2):
        await fail(event_id, type=PLAIN_RECORD, time=f"2026-01-02T03:04:0{second}Z")

    assert [letter["failures"] for letter in letters_of(database, event_id)] == [1, 2]


async def test_what_was_sent_again_and_came_back_is_kept_again(database: Connection) -> None:
    event_id = reference("event")
    await fail(event_id)
    redrive(database, event_id)
    await fail(event_id)
    redrive(database, event_id)

    await fail(event_id)
    await fail(event_id)

    (letter,) = letters_of(database, event_id)
    assert (letter["state"], letter["failures"]) == ("kept", 4)
    assert came_back(database, event_id) == [True, True]


@pytest.mark.parametrize("state", ["discarded", "redriving"])
async def test_a_letter_in_other_hands_is_only_counted(database: Connection, state: str) -> None:
    event_id = reference("event")
    await fail(event_id)
    redrive(database, event_id, state, sent=False)

    await fail(event_id)

    (letter,) = letters_of(database, event_id)
    assert (letter["state"], letter["failures"]) == (state, 2)
    assert came_back(database, event_id) == [False]


def delete_unnamed(database: Connection) -> None:
    """Let there be no letter of an event without an id."""
    database.run("DELETE FROM dead_letters WHERE event_id = ''")


async def chunks(size_bytes: int) -> AsyncIterator[bytes]:
    for start in range(0, size_bytes, 65_536):
        yield b"x" * min(65_536, size_bytes - start)


async def test_data_over_a_mebibyte_is_cut_and_its_length_is_told(database: Connection) -> None:
    event_id = reference("event")
    client = client_of("keep_dead_letter")

    response = await client.post("/", content=chunks(5_000_000), headers=made(event_id))

    (letter,) = letters_of(database, event_id)
    assert response.status_code == 204
    assert (len(letter["data"]), letter["data_bytes"]) == (1_048_576, 5_000_000)


async def test_large_letters_at_one_instant_are_all_kept(database: Connection) -> None:
    event_ids = [reference("event") for _ in range(20)]

    responses = await asyncio.gather(*(fail(i, b"\xff" * 900_000) for i in event_ids))

    assert {response.status_code for response in responses} == {204}
    assert {len(letters_of(database, i)[0]["data"]) for i in event_ids} == {900_000}


async def test_an_event_with_nothing_in_it_is_kept(database: Connection) -> None:
    delete_unnamed(database)

    response = await client_of("keep_dead_letter").post("/")

    (letter,) = letters_of(database, "")
    assert response.status_code == 204
    assert (letter["type"], letter["destination"], letter["data"]) == ("", "unknown", b"")


# What a header's value can be on the wire: any byte but controls.
values = st.binary(max_size=400).map(lambda raw: bytes(b for b in raw if b > 31 and b != 127))
names = st.from_regex(r"\A[a-z0-9]{1,20}\Z").map(lambda name: f"ce-{name}".encode())
meant = [*made("1"), "ce-subject", "ce-time", "ce-dataschema", "ce-knativeerrorother"]
known = st.sampled_from([name.encode() for name in meant])


@given(headers=st.dictionaries(known | names, values, max_size=15), content=st.binary())
@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_no_content_is_refused(headers: dict[bytes, bytes], content: bytes) -> None:
    client = client_of("keep_dead_letter")

    response = await client.post("/", content=content, headers=list(headers.items()))

    assert response.status_code == 204, response.text


async def test_another_method_is_not_allowed() -> None:
    assert (await client_of("keep_dead_letter").get("/")).status_code == 405


async def test_without_a_database_it_says_when_to_come_back(
    database: Connection,
) -> None:
    event_id = reference("event")
    with using(worker=database_away()):
        response = await fail(event_id)

    again = await fail(event_id)

    assert (response.status_code, again.status_code) == (503, 204)
    assert letters_of(database, event_id)[0]["failures"] == 1


async def test_a_process_that_dies_before_its_commit_keeps_nothing_and_the_next_one_all(
    postgres: str, database: Connection
) -> None:
    event_id, connection = reference("event"), Connection(postgres)
    event = {"id": event_id, "source": "/t", "type": PLACED, "knativeerrordest": PROCESS_ORDER}
    letter = letter_of(RawEvent(event, b"", 0))

    with pytest.raises(DatabaseAway), connection.transaction():
        module_of("keep_dead_letter").keep_letters(connection, [letter])
        ((pid,),) = connection.run("SELECT pg_backend_pid()")
        database.run("SELECT pg_terminate_backend(CAST(:pid AS integer))", pid=pid)
    connection.close()

    assert letters_of(database, event_id) == []
    assert (await fail(event_id)).status_code == 204
    assert letters_of(database, event_id)[0]["failures"] == 1
