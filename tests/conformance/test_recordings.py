"""What Knative's own dispatcher did, done again by ours: see README.md for what "same" means."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conformance.recording import Case, cases
from tests.support.brokers import Broker
from tests.support.kafka_client import Kafka
from tests.support.kafka_sources import running_runtime
from tests.support.scripted_sink import Arrival, Sink, scripted_sink
from tests.support.waiting import eventually

CASES = {case.name: case for case in cases()}
ABORTED = "aborted-transaction"
DONE_WITHIN_S = 60.0
QUIET_S = 1.0  # after everything arrived, for a request too many to show itself
CLOCK_SLACK_S = 0.01  # timers and two processes' clocks
LATE_S = 3.0  # by which a wait may be longer on a busy machine


@dataclass
class Replay:
    """What the runtime did with some cases."""

    sink: Sink
    commits: dict[str, list[dict[str, int]]] = field(default_factory=dict)


@contextmanager
def replayed(names: list[str], servers: str, folder: Path) -> Iterator[Replay]:
    chosen = [CASES[name] for name in names]
    kafka = Kafka(servers)
    kafka.create_topics({case.topic: case.partitions for case in chosen})
    with scripted_sink(lambda name, to, record: CASES[name].steps(to, record)) as sink:
        manifest = folder / "sources.yaml"
        documents = [case.manifest(sink.base, servers) for case in chosen]
        manifest.write_text("---\n".join(documents), encoding="utf-8")
        replay = Replay(sink, {case.name: [] for case in chosen})
        with running_runtime(manifest):
            for case in chosen:
                kafka.produce(case)
            eventually(
                lambda: _settled(replay, kafka, chosen),
                within_s=DONE_WITHIN_S,
                what="final offsets",
            )
            time.sleep(QUIET_S)
            yield replay


def _settled(replay: Replay, kafka: Kafka, chosen: list[Case]) -> bool:
    for case in chosen:
        seen = replay.commits[case.name]
        if not seen or seen[-1] != case.final_offsets:
            offsets = kafka.committed(case.topic)
            if offsets and (not seen or seen[-1] != offsets):
                seen.append(offsets)
    return all(replay.commits[case.name][-1:] == [case.final_offsets] for case in chosen)


@pytest.fixture(scope="module")
def replay(
    broker_kind: type[Broker], broker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replay]:
    names = [name for name in CASES if broker_kind.hides_aborted or name != ABORTED]
    with replayed(names, broker, tmp_path_factory.mktemp("replay")) as done:
        yield done


@pytest.mark.parametrize("name", CASES)
def test_recording(name: str, replay: Replay) -> None:
    if name not in replay.commits:
        pytest.skip("this broker shows readers the records of an aborted transaction")
    case, arrived = CASES[name], replay.sink.by_record(name)

    sent = {record: [a.sent for a in arrivals] for record, arrivals in arrived.items()}

    assert sent == case.sent(replay.sink.base)
    assert replay.commits[name][-1] == case.final_offsets
    for arrivals in arrived.values():
        check_waits(case, arrivals)
    check_flow(case, replay)


def check_waits(case: Case, arrivals: list[Arrival]) -> None:
    """Waits follow the policy: never shorter, and longer only by a machine's noise."""
    for to in ("sink", "dlq"):
        attempts = [arrival for arrival in arrivals if arrival.to == to]
        for retry, (first, second) in enumerate(pairwise(attempts), 1):
            waited = second.at_s - first.at_s
            expected = wait_s(case, retry) + open_s(case, first, retry)
            assert expected - CLOCK_SLACK_S <= waited <= expected + LATE_S


def wait_s(case: Case, retry: int) -> float:
    factor = 2**retry if case.source["backoffPolicy"] == "exponential" else retry
    return float(case.source["backoffDelay_ms"] * factor / 1000)


def open_s(case: Case, arrival: Arrival, attempt: int) -> float:
    """How long an attempt stays open: until its answer or its timeout."""
    step = case.steps(arrival.to, arrival.record)[attempt - 1]
    return float(min(step.get("delay_ms", 0), case.timeout_ms) / 1000)


def check_flow(case: Case, replay: Replay) -> None:
    """Order within partitions, records in flight, and where commits stop on the way."""
    if case.source["ordering"] == "ordered":
        check_order(case, replay.sink.arrivals[case.name])
    else:
        assert replay.sink.max_in_flight[case.name] <= 99
    if case.name == "unordered-in-flight":
        assert replay.sink.max_in_flight[case.name] >= 50
    if case.name == "unordered-commit":
        assert replay.commits[case.name] == [{"0": 5}, {"0": 30}]


def check_order(case: Case, arrivals: list[Arrival]) -> None:
    """Nothing of a partition comes before what was earlier is finished."""
    last: dict[str, tuple[int, float]] = {}
    for arrival in arrivals:
        partition, offset = arrival.record.split("/")
        before_offset, before_answered_s = last.get(partition, (-1, 0.0))
        assert int(offset) >= before_offset
        assert arrival.at_s >= before_answered_s
        # A request that was given up is answered later, when nobody listens any more.
        given_up = case.name == "timeout" and arrival.record == "0/0"
        answered_s = arrival.answered_s or arrival.at_s
        last[partition] = (int(offset), arrival.at_s if given_up else answered_s)
