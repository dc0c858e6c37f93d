"""Bursts of calls with pauses between them: no kept connection ends just as it is used again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path

import pytest
import yaml

from tests.flows.test_gateway_connections import call, gateway_to
from tests.support.callers import running_function
from tests.support.kafka_client import Kafka
from tests.support.kafka_sources import SourceProcess, running_sources
from tests.support.shop import reference

# From one burst to the next: around the 2 s for which gunicorn by itself keeps idle connections.
PAUSES_S = (1.9, 1.95, 1.98, 1.99, 2.0, 2.0, 2.01, 2.02, 2.05, 2.1)
CALLS, RECORDS = 150, 99  # a burst; a source has no more than 99 records under way
MOST_BURSTS = 60  # until one fails that is to fail: about every third does

# What a function is without our library.
PLAIN = """
import functions_framework.aio

@functions_framework.aio.http
async def plain(request):
    return "done"
"""


class Callers:
    """Calls through a gateway, and records through a KafkaSource, to one function."""

    def __init__(self, gateway: int, kafka: Kafka, topic: str, source: SourceProcess) -> None:
        self._gateway, self._topic, self._source = gateway, topic, source
        self._producer = kafka.producer()

    async def burst(self, pause_s: float) -> int:
        """Call all at once, and wait until so long after the burst began.

        Return how many calls and deliveries got no answer.
        """
        before, began_at = self._unanswered(), time.monotonic()
        for _ in range(RECORDS):
            self._producer.produce(self._topic, value=b"1", partition=0)
        self._producer.poll(0)
        answers = await asyncio.gather(*(call(self._gateway, "POST") for _ in range(CALLS)))
        await asyncio.sleep(began_at + pause_s - time.monotonic())
        lost = sum(status == 503 for status, _ in answers)
        return lost + self._unanswered() - before

    def _unanswered(self) -> int:
        return self._source.log.read_text().count('"event":"delivery.failed"')


@asynccontextmanager
async def callers_of(url: str, folder: Path, broker: str) -> AsyncIterator[Callers]:
    """The gateway and a KafkaSource, on one function."""
    topic = reference("bursts")
    source = {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "KafkaSource",
        "metadata": {"name": "bursts"},
        "spec": {
            "bootstrapServers": [broker],
            "topics": [topic],
            "consumerGroup": topic,
            "ordering": "unordered",
            "initialOffset": "earliest",
            "sink": {"uri": url},
            "delivery": {"retry": 3, "backoffDelay": "PT0.1S"},
        },
    }
    manifest = folder / "source.yaml"
    manifest.write_text(yaml.safe_dump(source))
    kafka = Kafka(broker)
    kafka.create_topics({topic: 1})
    with gateway_to(url, folder) as gateway, running_sources(manifest) as [process]:
        yield Callers(gateway, kafka, topic, process)


@pytest.mark.any_broker
async def test_bursts_around_gunicorns_own_limit_lose_no_call(
    environment: None, broker: str, tmp_path: Path
) -> None:
    with running_function("process_order") as function:
        async with callers_of(function.url, tmp_path, broker) as callers:
            lost = [await callers.burst(pause_s) for pause_s in PAUSES_S]

    assert lost == [0] * len(PAUSES_S)


@pytest.mark.any_broker
async def test_same_bursts_lose_calls_of_a_function_with_that_limit(
    environment: None, broker: str, tmp_path: Path
) -> None:
    (main := tmp_path / "main.py").write_text(PLAIN)
    with running_function("plain", source=main) as function:
        async with callers_of(function.url, tmp_path, broker) as callers:
            pauses_s = islice(cycle(PAUSES_S), MOST_BURSTS)
            lost = 0
            while not lost and (pause_s := next(pauses_s, None)):
                lost += await callers.burst(pause_s)

    assert lost
