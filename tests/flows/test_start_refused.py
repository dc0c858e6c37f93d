"""A function that is not told whose tokens to take does not start, and says why in one line."""

import os
import subprocess
from pathlib import Path

import pytest

from knative_local.ports import LOOPBACK, free_port
from knative_local.supervisor.spec import program

ROOT = Path(__file__).parents[2]
NOT_STARTED_WITHIN_S = 30.0
ELSEWHERE = {"ORDERFLOW_AUTH": "off", "ORDERFLOW_EVENTS_AUTH": "off", "HOST": "0.0.0.0"}


@pytest.mark.parametrize("name", ["create_order", "process_order"])
@pytest.mark.parametrize(
    ("told", "reason"),
    [({"HOST": LOOPBACK}, "whose tokens count? set"), (ELSEWHERE, "is only for HOST=127.0.0.1")],
    ids=["nothing", "off for everyone"],
)
def test_it_ends_with_one_line(name: str, told: dict[str, str], reason: str) -> None:
    servers = {"DATABASE_URL": "postgresql://u@127.0.0.1:9/d", "KAFKA_BOOTSTRAP_SERVERS": "x:1"}
    kept = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    argv = [program("functions-framework"), "--asgi", "--target", name]
    argv += ["--source", str(ROOT / "functions" / name / "main.py")]

    ended = subprocess.run(
        argv,
        env={**kept, **servers, **told, "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=NOT_STARTED_WITHIN_S,
        check=False,
    )

    lines = [line for line in ended.stderr.splitlines() if not line.startswith("[")]
    assert ended.returncode == 3
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}: ")
    assert reason in lines[0]
