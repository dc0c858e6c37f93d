"""Sends dead letters again whose time has come, and settles those whose work was done meanwhile.

A redriven event is the event as it came: its id, source, data and every attribute, so that who has
seen it knows it again.
"""

import asyncio
from typing import NamedTuple
from urllib.parse import unquote

import orjson
from cloudevents.kafka import KafkaMessage
from confluent_kafka import KafkaError

from orderflow.database.connection import Connection, Json, statement
from orderflow.events.attempts import forget_attempts
from orderflow.events.cloudevent import PLAIN_RECORD
from orderflow.resources import outbox, worker
from orderflow.server.graceful_shutdown import stopping

CLAIM_DUE_LETTERS = statement(__file__, "claim_due_letters.sql")
SETTLE_SENT = statement(__file__, "settle_sent.sql")
SETTLE_LETTERS = statement(__file__, "settle_letters.sql")

STEP_S = 1.0  # so evenly is a rate kept
STEPPING_S = 2.5  # after it no step begins, so that sweep ends before its next tick, after 5 s
STEP_ALLOWS_S = 1.25  # what a step may send of a rate, so that 4 of them do what 5 s should
SENT_AT_ONCE = 2_000  # letters a step: two redrives at the highest rate
BYTES_AT_ONCE = 32 * 1024 * 1024  # of data a step, held twice
MAX_TRIES = 400  # at most 4 minutes apart (`claim_due_letters.sql`): a day and two hours
REPORTED_WITHIN_S = 8.0  # above the producer's own limit, after which it reports a failure
LOOKED_AT = 2_000  # letters of each kind a tick, those that failed last: some milliseconds

# No other try will have another answer.
_FINAL = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.TOPIC_EXCEPTION}
_NO_REPORT = KafkaError(KafkaError._TIMED_OUT)


class DueLetter(NamedTuple):
    """A letter to send, of one redrive; `attributes` is JSON text."""

    redrive: int
    letter: int
    event_id: str
    topic: str
    attributes: str
    data: bytes


async def settle_and_redrive() -> int:
    """Do a tick's share: settle what has been done, send what is due; return how many went."""
    await worker().submit(lambda connection: connection.run(SETTLE_LETTERS, count=LOOKED_AT))
    return await send_due()


async def send_due() -> int:
    """Send what is due until nothing is, in steps as even as the rates; return how many went.

    It ends before the next tick, and sooner when Kafka does not take what it is given or this
    process is to stop.
    """
    loop = asyncio.get_running_loop()
    last_step_at = loop.time() + STEPPING_S
    total = 0
    while True:
        found, sent = await send_due_once()
        total += sent
        if not found or sent < found or loop.time() > last_step_at or stopping():
            return total
        await asyncio.sleep(STEP_S)


async def send_due_once() -> tuple[int, int]:
    """Send one bounded batch of letters that are due; return how many, how many Kafka has."""
    letters = await worker().submit(_claim)
    if not letters:
        return 0, 0
    reports = [
        outbox().send(due.topic, to_kafka(orjson.loads(due.attributes), due.data))
        for due in letters
    ]
    await asyncio.wait(reports, timeout=REPORTED_WITHIN_S)
    errors = [report.result() if report.done() else _NO_REPORT for report in reports]
    told = [
        {
            "redrive": due.redrive,
            "letter": due.letter,
            "error": error and error.str(),
            "final": error is not None and error.code() in _FINAL,
        }
        for due, error in zip(letters, errors, strict=True)
    ]
    parameters = {"told": Json(told), "tries": MAX_TRIES}
    await worker().submit(lambda connection: connection.run(SETTLE_SENT, **parameters))
    return len(letters), sum(error is None for error in errors)


def to_kafka(attributes: dict[str, str], data: bytes) -> KafkaMessage:
    """Return a kept event in Kafka's binary binding; `attributes` as they came over HTTP."""
    headers = {f"ce_{name}": value.encode() for name, value in attributes.items()}
    headers.setdefault("ce_specversion", b"1.0")
    if content_type := headers.pop("ce_datacontenttype", None):
        # A record whose `content-type` is that of events is read as one in JSON, whatever other
        # headers say (Kafka binding 1.0, section 3): data with that type has it as an attribute.
        is_events = content_type.lower().startswith(b"application/cloudevents")
        headers["ce_datacontenttype" if is_events else "content-type"] = content_type
    if traceparent := attributes.get("traceparent"):
        headers["traceparent"] = traceparent.encode()
    of_type = attributes.get("type", "")
    names = ("partitionkey", "key") + (() if of_type == PLAIN_RECORD else ("subject",))
    key = next((attributes[name] for name in names if attributes.get(name)), None)
    if key is not None and of_type.startswith("orderflow."):
        key = unquote(key)  # only ours are percent-encoded: Knative neither does nor undoes it
    return KafkaMessage(headers, None if key is None else key.encode(), data)


def _claim(connection: Connection) -> list[DueLetter]:
    limits = {"count": SENT_AT_ONCE, "step_s": STEP_ALLOWS_S, "bytes": BYTES_AT_ONCE}
    with connection.transaction():
        letters = [DueLetter(*row) for row in connection.run(CLAIM_DUE_LETTERS, **limits)]
        forget_attempts(connection, [due.event_id for due in letters])
    return letters
