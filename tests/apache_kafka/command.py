"""How Apache Kafka is run: jars from Maven Central, one process that is broker and controller."""

import hashlib
import os
import subprocess
import sys
import uuid
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


def format_storage(folder: Path, port: int, advertised: int) -> Path:
    """Lay an empty log into the folder for a broker on this port; return its settings file."""
    settings, data = folder / "server.properties", folder / "data"
    template = (HERE / "server.properties").read_text()
    ports = {"port": port, "advertised": advertised, "controller": free_port()}
    settings.write_text(template.format(**ports, data=data))
    cluster = ["--cluster-id", str(uuid.uuid4()), "--config", str(settings)]
    _run([*_java(), "kafka.tools.StorageTool", "format", *cluster], within_s=FORMATTED_WITHIN_S)
    return settings


def server_command(settings: Path) -> list[str]:
    """Return the command of a broker with these settings."""
    return [*_java(), "kafka.Kafka", str(settings)]


def _java() -> list[str]:
    return ["java", *JVM, LOGGING, "-cp", _classpath()]


@cache
def _classpath() -> str:
    # Kept in the virtual environment until the pom changes: Maven takes seconds to tell it again.
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    known = Path(sys.prefix, "apache-kafka", digest)
    if known.exists() and all(Path(jar).exists() for jar in known.read_text().split(":")):
        return known.read_text()
    known.parent.mkdir(exist_ok=True)
    resolve = ["mvn", "--quiet", "--batch-mode", "--file", str(POM)]
    told = known.with_suffix(f".{os.getpid()}")
    _run([*resolve, CLASSPATH_GOAL, f"-Dmdep.outputFile={told}"], within_s=RESOLVED_WITHIN_S)
    told.rename(known)
    return known.read_text()


def _run(command: list[str], *, within_s: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
