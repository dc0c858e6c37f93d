"""Events keep their identity and survive Kafka's binary form."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from cloudevents.http import CloudEvent
from cloudevents.kafka import KafkaMessage, from_binary, to_binary
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orderflow.database.event import Event
from orderflow.events.messages import make_event, to_kafka
from orderflow.events.models import EVENTS, MOVED, KafkaEventData, OrderPlaced
from orderflow.orders.states import MOVES

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LINES = [{"item": "Laptop", "quantity": 1}]
DATA: dict[str, dict[str, Any]] = {
    "orders": {"order_id": "12345", "lines": LINES, "on_shortage": "backorder"},
    "inventory": {"item": "Laptop", "change_id": None},
    "order-events": {"order_id": "12345", "lines": LINES, "cause": "stock reserved"},
}
# What the models let in as an id.
plain_text = st.from_regex(re.compile(r"^[^\s\x00-\x1f\x7f-\x9f]{1,40}\Z"))


def make(model: type[KafkaEventData] = OrderPlaced, **overrides: Any) -> Event:
    options = {"source": "/orderflow/create_order", "traceparent": TRACEPARENT, "sequence": 1}
    data = DATA[model.topic].copy()
    for name, value in overrides.items():
        (data if name in data else options)[name] = value
    return make_event(model, data, **options)  # type: ignore[arg-type]


def read_back(message: KafkaMessage) -> tuple[Mapping[str, Any], Any]:
    cloud_event = from_binary(message)
    return cloud_event.get_attributes(), cloud_event.get_data()


def test_one_fact_has_one_id_whoever_tells_it() -> None:
    assert make().id == make(source="/orderflow/sweep", traceparent="00-x").id


@pytest.mark.parametrize("other", [{"order_id": "12346"}, {"sequence": 2}, {"fact": "again"}])
def test_another_fact_has_another_id(other: dict[str, Any]) -> None:
    assert make().id != make(**other).id


def test_no_two_types_share_an_id() -> None:
    ids = {make(model, **{model.key: "x"}).id for model in EVENTS}

    assert len(ids) == len(EVENTS)


def test_every_status_but_the_first_has_an_event_and_no_other() -> None:
    assert MOVED.keys() == MOVES.keys() - {"pending"}


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.type)
def test_the_binary_form_is_read_back_by_the_sdk(model: type[KafkaEventData]) -> None:
    event = make(model)

    attributes, data = read_back(to_kafka(event))

    assert attributes["id"] == event.id
    assert attributes["type"] == model.type
    assert attributes["source"] == "/orderflow/create_order"
    assert attributes["specversion"] == "1.0"
    assert attributes["subject"] == event.aggregateid
    assert attributes["time"] == event.at
    assert attributes["traceparent"] == TRACEPARENT
    assert attributes["sequence"] == "1"
    assert attributes["datacontenttype"] == "application/json"
    assert attributes["dataschema"].startswith("urn:orderflow:")
    assert data == DATA[model.topic]


@given(plain_text, st.integers(0, 3))
def test_the_binary_form_is_what_the_sdk_makes_of_its_attributes(name: str, sequence: int) -> None:
    written = to_kafka(make(order_id=name, sequence=sequence))

    attributes, data = read_back(written)
    of_sdk = to_binary(CloudEvent(attributes, data), data_marshaller=orjson.dumps)

    own = {"ce_partitionkey", "traceparent"}  # the SDK takes the former for the key alone
    assert written.headers.keys() - of_sdk.headers.keys() == own
    assert of_sdk.headers.items() <= written.headers.items()
    assert (of_sdk.key, of_sdk.value) == (attributes["partitionkey"], written.value)


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.type)
def test_the_data_is_of_its_own_model(model: type[KafkaEventData]) -> None:
    read = model.model_validate_json(make(model).payload)

    assert read.model_dump(mode="json") == DATA[model.topic]


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.type)
def test_a_field_of_a_later_version_is_passed_over(model: type[KafkaEventData]) -> None:
    later = orjson.dumps(DATA[model.topic] | {"colour": "red"})

    model.model_validate_json(later)


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.type)
def test_data_without_its_key_is_refused(model: type[KafkaEventData]) -> None:
    keyless = {name: v for name, v in DATA[model.topic].items() if name != model.key}

    with pytest.raises(ValidationError):
        model.model_validate_json(orjson.dumps(keyless))


@given(plain_text)
def test_any_key_that_the_models_let_in_arrives_whole(key: str) -> None:
    headers, kafka_key, value = to_kafka(make(order_id=key))

    attributes, data = read_back(KafkaMessage(headers, kafka_key, value))

    assert kafka_key == key.encode()
    assert data["order_id"] == key
    assert unquote(attributes["subject"]) == key
    assert headers["ce_partitionkey"] == headers["ce_subject"]
    assert all(0x20 <= byte < 0x7F for byte in headers["ce_subject"])


def test_a_key_beyond_ascii_is_percent_encoded_in_the_attributes_only() -> None:
    headers, kafka_key, _ = to_kafka(make(order_id='日 "100%"'))

    assert headers["ce_subject"] == b"%E6%97%A5 %22100%25%22"
    assert headers["ce_partitionkey"] == headers["ce_subject"]
    assert kafka_key == '日 "100%"'.encode()


def test_the_content_type_is_the_header_that_the_binding_names() -> None:
    assert to_kafka(make()).headers["content-type"] == b"application/json"


def test_the_trace_is_a_header_of_its_own_for_tracing_consumers() -> None:
    assert to_kafka(make()).headers["traceparent"] == TRACEPARENT.encode()


def test_an_event_of_an_item_has_no_sequence() -> None:
    headers = to_kafka(make(EVENTS[1], sequence=0)).headers

    assert "ce_sequence" not in headers


def test_the_row_has_every_column_and_is_the_first_copy() -> None:
    row = make()._asdict()

    assert row.pop("at") <= datetime.now(UTC).isoformat()
    assert row == {
        "id": make().id,
        "aggregatetype": "orders",
        "aggregateid": "12345",
        "type": "orderflow.order.placed.v1",
        "payload": orjson.dumps(DATA["orders"]).decode(),
        "sequence": 1,
        "source": "/orderflow/create_order",
        "traceparent": TRACEPARENT,
        "copy": 1,
    }
