"""Records that no function can process: none holds up the others, each is kept with the reason."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from knative_local.ports import LOOPBACK
from orderflow_cli.project import groups_of, kafka_sources
from orderflow_cli.topics import PARTITIONS, lag
from tests.support.brokers import OpenBroker
from tests.support.commands import orderflow
from tests.support.kafka_client import Kafka
from tests.support.kafka_sources import running_sources
from tests.support.kcat import Put, put, require_kcat
from tests.support.shop import ROOT, Shop, open_shop, reference
from tests.support.waiting import eventually

WITHIN_S = 60.0
AT_ONCE = 4
LARGE_BYTES = 900_000  # just below what Kafka takes by default
JSON = {"content-type": b"application/json"}
STRUCTURED = {"content-type": b"application/cloudevents+json"}
PLAIN = "a record without the headers of a CloudEvent"
ONLY_TAKES = "this function takes orderflow."


@dataclass(frozen=True)
class Topic:
    """A topic that a source reads."""

    name: str
    type: str
    field: str


ORDERS = Topic("orders", "orderflow.order.placed.v1", "order_id")
INVENTORY = Topic("inventory", "orderflow.inventory.changed.v1", "item")
TOPICS = pytest.mark.parametrize("topic", [ORDERS, INVENTORY], ids=lambda topic: topic.name)


@pytest.fixture(scope="module")
def shop(open_broker: OpenBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """An OrderFlow on a broker of its own."""
    require_kcat()
    data = tmp_path_factory.mktemp("poison") / "data"
    with open_broker() as broker, open_shop(data, kafka=broker.address) as running:
        yield running


def event(topic: Topic, mark: str, value: bytes | None, **changed: bytes | None) -> Put:
    """A CloudEvent in binary mode; its mark is its id."""
    attributes = {
        "specversion": b"1.0",
        "id": mark.encode(),
        "source": b"/elsewhere",
        "type": topic.type.encode(),
    }
    headers = {f"ce_{name}": text for name, text in {**attributes, **changed}.items()}
    return Put(value, mark.encode(), {**headers, **JSON})


def structured(topic: Topic, mark: str, data: Any, **changed: Any) -> Put:
    """A CloudEvent in structured mode."""
    attributes = {"specversion": "1.0", "id": mark, "source": "/elsewhere", "type": topic.type}
    content = attributes | changed | {"data": data}
    return Put(json.dumps(content).encode(), mark.encode(), {**STRUCTURED})


def large(field: str) -> bytes:
    """A sound event's data, but for its size."""
    return json.dumps({field: "x", "more": "y" * (LARGE_BYTES - 100)}).encode()


Make = Callable[[Topic, str], Put]

# What is put, and what the reason says.
POISON: dict[str, tuple[Make, str]] = {
    "malformed JSON": (lambda t, m: event(t, m, b'{"a": '), "Invalid JSON"),
    "no JSON object": (lambda t, m: event(t, m, b"[]"), "Input should be an object"),
    "a field of another type": (
        lambda t, m: event(t, m, json.dumps({t.field: 5}).encode()),
        "Input should be a valid string",
    ),
    "a field that is missing": (lambda t, m: event(t, m, b"{}"), "Field required"),
    "a control character": (
        lambda t, m: event(t, m, json.dumps({t.field: "a\0b"}).encode()),
        "contain control characters",
    ),
    "no UTF-8": (lambda t, m: event(t, m, b'{"a": "\xff\xfe"}'), "Invalid JSON"),
    "a deep nest": (lambda t, m: event(t, m, b'{"a":' + b"[" * 50_000), "recursion limit"),
    "no data": (lambda t, m: event(t, m, b""), "Invalid JSON: EOF"),
    "a tombstone with attributes": (lambda t, m: event(t, m, None), "Invalid JSON: EOF"),
    "another version": (
        lambda t, m: event(t, m, b"{}", type=t.type.replace("v1", "v2").encode()),
        ONLY_TAKES,
    ),
    "another type": (lambda t, m: event(t, m, b"{}", type=b"com.example.thing"), ONLY_TAKES),
    "an event over the limit": (lambda t, m: event(t, m, large(t.field)), "data of 8999"),
    "a subject that is no UTF-8": (
        lambda t, m: event(t, m, b"{}", subject=b"\xff\xfe"),
        "Field required",
    ),
    "an unknown version of the format": (
        lambda t, m: event(t, m, b"{}", specversion=b"9.9"),
        PLAIN,
    ),
    "an event without an id": (
        lambda t, m: Put(b"{}", m.encode(), {"ce_specversion": b"1.0"}),
        PLAIN,
    ),
    "structured, with wrong data": (
        lambda t, m: structured(t, m, {t.field: 5}),
        "Input should be a valid string",
    ),
    "structured, another type": (lambda t, m: structured(t, m, {}, type="x.y.z"), ONLY_TAKES),
    "structured, an attribute that is no text": (lambda t, m: structured(t, m, {}, time=5), PLAIN),
    "structured, broken": (
        lambda t, m: Put(b'{"specversion": "1.0", "id": ', m.encode(), {**STRUCTURED}),
        PLAIN,
    ),
    "structured, a deep nest": (
        lambda t, m: Put(
            b'{"specversion":"1.0","data":' + b"[" * 50_000, m.encode(), {**STRUCTURED}
        ),
        PLAIN,
    ),
    "without headers": (lambda t, m: Put(f'{{"{t.field}": "{m}"}}'.encode()), PLAIN),
    "without headers, malformed": (lambda t, m: Put(b"{" + m.encode()), PLAIN),
    "without headers, no UTF-8": (lambda t, m: Put(b"\xff\xfe" + m.encode(), b"\xff\xfe"), PLAIN),
    "without headers, large": (
        lambda _, m: Put(m.encode() + b"\xff" * LARGE_BYTES),
        "data of 900018 bytes",
    ),
    "without headers, empty": (lambda t, m: Put(b"", m.encode()), PLAIN),
    "without headers, a tombstone": (lambda t, m: Put(None, m.encode()), PLAIN),
    "a long key": (lambda t, m: Put(b"{}", m.encode() + b"k" * 100_000), PLAIN),
    "other headers": (lambda t, m: Put(b"{}", m.encode(), {"Zo\xeb": b"\xff", "x": b""}), PLAIN),
}


class Letter(NamedTuple):
    """What is kept of a record; its mark is in its id, key or value."""

    marked: str
    topic: str
    error: str
    kept_bytes: int
    data_bytes: int


def letters(shop: Shop, mark: str) -> list[Letter]:
    """What is kept under a mark."""
    return [letter for letter in all_letters(shop) if mark in letter.marked]


def all_letters(shop: Shop) -> list[Letter]:
    sql = """SELECT
        concat_ws(' ', attributes ->> 'id', attributes ->> 'key',
          encode(substring(data FOR 100), 'escape')),
        topic, error, length(data)::bigint, data_bytes
      FROM dead_letters"""
    return [Letter(*row) for row in shop.query(sql)]


def put_all(shop: Shop, topic: Topic) -> dict[str, str]:
    """Put every poison on a topic, all partitions in turn; return the marks by name."""
    marks = {name: reference() for name in POISON}

    def put_one(number: int, name: str) -> None:
        make, _ = POISON[name]
        partition = number % PARTITIONS
        put(shop.servers[1], topic.name, make(topic, marks[name]), partition=partition)

    with ThreadPoolExecutor(AT_ONCE) as threads:  # most of the time kcat waits for its broker
        list(threads.map(put_one, *zip(*enumerate(POISON), strict=True)))
    return marks


def await_kept(shop: Shop, marks: dict[str, str]) -> None:
    def missing() -> set[str]:
        kept = " ".join(letter.marked for letter in all_letters(shop))
        return {name for name, mark in marks.items() if mark not in kept}

    eventually(lambda: not missing(), within_s=WITHIN_S)


def await_no_lag(shop: Shop) -> None:
    """Look seldom: each look makes a client of Kafka's, which costs 50 ms of a core."""
    groups = groups_of(kafka_sources())
    look = partial(lag, shop.servers[1], groups)
    eventually(lambda: not any(look().values()), within_s=WITHIN_S, every_s=0.5)


def test_poison_on_every_topic_is_kept_with_its_reason_and_holds_nothing_up(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 1_000)
    placed = [shop.place(item=item, quantity=1)]
    marks = {}
    for topic in (ORDERS, INVENTORY):
        marks[topic] = put_all(shop, topic)
        placed += [shop.place(item=item, quantity=1) for _ in range(10)]
        shop.call("POST", "/inventory", {"item": item, "adjust": 5})
    put_all(shop, replace(ORDERS, name="order-events"))  # which nobody here reads

    for order_id in placed:
        shop.await_status(order_id, "confirmed", within_s=WITHIN_S)
    eventually(lambda: shop.shelf(item)["on_hand"] == 1_010, within_s=WITHIN_S)
    for topic, by_name in marks.items():
        await_kept(shop, by_name)
        kept = {name: letters(shop, mark) for name, mark in by_name.items()}
        assert {name: [letter.topic for letter in kept[name]] for name in kept} == {
            name: [topic.name] for name in POISON
        }
        reasons = {name: kept[name][0].error for name in kept}
        assert {n: reason for n, reason in reasons.items() if POISON[n][1] not in reason} == {}
        assert all(letter.kept_bytes == letter.data_bytes for (letter,) in kept.values())
    await_no_lag(shop)
    assert shop.proof(placed).holds


def test_poison_that_is_delivered_again_after_a_death_is_kept_once(shop: Shop) -> None:
    dispatcher = shop.component("orders", "KafkaSource")["pid"]
    assert dispatcher is not None

    marks = put_all(shop, ORDERS)
    os.killpg(dispatcher, signal.SIGKILL)
    placed = shop.placed("backordered", item=reference("item"), quantity=1)

    await_kept(shop, marks)
    await_no_lag(shop)
    assert {name: len(letters(shop, mark)) for name, mark in marks.items()} == dict.fromkeys(
        POISON, 1
    )
    assert shop.proof([placed]).holds


def test_status_tells_how_many_are_kept(shop: Shop) -> None:
    mark, where = reference(), ["--data", str(shop.data), "--kafka", shop.servers[1]]
    put(shop.servers[1], "orders", event(ORDERS, mark, b"{"))
    await_kept(shop, {mark: mark})
    ((count,),) = shop.query("SELECT count(*) FROM dead_letters WHERE state = 'kept'")

    status = json.loads(orderflow("status", *where).stdout)

    assert status["dead_letters"] == {"kept": count}


def test_a_sound_event_of_a_stranger_is_processed_in_either_form(shop: Shop) -> None:
    item = reference("item")
    binary, told = (shop.placed("backordered", item=item, quantity=1) for _ in range(2))
    marks = [reference() for _ in range(2)]

    put(
        shop.servers[1],
        "orders",
        event(ORDERS, marks[0], json.dumps({"order_id": binary}).encode()),
    )
    put(shop.servers[1], "orders", structured(ORDERS, marks[1], {"order_id": told}))

    for mark in marks:
        eventually(partial(shop.answers, "process-order", mark))
        assert letters(shop, mark) == []
    assert shop.history(told) == ["pending", "backordered"]


def test_an_event_of_an_order_that_there_is_not_is_kept(shop: Shop) -> None:
    mark, order_id = reference("event"), reference()

    data = json.dumps({"order_id": order_id}).encode()
    put(shop.servers[1], "orders", event(ORDERS, mark, data))

    await_kept(shop, {"": mark})
    (row,) = shop.query("SELECT order_id, error_type FROM dead_letters WHERE event_id = :m", m=mark)
    assert row == [order_id, "invalid-input"]


@TOPICS
def test_a_header_without_a_value_loses_its_record_loudly_and_no_other(
    shop: Shop, topic: Topic
) -> None:
    mark = reference()
    await_no_lag(shop)  # so that no other record is in its poll

    put(shop.servers[1], topic.name, Put(b"{}", mark.encode(), {"empty": None}))
    placed = shop.placed("backordered", item=reference("item"), quantity=1)

    await_no_lag(shop)
    (line,) = lost(shop.data / "logs" / f"{topic.name}.log")
    assert (line["level"], line["topic"]) == ("error", topic.name)
    assert "a header without a value" in line["reason"]
    assert letters(shop, mark) == []
    assert shop.status(placed) == "backordered"


@TOPICS
def test_a_control_character_in_an_attribute_loses_its_record_loudly_and_no_other(
    shop: Shop, topic: Topic, tmp_path: Path
) -> None:
    own, marks = reference("topic"), [reference() for _ in range(3)]
    manifest = with_one_retry(topic, own, tmp_path / "source.yaml")
    resolve = {c["name"]: f"http://{LOOPBACK}:{c['port']}" for c in shop.components()}
    Kafka(shop.servers[1]).create_topics({own: 1})

    sources = running_sources(manifest, shop.servers[1], resolve, shop.sender_token())
    with sources as (source,):
        for mark, subject in zip(marks, (b"a", b"a\x01b", b"b"), strict=True):
            put(shop.servers[1], own, event(topic, mark, b"{}", subject=subject))
        eventually(lambda: lost(source.log), within_s=WITHIN_S)
        await_kept(shop, {mark: mark for mark in (marks[0], marks[2])})

    (line,) = lost(source.log)
    assert (line["level"], line["id"]) == ("error", marks[1])
    assert "control character in header ce-subject" in source.log.read_text()
    assert letters(shop, marks[1]) == []


def lost(log: Path) -> list[dict[str, Any]]:
    """The lines that tell of a lost event."""
    return [json.loads(line) for line in log.read_text().splitlines() if "event.lost" in line]


def with_one_retry(topic: Topic, own: str, file: Path) -> Path:
    """Write the source of a topic for another one, less patient: it gives up in half a second."""
    base = ROOT / "infra/knative/base"
    source = yaml.safe_load((base / f"{topic.name}-source.yaml").read_text())
    spec = source["spec"]
    spec |= {"topics": [own], "consumerGroup": own}
    spec["delivery"]["retry"] = 1
    sinks = spec["sink"], spec["delivery"]["deadLetterSink"]
    services = [yaml.safe_load((base / f"{s['ref']['name']}.yaml").read_text()) for s in sinks]
    file.write_text(yaml.safe_dump_all([source, *services]))
    return file
