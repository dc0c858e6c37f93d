"""Redriven letters are sent once, evenly, as the events they were, whatever fails meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import httpx
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from knative_local.cloudevents.kafka_binding import cloudevent
from orderflow.config import settings
from orderflow.database.connection import Connection, Json
from orderflow.dead_letters import resending
from orderflow.dead_letters.resending import send_due, send_due_once, settle_and_redrive
from tests.support.dead_letters import (
    LETTER,
    ask,
    connections,
    get,
    keep,
    keep_many,
    make_due,
    make_letter,
    record_of,
    state_of,
)
from tests.support.function_calls import (
    WITHIN_S,
    apply,
    client_of,
    forget,
    kafka_away,
    ordered,
    place,
    records_of,
    reference,
    restock,
    tell,
    tick,
    using,
)

PLACED = "orderflow.order.placed.v1"
CHANGED = "orderflow.inventory.changed.v1"
PLAIN = "dev.knative.kafka.event"


class Sent(NamedTuple):
    """A record as it is on a topic."""

    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


def sent_to(topic: str, event_id: str, count: int) -> list[Sent]:
    """Read a topic from its beginning until it has given so many records of an event's id."""
    options = {
        "bootstrap.servers": settings().kafka_bootstrap_servers,
        "group.id": reference("reader"),
        "enable.auto.commit": False,
        "log_level": 2,
    }
    found: list[Sent] = []
    deadline = time.monotonic() + WITHIN_S
    with closing(Consumer(options)) as consumer:
        partitions = consumer.list_topics(topic, timeout=WITHIN_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        while len(found) < count and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None or message.error():
                continue
            headers: dict[str, Any] = dict(message.headers() or [])
            if headers.get("ce_id") == event_id.encode():
                found.append(Sent(message.key(), message.value(), headers))
    assert len(found) == count, f"{topic} has {len(found)} of {count} records of {event_id}"
    return found


# What is sent


def dispatched(sent: Sent) -> dict[str, str]:
    """The headers with which Knative hands a record that is a CloudEvent to a dead letter sink."""
    values = {name: value.decode() for name, value in sent.headers.items()}
    attributes = {n.replace("ce_", "ce-"): v for n, v in values.items() if n.startswith("ce_")}
    added = {
        "ce-knativekafkapartition": "1",
        "ce-knativekafkaoffset": "5",
        "ce-kafkatopic": "orders",
        "ce-kafkaconsumer": "process-order",
        "ce-knativeerrordest": str(LETTER["destination"]),
        "ce-knativeerrorcode": "503",
    }
    return {"content-type": values["content-type"], **attributes, **added}


def made(event_id: str) -> dict[str, str]:
    """The headers of an event that nobody else knows, at a dead letter sink."""
    named = {"ce_specversion": b"1.0", "ce_source": b"/t", "ce_type": b"t"}
    ids = {"content-type": b"text/plain", "ce_id": event_id.encode()}
    return dispatched(Sent(b"", b"", {**named, **ids}))


async def fail(headers: dict[str, str], data: bytes) -> None:
    """Let an event come as a dead letter."""
    raw = httpx.Headers(headers, encoding="latin-1")
    answer = await client_of("keep_dead_letter").post("/", content=data, headers=raw)
    assert answer.status_code == 204, answer.text


async def test_an_event_of_ours_is_sent_again_byte_for_byte(database: Connection) -> None:
    order_id = await place(order_id=f"50% grün {reference()}")
    sql = "SELECT event_id FROM dead_letters WHERE order_id = :id"
    event_id = records_of("orders", order_id, 1)[0].attributes["id"]
    (first,) = sent_to("orders", event_id, 1)
    assert first.value is not None
    await fail(dispatched(first), first.value)
    assert database.run(sql, id=order_id) == [[event_id]]

    await ask(filter={"order_id": order_id})
    await send_due()

    assert sent_to("orders", event_id, 2) == [first, first]


async def test_a_plain_record_is_sent_as_an_event_with_the_id_it_got(database: Connection) -> None:
    event_id = f"partition:1/offset:{time.time_ns()}"
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/apis/v1/namespaces/orderflow/kafkasources/orders#orders",
        "type": PLAIN,
        "subject": "partition:1#5",
        "time": "2026-01-01T00:00:00Z",
        "kafkaheaderfoo": "bar",
        "key": "50%25",
        "partitionkey": "50%25",
    }
    letter = make_letter(b"not json", event_id=event_id, type=PLAIN, attributes=attributes)
    (letter_id,) = keep(database, letter)

    await ask(ids=[letter_id])
    await send_due()

    (sent,) = sent_to("orders", event_id, 1)
    assert (sent.key, sent.value) == (b"50%25", b"not json")
    assert sent.headers == {f"ce_{name}": value.encode() for name, value in attributes.items()}


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({"type": PLACED, "partitionkey": "50%25", "subject": "s"}, b"50%"),
        ({"type": "other", "partitionkey": "50%25", "key": "k"}, b"50%25"),
        ({"type": "other", "key": "k", "subject": "s"}, b"k"),
        ({"type": "other", "subject": "s"}, b"s"),
        ({"type": PLAIN, "subject": "partition:1#5"}, None),
        ({"type": "other"}, None),
    ],
)
def test_the_key_is_that_of_the_event(attributes: dict[str, str], key: bytes | None) -> None:
    assert resending.to_kafka(attributes, b"").key == key


def test_attributes_are_utf8_and_the_content_type_is_a_header() -> None:
    attributes = {"type": "t", "id": "grün", "datacontenttype": "text/plain", "traceparent": "00"}

    headers = resending.to_kafka(attributes, b"").headers

    assert headers == {
        "ce_type": b"t",
        "ce_id": "grün".encode(),
        "ce_specversion": b"1.0",
        "ce_traceparent": b"00",
        "traceparent": b"00",
        "content-type": b"text/plain",
    }


@pytest.mark.parametrize(
    "content_type",
    ["application/cloudevents+json", "application/cloudevents-batch+json; charset=utf-8"],
)
def test_data_that_says_it_is_an_event_is_not_taken_for_the_event(content_type: str) -> None:
    attributes = {"id": "partition:0/offset:1", "source": "/k", "type": PLAIN, "key": "k"}
    kept = {"specversion": "1.0", **attributes, "datacontenttype": content_type}

    sent = resending.to_kafka(kept, data := b"{}")

    event = cloudevent({name: bytes(value) for name, value in sent.headers.items()}, data)
    assert event is not None
    assert (event.attributes, event.content_type) == (
        {"specversion": "1.0", **attributes},
        content_type,
    )


async def test_a_redriven_event_has_all_its_attempts_again(database: Connection) -> None:
    _, (letter_id,) = keep_many(database, 1, event_id=(event_id := reference("event")))
    sql = """INSERT INTO attempts (identity, function, event_id, failures, last_error)
      VALUES (:id, 'process_order', :id, 20, 'x')"""
    database.run(sql, id=event_id)

    await ask(ids=[letter_id])
    await send_due()

    assert database.run("SELECT * FROM attempts WHERE event_id = :id", id=event_id) == []


async def test_what_fails_again_is_kept_again_and_counted(database: Connection) -> None:
    event_id = reference("event")
    headers = made(event_id)
    await fail(headers, b"{}")
    sql = "SELECT position, failures, state FROM dead_letters WHERE event_id = :id"
    ((letter_id, *_),) = database.run(sql, id=event_id)
    redrive = (await ask(ids=[letter_id])).json()["redrive"]
    await send_due()
    before = await record_of(redrive)

    await fail(headers, b"{}")

    after = await record_of(redrive)
    assert (before["sent"], before["came_back"]) == (1, 0)
    assert (after["sent"], after["came_back"], after["waiting"]) == (1, 1, 0)
    assert database.run(sql, id=event_id) == [[letter_id, 2, "kept"]]


async def test_failing_again_before_kafkas_answer_is_noted_counts_too(database: Connection) -> None:
    event_id = reference("event")
    headers = made(event_id)
    await fail(headers, b"{}")
    sql = "SELECT position FROM dead_letters WHERE event_id = :id"
    ((letter_id,),) = database.run(sql, id=event_id)
    redrive = (await ask(ids=[letter_id])).json()["redrive"]

    claimed = claim(database)
    await fail(headers, b"{}")
    told = [{"redrive": row[0], "letter": row[1], "error": None, "final": False} for row in claimed]
    database.run(resending.SETTLE_SENT, told=Json(told), tries=9)

    assert [row[1] for row in claimed] == [letter_id]
    assert state_of(database, letter_id) == "kept"
    record = await record_of(redrive)
    assert (record["sent"], record["came_back"], record["waiting"]) == (1, 1, 0)


def claim(connection: Connection, *, count: int = 100, step_s: float = 100) -> list[list[Any]]:
    """Take what is due."""
    limits = {"count": count, "step_s": step_s, "bytes": 10**6}
    return connection.run(resending.CLAIM_DUE_LETTERS, **limits)


# Pace, races, and Kafka away


async def test_what_is_late_is_not_sent_in_a_burst(database: Connection) -> None:
    _, kept = keep_many(database, 30)
    redrive = (await ask(ids=kept, rate_per_s=4)).json()["redrive"]
    make_due(database, *kept)

    found, sent = await send_due_once()

    assert (found, sent) == (5, 5)
    sql = """SELECT extract(epoch FROM send_at - now())::float FROM redriven_letters
      WHERE redrive = :id AND acknowledged_at IS NULL ORDER BY send_at"""
    waits_s = [wait_s for (wait_s,) in database.run(sql, id=redrive)]
    assert len(waits_s) == 25
    distances = [b - a for a, b in pairwise(waits_s)]
    assert all(distance == pytest.approx(0.25, abs=0.001) for distance in distances)
    database.run("DELETE FROM redriven_letters WHERE redrive = :id", id=redrive)


async def test_within_a_tick_a_rate_is_kept_evenly(database: Connection) -> None:
    _, kept = keep_many(database, 30)
    redrive = (await ask(ids=kept, rate_per_s=10)).json()["redrive"]

    started = time.monotonic()
    sent = await send_due()
    took_s = time.monotonic() - started

    sql = """SELECT count(*) FROM redriven_letters WHERE redrive = :id GROUP BY sent_at
      ORDER BY sent_at"""
    assert sent >= 30
    assert 2.0 <= took_s < 10
    assert max(count for (count,) in database.run(sql, id=redrive)) <= 13


async def test_large_letters_are_sent_a_few_at_once(database: Connection) -> None:
    kept = keep(database, *(make_letter(b"x" * 600_000) for _ in range(5)))
    await ask(ids=kept, rate_per_s=1000)
    make_due(database, *kept)

    assert [row[1] for row in claim(database)] == kept[:2]
    make_due(database, *kept)
    await send_due()


async def test_two_that_send_at_one_instant_share_the_letters(
    database: Connection, postgres: str
) -> None:
    _, kept = keep_many(database, 200)
    await ask(ids=kept, rate_per_s=1000)
    make_due(database, *kept)

    with ThreadPoolExecutor(4) as threads, connections(postgres, 4) as own:
        claims = [*threads.map(partial(claim, count=60), own)]

    taken = [row[1] for claimed in claims for row in claimed if row[1] in kept]
    assert len(taken) == len(set(taken))
    assert len(taken) >= 120
    make_due(database, *kept)
    await send_due()


async def test_while_kafka_is_away_letters_stay_due_and_say_why(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = reference("event")
    _, (letter_id,) = keep_many(database, 1, event_id=event_id)
    redrive = (await ask(ids=[letter_id])).json()["redrive"]

    with using(outbox=kafka_away()):
        found, sent = await send_due_once()
    record = await record_of(redrive)
    (told,) = (await get(f"/dead-letters/{letter_id}")).json()["redrives"]
    make_due(database, letter_id)
    await send_due()

    assert (found >= 1, sent) == (True, 0)
    assert (record["sent"], record["waiting"]) == (0, 1)
    assert "timed out" in told["error"]
    assert told["send_at"] > told["sent_at"]
    assert len(sent_to("orders", event_id, 1)) == 1
    assert (await record_of(redrive))["sent"] == 1


async def test_a_letter_that_kafka_did_not_take_in_many_tries_is_kept_as_before(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (letter_id,) = keep_many(database, 1)
    redrive = (await ask(ids=[letter_id])).json()["redrive"]
    sql = "UPDATE redriven_letters SET tries = :tries - 1 WHERE letter = :id"
    database.run(sql, tries=resending.MAX_TRIES, id=letter_id)

    with using(outbox=kafka_away()):
        await send_due_once()

    record = await record_of(redrive)
    assert (record["sent"], record["waiting"], record["given_up"]) == (0, 0, 1)
    assert state_of(database, letter_id) == "kept"


async def test_a_letter_that_kafka_will_never_take_is_kept_at_once(database: Connection) -> None:
    data = b"x" * 2_100_000
    (letter_id,) = keep(database, make_letter(data))
    redrive = (await ask(ids=[letter_id])).json()["redrive"]

    await send_due()

    (told,) = (await get(f"/dead-letters/{letter_id}")).json()["redrives"]
    assert (state_of(database, letter_id), told["send_at"]) == ("kept", None)
    assert "large" in told["error"].lower()
    assert (await record_of(redrive))["given_up"] == 1


async def test_the_clock_sends_what_is_due(database: Connection) -> None:
    event_id = reference("event")
    _, (letter_id,) = keep_many(database, 1, event_id=event_id)
    await ask(ids=[letter_id])

    await tick()

    assert len(sent_to("orders", event_id, 1)) == 1
    assert state_of(database, letter_id) == "redriven"


# Settling


async def test_a_letter_whose_order_was_decided_meanwhile_is_settled(database: Connection) -> None:
    pending, decided = await place(), await ordered("confirmed")
    late: dict[str, Any] = {"type": PLACED, "error_code": 503, "error_type": "unavailable"}
    letters = keep(
        database,
        make_letter(order_id=pending, **late),
        make_letter(order_id=decided, **late),
        make_letter(order_id=decided, type=PLACED, error_code=None, error_type=None),
        make_letter(order_id=decided, type=PLACED, error_code=422, error_type="given-up"),
        make_letter(order_id=decided, type=PLACED),
        make_letter(order_id=reference(), **late),
    )

    await settle_and_redrive()

    states = [state_of(database, letter) for letter in letters]
    assert states == ["kept", "settled", "settled", "settled", "kept", "kept"]


async def test_a_letter_whose_item_is_up_to_date_is_settled(database: Connection) -> None:
    known, behind = reference("item"), reference("item")
    for item in (known, behind):
        await restock(item, 5)
    await tell(behind, adjust=1)
    late: dict[str, Any] = {"type": CHANGED, "error_code": 503, "error_type": "unavailable"}
    letters = keep(
        database, *(make_letter(item=item, **late) for item in (known, behind, reference("item")))
    )

    await settle_and_redrive()

    assert [state_of(database, letter) for letter in letters] == ["settled", "kept", "kept"]
    await apply(behind)
    await settle_and_redrive()
    assert [state_of(database, letter) for letter in letters] == ["settled", "settled", "kept"]


async def test_letters_that_cannot_be_settled_hide_no_older_one(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resending, "LOOKED_AT", 2)
    late: dict[str, Any] = {"error_code": 503, "error_type": "unavailable"}
    item = reference("item")
    await restock(item, 5)
    older = keep(
        database,
        make_letter(order_id=await ordered(), type=PLACED, **late),
        make_letter(item=item, type=CHANGED, **late),
    )
    newer = keep(
        database,
        *(make_letter(order_id=reference(), type=PLACED, **late) for _ in range(5)),
        *(make_letter(item=reference("item"), type=CHANGED, **late) for _ in range(5)),
    )

    await settle_and_redrive()

    assert [state_of(database, letter) for letter in older] == ["settled"] * 2
    assert {state_of(database, letter) for letter in newer} == {"kept"}


# Forgetting


async def test_letters_settled_long_ago_are_forgotten(database: Connection) -> None:
    old, recent = (datetime.now(UTC) - timedelta(days=days) for days in (31, 29))
    of_type = reference("type")
    letters = [
        make_letter(type=of_type, state=state, failed_at=at.isoformat())
        for at in (old, recent)
        for state in ("kept", "redriven", "settled", "discarded")
    ]
    kept, _, _, _, *others = keep(database, *letters)
    just_sent = keep(database, make_letter(type=of_type, failed_at=old.isoformat()))
    redrive = (await ask(ids=just_sent)).json()["redrive"]
    await send_due()

    await forget()

    sql = "SELECT position FROM dead_letters WHERE type = :type ORDER BY position"
    assert database.run(sql, type=of_type) == [[i] for i in (kept, *others, *just_sent)]
    sql = "UPDATE redriven_letters SET acknowledged_at = '2020-01-01' WHERE redrive = :id"
    database.run(sql, id=redrive)
    await forget()
    assert (await get(f"/dead-letters/{just_sent[0]}")).status_code == 404
    assert (await record_of(redrive))["sent"] == 1


async def test_attempts_that_nobody_makes_any_more_are_forgotten(database: Connection) -> None:
    names = [reference("event") for _ in range(2)]
    sql = """INSERT INTO attempts (identity, function, event_id, last_error, last_failed_at)
      VALUES (:id, 'f', :id, 'x', now() - :hours * interval '1 hour')"""
    for name, hours in zip(names, (25, 23), strict=True):
        database.run(sql, id=name, hours=hours)

    await forget()

    sql = "SELECT event_id FROM attempts WHERE event_id IN (:a, :b)"
    assert database.run(sql, a=names[0], b=names[1]) == [[names[1]]]
