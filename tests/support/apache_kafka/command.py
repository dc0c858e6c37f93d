"""How Apache Kafka is run: jars from Maven Central, one process that is broker and controller."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from knative_local.ports import free_port

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
CLASSPATH_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"
RESOLVED_WITHIN_S = 600.0  # some 120 MB where the local repository is empty
FORMATTED_WITHIN_S = 60.0
# A small heap; and what spares time at the start of a process that lives for minutes.
JVM = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
LOGGING = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"


def lay_out(folder: Path, port: int, advertised: int, security: str = "") -> Path:
    """Lay an empty log into the folder for a broker on this port; return its settings file.

    `security` are settings for callers by SASL and TLS alone.
    """
    ports = {"port": port, "advertised": advertised, "controller": free_port()}
    shutil.copytree(_empty_log(), folder / "data")
    protocol = "SASL_SSL" if security else "PLAINTEXT"
    told = {"data": folder / "data", "protocol": protocol, **ports}
    settings = _write_settings(folder / "server.properties", **told)
    settings.write_text(settings.read_text() + security)
    return settings


def server_command(settings: Path) -> list[str]:
    """Return the command of a broker with these settings."""
    return [*_java(), "kafka.Kafka", str(settings)]


def _java() -> list[str]:
    return ["java", *JVM, LOGGING, "-cp", _classpath()]


def _write_settings(settings: Path, **values: object) -> Path:
    settings.write_text((HERE / "server.properties").read_text().format(**values))
    return settings


@cache
def _classpath() -> str:
    # Kept until the pom changes: Maven takes seconds to tell it again.
    known = _kept("classpath")
    with _alone():
        if not known.exists() or not all(Path(jar).exists() for jar in _jars(known)):
            resolve = ["mvn", "--quiet", "--batch-mode", "--file", str(POM)]
            output = f"-Dmdep.outputFile={known}"
            _run([*resolve, CLASSPATH_GOAL, output], within_s=RESOLVED_WITHIN_S)
    return known.read_text()


def _jars(known: Path) -> list[str]:
    return known.read_text().split(":")


@cache
def _empty_log() -> Path:
    # Kept as well, and copied: no port is in it, and to format one takes a second of a JVM.
    known, made, java = _kept("empty-log"), _kept("made"), _java()
    with _alone():
        if not known.exists():
            shutil.rmtree(made, ignore_errors=True)  # of one that was interrupted
            told = {"port": 1, "advertised": 1, "controller": 2, "protocol": "PLAINTEXT"}
            settings = _write_settings(_kept("format"), data=made, **told)
            cluster = ["--cluster-id", str(uuid.uuid4()), "--config", str(settings)]
            storage = [*java, "kafka.tools.StorageTool", "format"]
            _run([*storage, *cluster], within_s=FORMATTED_WITHIN_S)
            made.rename(known)
    return known


@contextmanager
def _alone() -> Iterator[None]:
    # Tests run in several processes, and Maven's repository is not made for that.
    with _kept("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _kept(what: str) -> Path:
    # In the virtual environment, by the pom that it was made with.
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    folder = Path(sys.prefix, "apache-kafka")
    folder.mkdir(exist_ok=True)
    return folder / f"{digest}-{what}"


def _run(command: list[str], *, within_s: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
