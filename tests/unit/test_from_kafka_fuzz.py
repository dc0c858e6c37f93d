"""Any record at all: the source goes on, and what it sends is a whole event in a whole request."""

import json

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from knative_local.cloudevents.event import HeaderRefusedError
from knative_local.cloudevents.from_kafka import EventRule, NullHeaderError
from knative_local.manifests.sources import KeyType
from tests.unit.test_from_kafka import FakeRecord

HEAD = b"POST / HTTP/1.1\r\nHost: function\r\n"
ANY_TIME_MS = st.integers(-(2**63), 2**63 - 1)
STRUCTURED = b"application/cloudevents+json"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
attributes = st.fixed_dictionaries(
    {"specversion": st.sampled_from(["1.0", "0.3"]) | json_values},
    optional={
        "id": st.just("1") | json_values,
        "source": st.just("/s") | json_values,
        "type": st.just("t") | json_values,
        "time": st.just("2026-11-26T18:00:00.10Z") | json_values,
        "datacontenttype": st.sampled_from(["application/json", "text/plain"]) | json_values,
        "datacontentencoding": st.just("base64") | json_values,
        "data": json_values,
        "data_base64": st.just("e30=") | json_values,
        "extension": json_values,
        "traceparent": st.text(max_size=60),
    },
)
deep = st.builds(
    lambda depth, field: (
        b'{"specversion":"1.0","id":"1","source":"/s","type":"t","%b":%b%b}'
        % (field, b"[" * depth, b"]" * depth)
    ),
    st.integers(1, 100_000),
    st.sampled_from([b"data", b"extension"]),
)
names = (
    st.sampled_from(["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_more\n"])
    | st.sampled_from(["content-type", "traceparent", "tracestate", "Zoë\r\nx", ""])
    | st.text(max_size=20)
)
raw = (
    st.sampled_from([b"1.0", b"0.3", STRUCTURED, b"application/json", b"/s", b"t", b"1"])
    | st.sampled_from([b"2026-11-26T18:00:00Z", b"9999-99-99T00:00Z", b"a\x00b", b"\xff\xfe"])
    | st.binary(max_size=40)
)
headers = st.lists(st.tuples(names, st.none() | raw), max_size=8)
structured_headers = headers.map(lambda found: [*found, ("content-type", STRUCTURED)])
values = (
    st.none()
    | st.binary(max_size=200)
    | attributes.map(lambda found: json.dumps(found).encode("utf-8", "replace"))
    | deep
)
records = st.builds(
    FakeRecord,
    raw_value=values,
    raw_key=st.none() | st.binary(max_size=12),
    raw_headers=headers | structured_headers,
    timestamp_ms=ANY_TIME_MS,
)


class Request:
    """What a server sees of a request."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        assert not self.complete, "two requests in one"
        self.complete = True


@settings(max_examples=500, deadline=None)
@given(records, st.sampled_from(["string", "int", "float", "byte-array"]))
def test_whatever_the_record_what_leaves_is_one_event(record: FakeRecord, key: KeyType) -> None:
    try:
        event = EventRule("shop", "orders", key).event(record)
    except NullHeaderError:  # Knative loses it, and so does the source, loudly
        assert None in [value for _, value in record.raw_headers]
        return

    assert event.attributes.keys() >= {"specversion", "id", "source", "type"}
    assert event.attributes["knativekafkaoffset"] == "7"
    try:
        sent = event.request(HEAD)
    except HeaderRefusedError:  # counts as a failed attempt, as in Knative
        return
    request = Request()
    httptools.HttpRequestParser(request).feed_data(sent)
    assert request.complete
    assert request.body == (event.data or b"")
    own = {b"Host", b"content-type", b"content-length", *(name.encode() for name in event.trace)}
    assert request.headers.keys() <= own | {f"ce-{name}".encode() for name in event.attributes}
    assert all(name.isalnum() for name in event.attributes)
    assert request.headers[b"ce-id"].decode("latin-1").strip() != "" or not event.attributes["id"]
