"""KafkaSource processes, alone or under the whole runtime, for the length of a test."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import knative_local
from knative_local.child import source_command
from knative_local.delivery.sink import TOKEN_VARIABLE
from knative_local.manifests.loader import load_manifests
from knative_local.supervisor.state_file import read_state
from tests.support.waiting import eventually

READY_WITHIN_S = 60.0  # thirty-odd processes that start at once on a small machine
STOP_WITHIN_S = 40.0  # the dispatcher's own bound is 30 s


class SourceProcess:
    """One `python -m knative_local.kafka_source`."""

    def __init__(self, command: list[str], log: Path, token: str = "") -> None:
        self.log = log
        self.process = _start(command, log, {TOKEN_VARIABLE: token})

    @property
    def ready(self) -> bool:
        """Whether it has its partitions."""
        assert self.process.poll() is None, self.log.read_text()
        return "source.ready" in self.log.read_text()

    def terminate(self) -> int:
        """Stop it as Kubernetes does; returns the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(STOP_WITHIN_S)

    def kill(self) -> None:
        """End it without a chance to commit."""
        self.process.kill()
        self.process.wait()


def start_sources(
    manifest: Path,
    kafka: str | None = None,
    resolve: Mapping[str, str] | None = None,
    token: str = "",
    *,
    like_knative: bool = False,
    metrics_port: int | None = None,
) -> list[SourceProcess]:
    """One process for each KafkaSource of a manifest file."""
    found = load_manifests([manifest]).kafka_sources
    return [
        SourceProcess(
            source_command(
                [manifest],
                source,
                kafka,
                resolve or {},
                like_knative=like_knative,
                metrics_port=metrics_port,
            ),
            _log(manifest, source.name),
            token,
        )
        for source in found
    ]


def _start(
    command: list[str], log: Path, told: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    path = str(Path(knative_local.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": path, **(told or {})}
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env=environment)


@contextmanager
def running_runtime(manifest: Path) -> Iterator[None]:
    """`python -m knative_local run` with a manifest file, every component of it ready."""
    data, log = manifest.parent / "data", manifest.with_name("runtime.log")
    command = [sys.executable, "-m", "knative_local", "run", str(manifest), "--data", str(data)]
    process = _start(command, log)

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        states = [component["state"] for component in read_state(data)["components"]]
        return bool(states) and set(states) == {"ready"}

    try:
        eventually(ready, within_s=READY_WITHIN_S, what=f"{manifest} ready")
        yield
    finally:
        process.terminate()
        process.wait(STOP_WITHIN_S)


def _log(manifest: Path, name: str) -> Path:
    taken = len(list(manifest.parent.glob(f"{name}.*.log")))
    return manifest.with_name(f"{name}.{taken}.log")


@contextmanager
def running_sources(
    manifest: Path,
    kafka: str | None = None,
    resolve: Mapping[str, str] | None = None,
    token: str = "",
    *,
    like_knative: bool = False,
) -> Iterator[list[SourceProcess]]:
    """The processes of a manifest file, ready to deliver."""
    processes = start_sources(manifest, kafka, resolve, token, like_knative=like_knative)
    try:
        eventually(
            lambda: all(p.ready for p in processes),
            within_s=READY_WITHIN_S,
            what=f"{manifest} ready",
        )
        yield processes
    finally:
        for process in processes:
            if process.process.poll() is None:
                process.process.terminate()
        for process in processes:
            process.terminate()
