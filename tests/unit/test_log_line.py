"""One printed line, for people and for machines, and the cause of a failed start."""

import json

import pytest

from knative_local.supervisor.output import cause_of, for_machines, for_people

CALL = {
    "time": "2026-11-26T15:00:00Z",
    "level": "info",
    "event": "answered",
    "function": "create_order",
    "method": "POST",
    "path": "/order",
    "status": 201,
    "duration_ms": 3.14,
    "trace_id": "0af7",
    "order_id": "12345",
}
FAILED = """Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/functions_framework/_cli.py", line 45, in _cli
    app = create_asgi_app(target, source, signature_type)
  File "<frozen importlib._bootstrap>", line 241, in _call_with_frames_removed
  File "/home/ada/hello/main.py", line 2, in <module>
    import nope
ModuleNotFoundError: No module named 'nope'
[2026-11-26 15:00:00 +0000] [7] [INFO] Worker exiting (pid: 7)
"""


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (json.dumps(CALL), "create-order | POST /order 201 3.1 ms order_id=12345\n"),
        (
            '{"level": "error", "event": "event.lost", "reason": "no sink"}',
            "create-order | ERROR event.lost reason=no sink\n",
        ),
        ("Ada was here", "create-order | Ada was here\n"),
        ("[1, 2]", "create-order | [1, 2]\n"),
        ("{broken", "create-order | {broken\n"),
        ("[2026-11-26 15:00:00 +0000] [7] [INFO] Booting worker with pid: 7", ""),
        ("INFO:     Application startup complete.", ""),
    ],
)
def test_people_get_a_short_line(line: str, shown: str) -> None:
    assert for_people("create-order", line) == shown


def test_people_see_every_line_of_an_exception_as_its_components() -> None:
    line = json.dumps({"level": "error", "event": "fault", "exception": "Traceback\nKeyError: 1"})

    shown = "hello | ERROR fault\nhello | Traceback\nhello | KeyError: 1\n"
    assert for_people("hello", line) == shown


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"event": "a"}', {"component": "hello", "event": "a"}),
        ("plain", {"component": "hello", "line": "plain"}),
    ],
)
def test_machines_get_an_object(line: str, found: dict[str, str]) -> None:
    assert json.loads(for_machines("hello", line)) == found


def test_cause_is_the_exception_at_the_users_own_line() -> None:
    assert (
        cause_of(FAILED)
        == "ModuleNotFoundError: No module named 'nope' (/home/ada/hello/main.py:2)"
    )


def test_cause_without_an_exception_is_the_last_line() -> None:
    assert cause_of("starting\nError: Got unexpected extra argument\n\n") == (
        "Error: Got unexpected extra argument"
    )
    assert cause_of("") == ""
