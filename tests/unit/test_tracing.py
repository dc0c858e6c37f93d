"""Traces: what decides whether there are any, and whose trace an event is of."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from orderflow import config
from orderflow.errors import ConfigurationError
from orderflow.logs import begin_log_fields, bind_log_fields, log_fields
from orderflow.tracing import spans
from tests.support.otlp import Collector, collector
from tests.support.waiting import eventually_async

OWN = f"00-{'a' * 32}-{'b' * 16}-01"
OTHERS = f"00-{'c' * 32}-{'b' * 16}-01"


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    caches = (config.trace_settings, config.log_settings, spans.spans)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collector() as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.endpoint)
        yield listening


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_TRACES_SAMPLER_ARG", "10%"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ],
)
def test_a_setting_that_says_nothing_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=name):
        spans.spans()


def test_without_an_endpoint_nothing_of_the_sdk_is_imported() -> None:
    code = """
import sys
from orderflow.tracing import spans
assert spans.begin_call("create_order", {}) is None
assert spans.traceparent_of_call() is None
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    told = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert told.strip() == "[]"


def test_an_endpoint_without_the_sdk_is_a_line_that_says_what_to_install(
    told: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "orderflow.tracing.sdk", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)

    with pytest.raises(ConfigurationError, match="the extra `tracing`"):
        spans.spans()


async def test_an_event_of_an_order_is_a_child_of_the_call_that_works_on_it(
    told: Collector,
) -> None:
    begin_log_fields()
    call = spans.begin_call("process_order", {"traceparent": OTHERS, "ce-traceparent": OWN})
    assert call is not None
    bind_log_fields(order_id="1")

    spans.work_on("1")
    during = [spans.continued("1", OWN), spans.continued("1", OTHERS), spans.continued("2", OWN)]
    spans.end_call(call, "POST", 204)

    assert during == [call.traceparent, OTHERS, OWN]
    assert call.traceparent.startswith(OWN[:36])
    assert call.traceparent != OWN
    assert log_fields()["trace_id"] == "a" * 32
    assert spans.continued("1", OWN) == OWN


async def test_a_call_that_fails_is_told_as_failed(told: Collector) -> None:
    begin_log_fields()
    call = spans.begin_call("create_order", {"traceparent": OWN})
    assert call is not None

    spans.end_call(call, "POST", 503)
    made = spans.spans()
    assert made is not None
    await made.flush()

    (span,) = await eventually_async(lambda: told.of_trace("a" * 32))
    assert (span.name, span.failed, span.parent) == ("create_order", True, "b" * 16)
    assert span.attributes["http.response.status_code"] == 503
