"""`knative-local gateway` and `sources`: the ways in, where something else runs the Services."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

import httpx
import pytest

from knative_local.ports import free_port
from orderflow_cli.topics import create_topics
from tests.support.kafka_topics import Record, produce
from tests.support.local_runtime import INFRA, ROUTE, runtime, service
from tests.support.shop import reference
from tests.support.waiting import DEADLINE_S, eventually

SOURCE = """
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {{name: greetings}}
spec:
  bootstrapServers: [kafka.kafka.svc.cluster.local:9092]
  topics: [{topic}]
  initialOffset: earliest
  sink: {{ref: {{apiVersion: serving.knative.dev/v1, kind: Service, name: echo}}}}
"""
PING = """
apiVersion: sources.knative.dev/v1
kind: PingSource
metadata: {name: tick}
spec:
  schedule: "* * * * * *"
  data: "{}"
  sink: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: echo}}
"""


@contextmanager
def elsewhere(
    command: str, manifests: str, services: str, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `gateway` or `sources` during the block; it has to end well when it is asked to."""
    arguments = [command, manifests, "--services", services, *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "knative_local", *arguments],
        env=os.environ | {"PYTHONPATH": str(INFRA)},
    )
    try:
        yield process
    finally:
        process.terminate()
        # uvicorn gives itself the signal again when it is done.
        assert process.wait(DEADLINE_S) in (0, -SIGTERM)


def write(tmp_path: Path, *documents: str) -> str:
    path = tmp_path / "elsewhere.yaml"
    path.write_text("---\n".join(documents))
    return str(path)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 404
    except httpx.TransportError:
        return False


def test_a_route_leads_to_a_service_that_runs_elsewhere(tmp_path: Path) -> None:
    manifests = write(tmp_path, service(), ROUTE.format(name="echo"))
    port = str(free_port())
    with runtime(tmp_path) as running:
        services = f"http://127.0.0.1:{running.component()['port']}/{{name}}"
        with elsewhere("gateway", manifests, services, "--port", port):
            eventually(lambda: answers(f"http://127.0.0.1:{port}/"))
            answer = httpx.post(f"http://127.0.0.1:{port}/order", content="hello")

    assert (answer.status_code, answer.text) == (200, "hello")


def test_all_sources_call_services_that_run_elsewhere(tmp_path: Path, broker: str) -> None:
    topic = f"greetings-{reference()}"
    manifests = write(tmp_path, service(), SOURCE.format(topic=topic), PING)
    create_topics(broker, [topic])
    produce(broker, Record(topic, b"1", b'{"hello": "Kafka"}', ()))
    with runtime(tmp_path) as running:
        services = f"http://127.0.0.1:{running.component()['port']}/{{name}}"
        with elsewhere("sources", manifests, services, "--kafka", broker):
            eventually(lambda: "echoed 18 bytes\n" in running.output.read_text())
            eventually(lambda: "echoed 2 bytes\n" in running.output.read_text())


@pytest.mark.parametrize("command", ["gateway", "sources"])
def test_one_place_for_all_services_is_refused(command: str, tmp_path: Path) -> None:
    manifests = write(tmp_path, service(), ROUTE.format(name="echo"), PING)
    arguments = [command, manifests, "--services", "http://127.0.0.1:1"]

    done = subprocess.run(
        [sys.executable, "-m", "knative_local", *arguments],
        env=os.environ | {"PYTHONPATH": str(INFRA)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert done.returncode == 2
    assert "leads to one place: put {name} into it" in done.stderr
