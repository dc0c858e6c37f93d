"""What the runtime's own processes tell Prometheus of requests and of deliveries."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from knative_local.ports import LOOPBACK, free_port
from knative_local.supervisor.state_file import read_state
from tests.support.kafka_client import Kafka
from tests.support.kafka_sources import SourceProcess, start_sources
from tests.support.local_runtime import runtime
from tests.support.metrics import ACCEPT, Samples
from tests.support.scripted_sink import Sink, scripted_sink
from tests.support.waiting import eventually

TOPIC = "runtime-metrics"
# By offset: what the sink answers, and what becomes of the event.
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "0/0": [{"status": 200}],
    "0/1": [{"status": 503}, {"status": 503}, {"status": 200}],
    "0/2": [{"status": 422}],
    "0/3": [{"close": True}, {"status": 200}],
    "0/4": [{"status": 400}],
    "0/5": [{"status": 200, "delay_ms": 60_000}],
}
LETTER_REFUSED: dict[str, list[dict[str, Any]]] = {"0/4": [{"status": 400}]}


def scraped(port: int) -> Samples:
    """A scrape of a process of the runtime."""
    return Samples.of(httpx.get(f"http://{LOOPBACK}:{port}/metrics", headers=ACCEPT).text)


def script(_: str, to: str, record: str) -> list[dict[str, Any]]:
    return (ANSWERS if to == "sink" else LETTER_REFUSED).get(record, [{"status": 200}])


@pytest.fixture
def sink() -> Iterator[Sink]:
    with scripted_sink(script) as found:
        yield found


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def source(tmp_path: Path, broker: str, sink: Sink, port: int) -> Iterator[SourceProcess]:
    """A source whose topic has a record for each answer."""
    Kafka(broker).create_topics({TOPIC: 1})
    manifest = tmp_path / "source.yaml"
    delivery = {"retry": 3, "backoffDelay": "PT0.1S", "timeout": "PT30S"}
    letters = {"deadLetterSink": {"uri": f"{sink.base}/{TOPIC}/letters"}}
    spec = {
        "bootstrapServers": [broker],
        "topics": [TOPIC],
        "consumerGroup": TOPIC,
        "initialOffset": "earliest",
        "ordering": "unordered",
        "sink": {"uri": f"{sink.base}/{TOPIC}/sink"},
        "delivery": {**delivery, **letters},
    }
    document = {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "KafkaSource",
        "metadata": {"name": "orders", "namespace": "shop"},
        "spec": spec,
    }
    manifest.write_text(yaml.safe_dump(document))
    producer = Kafka(broker).producer()
    for number in range(len(ANSWERS)):
        producer.produce(TOPIC, value=b"%d" % number, partition=0)
    assert producer.flush(20) == 0
    (process,) = start_sources(manifest, metrics_port=port)
    yield process
    process.kill()


def test_a_source_tells_what_became_of_events_and_how_far_behind_it_is(
    source: SourceProcess, port: int
) -> None:
    eventually(lambda: source.ready)
    ended = {"delivered": 3, "dead_letter": 1, "lost": 1}
    name = "knative_local_events_total"

    eventually(lambda: {k: scraped(port).value(name, outcome=k) for k in ended} == ended)
    # One is still on its way, and nothing after it is done with.
    eventually(lambda: scraped(port).value("knative_local_consumer_lag", topic=TOPIC) > 0)

    found = scraped(port)
    attempts = {"2xx": 3, "4xx": 2, "5xx": 2, "none": 1}
    counted = {
        answer: found.value("knative_local_delivery_attempts_total", to="sink", answer=answer)
        for answer in attempts
    }
    assert counted == attempts
    assert found.value("knative_local_delivery_retries_total", source="orders", to="sink") == 3
    assert found.value("knative_local_delivery_duration_seconds_count", source="orders") == 5
    assert found.value("knative_local_in_flight", source="orders") == 1
    assert found.value("knative_local_consumer_lag", partition="0") == 1
    assert found.value("process_cpu_seconds_total") > 0


@pytest.mark.any_broker
def test_the_gateway_tells_its_requests_by_the_service_they_led_to(tmp_path: Path) -> None:
    with runtime(tmp_path) as running:
        url = f"http://{LOOPBACK}:{running.port}"
        httpx.post(f"{url}/order", content="a")
        httpx.get(f"{url}/nowhere")
        httpx.request("PROPFIND", f"{url}/order")
        (gateway,) = (
            c for c in read_state(running.data_dir)["components"] if c["kind"] == "Gateway"
        )
        assert gateway["metrics_port"] is not None

        found = scraped(gateway["metrics_port"])

    name = "http_server_request_duration_seconds_count"
    assert found.value(name, knative_service="echo", http_response_status_code="200") == 1
    assert found.value(name, knative_service="", http_response_status_code="404") == 1
    assert found.value(name, http_request_method="_OTHER", http_response_status_code="405") == 1
    assert found.value("http_server_active_requests") == 0
    assert "PROPFIND" not in found.text
