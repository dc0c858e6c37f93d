"""Real Apache Kafka, for the one thing the embedded broker cannot do: hide aborted records."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

import pytest

from knative_local.broker import answers_metadata, servers
from knative_local.foreground import running
from knative_local.ports import free_port

DOWNLOAD_WITHIN_S = 600  # some 120 MB from Maven Central where the local repository is empty
CLASSPATH_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
"""


@contextmanager
def apache_kafka(folder: Path) -> Iterator[str]:
    """Serve an empty broker on a free port; yields its bootstrap servers."""
    port = free_port()
    settings = folder / "server.properties"
    settings.write_text(
        PROPERTIES.format(port=port, controller=free_port(), folder=folder), encoding="utf-8"
    )
    java = [_tool("java"), "-Xmx512m", "-cp", _classpath(folder)]
    cluster = ["-t", str(uuid.uuid4()), "-c", str(settings)]
    _run([*java, "kafka.tools.StorageTool", "format", *cluster], within_s=60)
    with running(
        [*java, "kafka.Kafka", str(settings)],
        lambda: answers_metadata(port),
        log_path=folder / "kafka.log",
        stop_signals=(SIGTERM,),
    ):
        yield servers(port)


def _classpath(folder: Path) -> str:
    output, pom = folder / "classpath", Path(__file__).with_name("pom.xml")
    command = [_tool("mvn"), "-q", "-B", "-f", str(pom), CLASSPATH_GOAL]
    _run([*command, f"-Dmdep.outputFile={output}"], within_s=DOWNLOAD_WITHIN_S)
    return output.read_text(encoding="utf-8").strip()


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: Apache Kafka needs a JDK 17 and Maven")
    return found


def _run(command: list[str], *, within_s: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
