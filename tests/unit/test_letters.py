"""What is made of a dead letter: the event apart from what the dispatcher added to it."""

import base64
from typing import Any

import orjson
import pytest

from orderflow.dead_letters.letters import letter_of
from orderflow.events.cloudevent import PLAIN_RECORD, RawEvent
from orderflow.text import sanitize_text

PLACED = "orderflow.order.placed.v1"
EVENT = {"specversion": "1.0", "id": "1", "source": "/t", "type": PLACED}
ADDED = {
    "knativekafkapartition": "2",
    "knativekafkaoffset": "77",
    "kafkatopic": "orders",
    "kafkaconsumer": "process-order",
    "knativeerrordest": "http://process-order.orderflow.svc.cluster.local",
    "knativeerrorcode": "422",
}
PROBLEM = {"type": "/problems/invalid-input", "status": 422, "detail": "there is no order 1"}


def letter(data: object = b"", **changed: str | None) -> dict[str, Any]:
    """The columns of an event; None leaves an attribute out."""
    attributes = {n: v for n, v in {**EVENT, **ADDED, **changed}.items() if v is not None}
    content = data if isinstance(data, bytes) else orjson.dumps(data)
    return letter_of(RawEvent(attributes, content, len(content)))


def encoded(answer: object) -> str:
    content = answer if isinstance(answer, bytes) else orjson.dumps(answer)
    return base64.b64encode(content).decode()


def test_what_the_dispatcher_added_is_apart_from_the_event() -> None:
    found = letter(datacontenttype="application/json", mine="50%25")

    extensions = {"datacontenttype": "application/json", "mine": "50%25"}
    assert found["attributes"] == EVENT | extensions
    assert (found["topic"], found["kafka_partition"], found["kafka_offset"]) == ("orders", 2, 77)
    assert found["destination"] == ADDED["knativeerrordest"]
    assert found["consumer"] == "process-order"


@pytest.mark.parametrize(
    ("destination", "consumer"),
    [
        ("http://process-order.analytics.svc:8080/x", "process-order.analytics.svc"),
        ("no url", "unknown"),
        ("http://[", "unknown"),
        (None, "unknown"),
    ],
)
def test_who_could_not_take_it_is_the_host_where_the_source_does_not_say(
    destination: str | None, consumer: str
) -> None:
    found = letter(kafkaconsumer=None, knativeerrordest=destination)

    assert found["consumer"] == consumer


def test_the_reason_is_what_the_problem_says() -> None:
    found = letter(knativeerrordata=encoded(PROBLEM))

    assert (found["error_code"], found["error_type"]) == (422, "invalid-input")
    assert found["error"] == "there is no order 1"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"request timeout", "request timeout"),
        (b"\xff\x00x", "\ufffd\ufffdx"),
        (orjson.dumps(PROBLEM)[:50], orjson.dumps(PROBLEM)[:50].decode()),
        (orjson.dumps({"detail": "x"}), '{"detail":"x"}'),
        (b'{"type":1,"detail":"x"}', '{"type":1,"detail":"x"}'),
        (b"[]", "[]"),
        (b"7", "7"),
    ],
)
def test_any_other_answer_is_the_reason_as_it_is(answer: bytes, reason: str) -> None:
    found = letter(knativeerrordata=encoded(answer), knativeerrorcode="500")

    assert (found["error_code"], found["error_type"], found["error"]) == (500, None, reason)


def test_an_answer_without_a_body_is_named_by_its_status() -> None:
    assert letter(knativeerrorcode="504")["error"] == "answered 504 without saying why"


def test_no_answer_has_no_code_and_says_so() -> None:
    found = letter(knativeerrorcode=None)

    assert (found["error_code"], found["error_type"]) == (None, None)
    assert "no answer" in found["error"]


@pytest.mark.parametrize(
    ("data", "changed", "order_id", "item"),
    [
        ({"order_id": "A"}, {}, "A", None),
        ({"item": "I"}, {"type": "orderflow.inventory.changed.v1"}, None, "I"),
        ({"order_id": "A", "item": "I"}, {"type": "any"}, "A", "I"),
        ({"order_id": 7}, {"subject": "B%2F1"}, "B/1", None),
        (b"{", {"subject": "B"}, "B", None),
        (b"", {"subject": "I", "type": "orderflow.inventory.changed.v1"}, None, "I"),
        (b"", {"subject": "B", "type": "any"}, None, None),
        (b'["order_id"]', {"type": None}, None, None),
        ({"order_id": "a\0b"}, {}, "a\ufffdb", None),
    ],
)
def test_order_and_item_are_those_of_the_data_or_the_subject(
    data: object, changed: dict[str, str | None], order_id: str | None, item: str | None
) -> None:
    found = letter(data, **changed)

    assert (found["order_id"], found["item"]) == (order_id, item)


@pytest.mark.parametrize(
    "changed", [{"id": "2"}, {"source": "/u"}, {"knativeerrordest": "http://u"}]
)
def test_another_event_or_destination_is_another_letter(changed: dict[str, str]) -> None:
    assert letter(**changed)["identity"] != letter()["identity"]


def test_the_same_event_is_the_same_letter_wherever_it_lies_and_whatever_it_failed_with() -> None:
    again = letter(knativekafkaoffset="78", knativeerrorcode="503", time="2026-01-02T03:04:05Z")

    assert again["identity"] == letter()["identity"]


def test_a_plain_record_at_the_place_of_an_older_one_is_another_letter() -> None:
    times = ("2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z")

    first, second = (letter(type=PLAIN_RECORD, time=time) for time in times)

    assert first["identity"] != second["identity"]


@pytest.mark.parametrize("place", ["-1", "x", "", "9" * 30, "1.5", "²"])
def test_a_place_that_is_none_is_left_out(place: str) -> None:
    found = letter(knativekafkapartition=place, knativekafkaoffset=place)

    assert (found["kafka_partition"], found["kafka_offset"]) == (None, None)


def test_data_that_was_cut_is_not_read_and_its_length_is_told() -> None:
    found = letter_of(RawEvent(dict(EVENT), b'{"order_id":"A"}', 2_000_000))

    assert (found["order_id"], found["data_bytes"]) == (None, 2_000_000)


@pytest.mark.parametrize(
    ("text", "stored"), [("a\0b", "a\ufffdb"), ("\ud800", "\ufffd"), ("a🦊b", "a🦊b"), ("", "")]
)
def test_what_a_database_refuses_is_replaced(text: str, stored: str) -> None:
    assert sanitize_text(text) == stored


def test_a_text_is_cut_by_characters() -> None:
    assert sanitize_text("a🦊b", 2) == "a🦊"
