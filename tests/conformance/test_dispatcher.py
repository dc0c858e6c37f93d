"""What the recordings do not show: restarts, rebalances, and partners that go away."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from knative_local.ports import free_port
from tests.support.brokers import OpenBroker
from tests.support.kafka_client import Kafka
from tests.support.kafka_sources import running_sources, start_sources
from tests.support.scripted_sink import Sink, scripted_sink
from tests.support.waiting import eventually

ARRIVES_WITHIN_S = 40.0
REBALANCED_WITHIN_S = 40.0
ENDED_BY_SIGTERM = 143  # what a JVM ends with, and a shell says
OPEN = {"status": 200, "delay_ms": 2_000}  # an answer that is long in coming


@pytest.fixture
def slow() -> dict[str, list[dict[str, Any]]]:
    """Steps by `partition/offset`; empty means that every record is answered at once."""
    return {}


@pytest.fixture
def sink(slow: dict[str, list[dict[str, Any]]]) -> Iterator[Sink]:
    with scripted_sink(lambda _case, _to, record: list(slow.get(record, []))) as found:
        yield found


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).replace("[", "-").rstrip("]")


def write_manifest(folder: Path, topic: str, base: str, broker: str, **spec: Any) -> Path:
    document = {
        "apiVersion": "sources.knative.dev/v1",
        "kind": "KafkaSource",
        "metadata": {"name": "source", "namespace": "shop"},
        "spec": {
            "bootstrapServers": [broker],
            "topics": [topic],
            "consumerGroup": topic,
            "initialOffset": "earliest",
            "ordering": "unordered",
            "sink": {"uri": f"{base}/{topic}/sink"},
            "delivery": {"retry": 8, "backoffDelay": "PT0.1S", "timeout": "PT5S"},
            **spec,
        },
    }
    file = folder / "source.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def produce(broker: str, topic: str, numbers: range, partitions: int = 1) -> None:
    producer = Kafka(broker).producer()
    for number in numbers:
        producer.produce(topic, value=b"%d" % number, key=b"k", partition=number % partitions)
    assert producer.flush(20) == 0


def numbers_at(sink: Sink, topic: str) -> list[str]:
    """Records that arrived, in order, as `partition/offset`."""
    return [arrival.record for arrival in list(sink.arrivals[topic])]


def wait_for_records(sink: Sink, topic: str, count: int) -> None:
    def arrived() -> bool:
        return len(set(numbers_at(sink, topic))) >= count

    eventually(arrived, within_s=ARRIVES_WITHIN_S, what=f"{count} records of {topic}")


def test_restart_delivers_the_rest_and_nothing_twice(
    tmp_path: Path, broker: str, sink: Sink, topic: str
) -> None:
    Kafka(broker).create_topics({topic: 1})
    manifest = write_manifest(tmp_path, topic, sink.base, broker)
    with running_sources(manifest):
        produce(broker, topic, range(200))
        wait_for_records(sink, topic, 200)
    produce(broker, topic, range(200, 400))

    with running_sources(manifest):
        wait_for_records(sink, topic, 400)

    assert sorted(numbers_at(sink, topic)) == sorted(f"0/{n}" for n in range(400))


def test_crash_loses_nothing(tmp_path: Path, broker: str, sink: Sink, topic: str) -> None:
    Kafka(broker).create_topics({topic: 2})
    manifest = write_manifest(tmp_path, topic, sink.base, broker)
    [process] = start_sources(manifest)
    produce(broker, topic, range(1000), partitions=2)
    wait_for_records(sink, topic, 100)
    process.kill()
    produce(broker, topic, range(1000, 1200), partitions=2)

    with running_sources(manifest):
        wait_for_records(sink, topic, 1200)

    assert set(numbers_at(sink, topic)) == {f"{p}/{n}" for p in range(2) for n in range(600)}


def test_abrupt_stop_brings_again_what_was_not_committed_and_loses_nothing(
    tmp_path: Path, broker: str, sink: Sink, topic: str
) -> None:
    kafka = Kafka(broker)
    kafka.create_topics({topic: 1})
    manifest = write_manifest(tmp_path, topic, sink.base, broker)
    with running_sources(manifest, like_knative=True) as [process]:
        produce(broker, topic, range(1))
        eventually(
            lambda: kafka.committed(topic) == {"0": 1}, within_s=ARRIVES_WITHIN_S, what="a commit"
        )
        produce(broker, topic, range(1, 200))
        wait_for_records(sink, topic, 200)
        status = process.terminate()
    committed = kafka.committed(topic)["0"]
    produce(broker, topic, range(200, 300))

    with running_sources(manifest, like_knative=True):
        wait_for_records(sink, topic, 300)

    assert status == ENDED_BY_SIGTERM
    assert committed < 200
    twice = {f"0/{n}": 2 for n in range(committed, 200)}
    assert Counter(numbers_at(sink, topic)) == {f"0/{n}": 1 for n in range(300)} | twice


@pytest.mark.parametrize("ordering", ["ordered", "unordered"])
def test_stop_finishes_what_is_in_flight_and_commits(
    tmp_path: Path,
    broker: str,
    sink: Sink,
    topic: str,
    slow: dict[str, list[dict[str, Any]]],
    ordering: str,
) -> None:
    kafka = Kafka(broker)
    kafka.create_topics({topic: 1})
    slow["0/0"] = [{"status": 500}, OPEN]
    manifest = write_manifest(tmp_path, topic, sink.base, broker, ordering=ordering)

    with running_sources(manifest) as [process]:
        produce(broker, topic, range(1))
        eventually(
            lambda: sink.in_flight[topic] == 1,
            within_s=ARRIVES_WITHIN_S,
            what="one record in flight",
        )
        status = process.terminate()

    assert status == 0
    assert numbers_at(sink, topic) == ["0/0", "0/0"]
    assert kafka.committed(topic) == {"0": 1}


def test_rebalance_shares_partitions_and_loses_nothing(
    tmp_path: Path, broker: str, sink: Sink, topic: str
) -> None:
    Kafka(broker).create_topics({topic: 4})
    manifest = write_manifest(tmp_path, topic, sink.base, broker)

    with running_sources(manifest):
        produce(broker, topic, range(400), partitions=4)
        with running_sources(manifest) as [second]:
            produce(broker, topic, range(400, 800), partitions=4)
            wait_for_records(sink, topic, 800)
            assert second.terminate() == 0
        produce(broker, topic, range(800, 1200), partitions=4)
        wait_for_records(sink, topic, 1200)

    assert set(numbers_at(sink, topic)) == {f"{p}/{n}" for p in range(4) for n in range(300)}


def test_ordered_source_keeps_the_order_of_each_partition(
    tmp_path: Path, broker: str, sink: Sink, topic: str
) -> None:
    Kafka(broker).create_topics({topic: 3})
    manifest = write_manifest(tmp_path, topic, sink.base, broker, ordering="ordered")

    with running_sources(manifest):
        produce(broker, topic, range(900), partitions=3)
        wait_for_records(sink, topic, 900)

    for partition in range(3):
        mine = [record for record in numbers_at(sink, topic) if record.startswith(f"{partition}/")]
        assert mine == [f"{partition}/{n}" for n in range(300)]


def test_sink_that_is_away_gets_everything_when_it_is_back(
    tmp_path: Path, broker: str, topic: str
) -> None:
    Kafka(broker).create_topics({topic: 1})
    port = free_port()
    manifest = write_manifest(tmp_path, topic, f"http://127.0.0.1:{port}", broker)

    with running_sources(manifest) as [process]:
        produce(broker, topic, range(50))
        eventually(
            lambda: "delivery.failed" in process.log.read_text(),
            within_s=20,
            what="a failed delivery",
        )
        with scripted_sink(lambda *_: [], port) as sink:
            wait_for_records(sink, topic, 50)

    assert sorted(numbers_at(sink, topic)) == sorted(f"0/{n}" for n in range(50))


def test_broker_that_was_away_is_found_again(
    tmp_path: Path, open_broker: OpenBroker, sink: Sink, topic: str
) -> None:
    with open_broker() as own:
        Kafka(own.address).create_topics({topic: 1})
        manifest = write_manifest(tmp_path, topic, sink.base, own.address)
        with running_sources(manifest) as [process]:
            produce(own.address, topic, range(10))
            wait_for_records(sink, topic, 10)
            sink.arrivals[topic].clear()

            own.kill()
            own.start()
            if not own.keeps_its_log:
                Kafka(own.address).create_topics({topic: 1})
            produce(own.address, topic, range(10, 30))
            # Of a log that begins anew, the source may take for read what it had read of the old.
            last = range(10, 30) if own.keeps_its_log else range(10, 20)
            new = {f"0/{offset}" for offset in last}
            eventually(
                lambda: new <= set(numbers_at(sink, topic)),
                within_s=ARRIVES_WITHIN_S,
                what=f"{new}",
            )

            assert process.terminate() == 0


def test_group_that_stands_beyond_the_end_of_a_lost_log_starts_again(
    tmp_path: Path, broker: str, sink: Sink, topic: str
) -> None:
    kafka = Kafka(broker)
    kafka.create_topics({topic: 1})
    produce(broker, topic, range(5))
    manifest = write_manifest(tmp_path, topic, sink.base, broker)
    kafka.commit(topic, topic, 50)

    with running_sources(manifest):
        wait_for_records(sink, topic, 5)
        produce(broker, topic, range(5, 8))
        wait_for_records(sink, topic, 8)
        eventually(
            lambda: kafka.committed(topic) == {"0": 8},
            within_s=ARRIVES_WITHIN_S,
            what="the last commit",
        )

    assert sorted(numbers_at(sink, topic)) == sorted(f"0/{n}" for n in range(8))


def test_latest_leaves_out_what_was_there_before(
    tmp_path: Path, broker: str, sink: Sink, topic: str
) -> None:
    kafka = Kafka(broker)
    kafka.create_topics({topic: 1})
    producer = kafka.producer()
    for number in range(20):  # each a batch of its own
        producer.produce(topic, value=b"%d" % number, partition=0)
        assert producer.flush(20) == 0
    manifest = write_manifest(tmp_path, topic, sink.base, broker, initialOffset="latest")

    with running_sources(manifest):
        produce(broker, topic, range(20, 25))
        eventually(
            lambda: kafka.committed(topic) == {"0": 25},
            within_s=ARRIVES_WITHIN_S,
            what="the last commit",
        )

    assert sorted(numbers_at(sink, topic)) == sorted(f"0/{n}" for n in range(20, 25))


@pytest.mark.parametrize("initial_offset", ["earliest", "latest"])
def test_topic_that_is_missing_is_waited_for(
    tmp_path: Path, broker: str, sink: Sink, topic: str, initial_offset: str
) -> None:
    spec = {"initialOffset": initial_offset}
    [process] = start_sources(write_manifest(tmp_path, topic, sink.base, broker, **spec))
    try:
        Kafka(broker).create_topics({topic: 1})
        eventually(lambda: process.ready, within_s=REBALANCED_WITHIN_S, what="ready")
        produce(broker, topic, range(5))
        wait_for_records(sink, topic, 5)
    finally:
        assert process.terminate() == 0


def test_header_without_value_loses_the_plain_records_of_its_poll_loudly(
    tmp_path: Path, broker: str, sink: Sink, topic: str
) -> None:
    kafka = Kafka(broker)
    kafka.create_topics({topic: 1})
    manifest = write_manifest(tmp_path, topic, sink.base, broker)

    with running_sources(manifest) as [process]:
        producer = kafka.producer()
        producer.produce(topic, value=b"1", partition=0, headers=[("empty", None)])
        assert producer.flush(20) == 0
        eventually(
            lambda: kafka.committed(topic) == {"0": 1}, within_s=ARRIVES_WITHIN_S, what="the commit"
        )

    assert numbers_at(sink, topic) == []
    assert '"event":"event.lost"' in process.log.read_text()


def test_paused_source_is_ready_and_consumes_nothing(
    tmp_path: Path, broker: str, sink: Sink, topic: str
) -> None:
    kafka = Kafka(broker)
    kafka.create_topics({topic: 1})
    produce(broker, topic, range(3))

    with running_sources(write_manifest(tmp_path, topic, sink.base, broker, consumers=0)) as [
        paused
    ]:
        paused.process.send_signal(signal.SIGTERM)
        assert paused.process.wait(10) == 0

    assert (numbers_at(sink, topic), kafka.committed(topic)) == ([], {})
