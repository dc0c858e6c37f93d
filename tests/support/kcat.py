"""Records put on a topic by kcat, as an operator does it: nothing of ours makes or checks them."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import confluent_kafka
import pytest

WITHIN_S = 30
# More than Kafka's default of a million, so that the broker decides what is too large.
SETTINGS = ["-X", "message.max.bytes=10000000", "-X", "log_level=2"]
DELIMITER = b":"  # between key and value, where they come on standard input


@dataclass(frozen=True)
class Put:
    """A record to put: `value` None is a tombstone, a header None one without a value."""

    value: bytes | None
    key: bytes | None = None
    headers: dict[str, bytes | None] = field(default_factory=dict)


def put(servers: str, topic: str, record: Put, *, partition: int = 0) -> None:
    """Put one record on a partition of a topic and wait until the broker has it."""
    place = ["-b", servers, "-t", topic, "-p", str(partition)]
    command: list[str | bytes] = ["kcat", "-P", *place, *SETTINGS]
    for name, value in record.headers.items():
        command += ["-H", name.encode() + (b"" if value is None else b"=" + value)]
    with TemporaryDirectory() as folder:
        if record.value:
            (file := Path(folder, "value")).write_bytes(record.value)
            command += ["-k", record.key] if record.key else []
            command.append(str(file))
            given = b""
        else:  # kcat takes a file that is empty for no record at all
            command += ["-K", DELIMITER]
            command += ["-Z"] if record.value is None else []
            given = (record.key or b"") + DELIMITER + b"\n"
        environment = os.environ | {"LD_LIBRARY_PATH": str(_library(Path(folder)))}
        done = subprocess.run(
            command,
            input=given,
            env=environment,
            capture_output=True,
            timeout=WITHIN_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr


@cache
def require_kcat() -> None:
    """Skip the test where kcat is missing; where CI is set, fail it."""
    if shutil.which("kcat") is None:
        missing = "kcat is missing; install it with: apt-get install kcat"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)


def _library(folder: Path) -> Path:
    # The librdkafka of Debian 12 (2.0.2) misreads the embedded broker's list of API versions, so
    # kcat is given the one that comes with confluent-kafka, if that is found.
    bundled = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    for library in bundled.glob("librdkafka-*.so.1"):
        (folder / "librdkafka.so.1").symlink_to(library)
    return folder
