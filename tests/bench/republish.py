"""How soon an order gets its stock whose announcement Kafka has lost.

The source's group is moved past the announcement while nobody reads: so no reader ever meets it,
on any broker. The source is there again before the order is due.
"""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import httpx
from confluent_kafka import Consumer, TopicPartition
from rich.console import Console

from knative_local.child import source_command
from knative_local.manifests.loader import load_manifests
from orderflow.database.connection import Connection
from orderflow_cli.audit.proof import pending
from orderflow_cli.progress import bar
from orderflow_cli.project import CHECKOUT as ROOT
from orderflow_cli.project import MANIFESTS
from tests.bench.calling import WITHIN_S, function, process
from tests.bench.report import Figure, at_most
from tests.bench.servers import ours, servers
from tests.support.waiting import eventually

LOSSES = 8
APART_S = 0.7  # so that the losses meet the clock of sweep at other moments
WANTED_S = 10.0
MANIFEST = ROOT / MANIFESTS
TOOK = """
SELECT extract(epoch FROM min(at) - placed_at)::float8, max(announcements)
FROM orders JOIN order_history USING (position)
WHERE order_id = :id AND order_history.sequence = 2 GROUP BY placed_at
"""


def main(console: Console) -> list[Figure]:
    """Measure, and return the row."""
    took_s = sorted(measure(console))
    middle, longest = took_s[len(took_s) // 2], took_s[-1]
    what = "from an order that Kafka loses the announcement of to its stock: p50 / max"
    result = f"{middle:.1f} / {longest:.1f} s"
    return [at_most("republish", what, result, longest, WANTED_S)]


def measure(console: Console, losses: int = LOSSES) -> list[float]:
    """Lose announcements, one after the other; return the seconds until each was made up for."""
    took_s: list[float] = []
    with ExitStack() as running:
        database = running.enter_context(servers())
        url = running.enter_context(ours())
        process_order = running.enter_context(
            function(ROOT / "functions", "process_order", "--asgi")
        )
        sweep = running.enter_context(function(ROOT / "functions", "sweep", "--asgi"))
        running.enter_context(source("sweep-tick", sweep))
        reading = partial(source, "orders", process_order)
        with reading():  # the group has offsets, and everything has been called once
            place(url)
            eventually(lambda: pending(database) == 0, within_s=WITHIN_S)
        with bar(console, "lost announcements", losses) as advance:
            for number in range(losses):
                time.sleep(number * APART_S)
                order_id = place(url)
                lose()
                with reading():
                    eventually(lambda: pending(database) == 0, within_s=WITHIN_S)
                took_s.append(made_up_after_s(database, order_id))
                advance(number + 1, losses)
    return took_s


@contextmanager
def source(name: str, url: str) -> Iterator[None]:
    """Run a source of the manifests, which calls whatever it calls at `url`."""
    manifests = load_manifests([MANIFEST])
    found = [*manifests.kafka_sources, *manifests.ping_sources]
    (wanted,) = [each for each in found if each.name == name]
    resolve = {service.name: url for service in manifests.services}
    kafka = os.environ["KAFKA_BOOTSTRAP_SERVERS"] if wanted.kind == "KafkaSource" else None
    with process(source_command([MANIFEST], wanted, kafka, resolve)):
        yield


def place(url: str) -> str:
    """Place an order, which Kafka has once it is answered; return its id."""
    order_id = f"lost-{uuid.uuid4().hex}"
    answer = httpx.post(
        f"{url}/order", json={"order_id": order_id, "item": "Item 0", "quantity": 1}
    )
    assert "sent to Kafka" in answer.json()["message"], answer.text
    return order_id


def lose() -> None:
    """Move the source's group to the end of the topic."""
    (orders,) = [s for s in load_manifests([MANIFEST]).kafka_sources if s.name == "orders"]
    (topic,) = orders.spec.topics
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": orders.spec.consumer_group,
            "enable.auto.commit": False,
        }
    )
    partitions = consumer.list_topics(topic, WITHIN_S).topics[topic].partitions
    ends = [
        TopicPartition(
            topic, number, consumer.get_watermark_offsets(TopicPartition(topic, number))[1]
        )
        for number in partitions
    ]
    consumer.commit(offsets=ends, asynchronous=False)
    consumer.close()


def made_up_after_s(database: Connection, order_id: str) -> float:
    """Return the seconds from an order's acceptance to its stock."""
    ((seconds, announcements),) = database.run(TOOK, id=order_id)
    assert announcements > 1, f"{order_id} was never lost"
    return float(seconds)
