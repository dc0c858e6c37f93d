"""Kafka record to event, beyond what the recorded cases of the real dispatcher show."""

import struct
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knative_local.cloudevents.event import Event, HeaderRefusedError, latin1
from knative_local.cloudevents.from_kafka import EventRule, NullHeaderError, key_text, time_text
from knative_local.cloudevents.java_text import double_text, float_text, json_text

CLOUDEVENT = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/s", "ce_type": b"t"}
RULE = EventRule("shop", "orders")


@dataclass
class FakeRecord:
    """A Kafka record without Kafka."""

    raw_value: bytes | None = b"{}"
    raw_key: bytes | None = b"k"
    raw_headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    timestamp_ms: int = 1_700_000_000_123

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 7

    def key(self) -> bytes | None:
        return self.raw_key

    def value(self) -> bytes | None:
        return self.raw_value

    def headers(self) -> list[tuple[str, bytes | None]]:
        return self.raw_headers

    def timestamp(self) -> tuple[int, int]:
        return 1, self.timestamp_ms


def cloudevent_record(**changes: bytes | None) -> FakeRecord:
    headers: dict[str, bytes | None] = {**CLOUDEVENT, **changes}
    return FakeRecord(raw_headers=list(headers.items()))


def structured(text: str) -> Event:
    headers: list[tuple[str, bytes | None]] = [("content-type", b"application/cloudevents+json")]
    return RULE.event(FakeRecord(raw_value=text.encode(), raw_headers=headers))


def test_plain_record_has_every_attribute_of_the_interceptor() -> None:
    event = RULE.event(FakeRecord(raw_headers=[("X-A_b", b"1")]))

    assert event.attributes == {
        "specversion": "1.0",
        "id": "partition:3/offset:7",
        "source": "/apis/v1/namespaces/shop/kafkasources/orders#t",
        "type": "dev.knative.kafka.event",
        "subject": "partition:3#7",
        "time": "2023-11-14T22:13:20.123Z",
        "key": "k",
        "partitionkey": "k",
        "kafkaheaderxab": "1",
        "knativekafkapartition": "3",
        "knativekafkaoffset": "7",
    }
    assert event.content_type is None


def test_header_without_value_is_refused_in_a_plain_record_only() -> None:
    with pytest.raises(NullHeaderError):
        RULE.event(FakeRecord(raw_headers=[("a", None)]))
    assert not RULE.event(cloudevent_record(other=None)).plain


@pytest.mark.parametrize(
    "broken",
    [
        {"ce_time": b"2026-13-01T00:00:00Z"},
        {"ce_source": b"a b"},
        {"ce_source": b"%zz"},
        {"ce_specversion": b"9"},
        {"ce_a-b": b"x"},
    ],
)
def test_cloudevent_that_is_none_becomes_a_plain_record(broken: dict[str, bytes | None]) -> None:
    event = RULE.event(cloudevent_record(**broken))

    assert event.plain


@pytest.mark.parametrize(
    ("given_time", "printed"),
    [
        (b"2026-01-02T03:04:05.670Z", "2026-01-02T03:04:05.67Z"),
        (b"2026-01-02T03:04Z", "2026-01-02T03:04:00Z"),
        (b"2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05Z"),
        (b"2026-01-02T03:04:05.123456789+01:30", "2026-01-02T03:04:05.123456789+01:30"),
    ],
)
def test_time_is_printed_as_java_does(given_time: bytes, printed: str) -> None:
    assert RULE.event(cloudevent_record(ce_time=given_time)).attributes["time"] == printed


def test_name_that_would_end_its_header_line_makes_a_plain_record() -> None:
    event = RULE.event(cloudevent_record(**{"ce_more\n": b"1"}))

    assert event.plain
    assert event.attributes["kafkaheadercemore"] == "1"


def test_old_specversion_is_kept_and_becomes_1_0_in_a_dead_letter() -> None:
    record = cloudevent_record(ce_specversion=b"0.3", ce_schemaurl=b"http://s")

    event = RULE.event(record)
    letter = event.with_extensions({})

    assert event.attributes["specversion"] == "0.3"
    assert letter.attributes["specversion"] == "1.0"
    assert letter.attributes["dataschema"] == "http://s"


@pytest.mark.parametrize(
    ("extension", "text"),
    [("null", "null"), ("true", "true"), ("-5", "-5"), ('{"a":[1]}', '{"a":[1]}')],
)
def test_structured_extension_is_text(extension: str, text: str) -> None:
    event = structured(f'{{"specversion":"1.0","id":"1","source":"/s","type":"t","x":{extension}}}')

    assert event.attributes["x"] == text


@pytest.mark.parametrize(
    "member", ['"x":1.5', '"x":2147483648', '"time":5', '"data":1,"data_base64":""']
)
def test_structured_event_that_java_refuses_is_plain(member: str) -> None:
    event = structured(f'{{"specversion":"1.0","id":"1","source":"/s","type":"t",{member}}}')

    assert event.plain
    assert event.content_type == "application/cloudevents+json"


def test_structured_text_data_needs_another_content_type() -> None:
    event = structured(
        '{"specversion":"1.0","id":"1","source":"/s","type":"t",'
        '"datacontenttype":"text/plain","data":"snow \u2603"}'
    )

    assert event.data == "snow \u2603".encode()


def test_override_wins_over_everything() -> None:
    rule = EventRule("shop", "orders", overrides={"knativekafkaoffset": "x", "env": "prod"})

    event = rule.event(cloudevent_record(ce_env=b"dev"))

    assert (event.attributes["knativekafkaoffset"], event.attributes["env"]) == ("x", "prod")


def test_invalid_traceparent_is_not_continued() -> None:
    event = RULE.event(cloudevent_record(traceparent=b"00-0-0-01", tracestate=b"a=b"))

    assert event.trace == {}


@pytest.mark.parametrize("value", ["a\nb", "\x00", "\x7f"])
def test_control_character_stops_the_request(value: str) -> None:
    with pytest.raises(HeaderRefusedError, match="ce-subject"):
        Event({"subject": value}).request(b"")


def test_text_goes_out_as_one_byte_a_character() -> None:
    assert latin1("\u00fc\u2603\U0001f600\t") == b"\xfc???\t"


@pytest.mark.parametrize(
    ("key", "key_type", "text"),
    [
        (struct.pack(">i", -5), "int", "-5"),
        (b"\x00" * 7 + b"\x05", "int", "\x00" * 7 + "\x05"),
        (struct.pack(">d", 1e10), "float", "1.0E10"),
        (b"\xff", "string", "\ufffd"),
        (b"\x00\xff", "byte-array", "AP8="),
    ],
)
def test_key_is_read_by_its_type(key: bytes, key_type: str, text: str) -> None:
    assert key_text(key, key_type) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("millis", "text"),
    [
        (-1, "1969-12-31T23:59:59.999Z"),
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_120, "2023-11-14T22:13:20.12Z"),
        (253_402_300_800_000, "+10000-01-01T00:00:00Z"),
        (-62_198_755_200_000, "-0001-01-01T00:00:00Z"),
        (2**63 - 1, "+292278994-08-17T07:12:55.807Z"),
    ],
)
def test_record_time_has_no_zeros_at_its_end(millis: int, text: str) -> None:
    assert time_text(millis) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1, "0.1"),
        (100.0, "100.0"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (0.001, "0.001"),
        (9.9e-4, "9.9E-4"),
        (5e-324, "4.9E-324"),
        (2e-323, "2.0E-323"),
        (-0.0, "-0.0"),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_double_is_written_as_java_21_does(number: float, text: str) -> None:
    assert double_text(number) == text


@given(st.floats(allow_nan=False))
def test_double_text_reads_back(number: float) -> None:
    assert float(double_text(number).replace("Infinity", "inf")) == number


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_text_reads_back_at_its_own_width(number: float) -> None:
    packed = struct.pack("f", float(float_text(number)))

    assert struct.unpack("f", packed)[0] == number


def test_json_is_compact_with_upper_case_escapes() -> None:
    assert json_text({"a": ["\x1f\n\u2603", 1.0, None]}) == '{"a":["\\u001F\\n\u2603",1.0,null]}'
