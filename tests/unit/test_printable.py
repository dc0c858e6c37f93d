"""What is shown of text from outside moves nothing on a terminal and begins no line."""

import io
import json
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from knative_local import json_log, printable
from knative_local.supervisor.output import for_machines, for_people
from orderflow import logs, text
from orderflow.audit.checks import Audit, Finding
from orderflow_cli.audit.repair import Repair
from orderflow_cli.audit.tables import show_audit, show_repair
from orderflow_cli.commands.dead_letter_tables import show_letters, show_redrives
from orderflow_cli.commands.explain import describe
from orderflow_cli.output import say, say_json

NASTY = "\x00\x07\b\t\n\r\x1b\x7f\x80\x85\x9b\u061c\u200e\u200f\u2028\u2029\u202e\u2066\u2069"
FORGED = "\x1b[2J\nforged | all is well\r\u202ereversed\u2028\x9b31m"
texts = st.text(st.sampled_from(NASTY) | st.characters(), max_size=40)
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_safe(line: str) -> bool:
    """Whether it holds no control, separator or change of direction, by Unicode's own data."""
    return not any(
        unicodedata.category(character) in {"Cc", "Zl", "Zp", "Cs"}
        or unicodedata.bidirectional(character) in BIDI
        or character in "\u061c\u200e\u200f"
        for character in line
    )


def printed(show: object, *arguments: object) -> list[str]:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        assert callable(show)
        show(*arguments)
    assert out.getvalue().endswith("\n")
    return out.getvalue()[:-1].split("\n")


@given(texts)
def test_both_functions_make_one_safe_line_and_leave_the_rest(given_text: str) -> None:
    shown = text.printable(given_text)

    assert shown == printable.printable(given_text)
    assert is_safe(shown)
    assert not is_safe(given_text) or shown == given_text


@given(texts)
def test_a_line_that_a_component_printed_is_one_safe_line(given_text: str) -> None:
    # Lines are told apart by it, and what was no UTF-8 is replaced before.
    line = given_text.replace("\n", "").encode(errors="replace").decode()

    for shown in (for_people("echo", line), for_machines("echo", line)):
        assert shown == "" or (shown.endswith("\n") and is_safe(shown[:-1]))


@given(texts, texts)
def test_the_fields_of_a_log_line_are_safe(name: str, value: str) -> None:
    try:
        line = json.dumps({"event": value, name: value, "exception": f"Error\n{value}"})
    except UnicodeEncodeError:
        return
    for shown in (for_people("echo", line), for_machines("echo", line)):
        for part in shown.removesuffix("\n").split("\n"):
            assert is_safe(part)
            assert part.startswith(("echo | ", "{"))


@given(texts)
def test_a_log_line_of_the_library_is_safe_and_tells_the_same(value: str) -> None:
    line = logs._dumps({"event": value}).decode()

    assert is_safe(line)
    assert json.loads(line) == {"event": value}


def test_a_log_line_of_the_runtime_is_safe(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    json_log.log("error", FORGED, path=FORGED)

    (line,) = capfdbinary.readouterr().err.decode().removesuffix("\n").split("\n")
    assert is_safe(line)
    assert json.loads(line)["path"] == FORGED


@given(texts)
def test_sentences_and_json_of_commands_are_safe(value: str) -> None:
    (line,) = printed(say, value)
    assert is_safe(line)
    value = value.encode(errors="replace").decode()
    lines = printed(say_json, {"of": value})
    assert all(map(is_safe, lines))
    assert json.loads("\n".join(lines)) == {"of": value}


LETTER = {
    "id": 1,
    "last_failed_at": "2026-01-01T00:00:00+00:00",
    "failures": 1,
    "type": FORGED,
    "order_id": FORGED,
    "item": FORGED,
    "consumer": FORGED,
    "error": FORGED,
    "detail": FORGED,
}
REDRIVE = {
    "id": 1,
    "at": "2026-01-01T00:00:00+00:00",
    "by": FORGED,
    "action": "redrive",
    "selection": {"error": FORGED},
    **dict.fromkeys(["matched", "sent", "waiting", "given_up", "came_back"], 1),
}


def test_tables_of_dead_letters_are_safe() -> None:
    for lines in (printed(show_letters, [LETTER]), printed(show_redrives, [REDRIVE])):
        assert all(map(is_safe, lines))
        assert not any(line.startswith("forged") for line in lines)


def test_an_audit_and_its_repairs_are_safe() -> None:
    rows = [{"item": FORGED, "found": 1}]
    finding = Finding("ledger", "stock equals its ledger", 1, 1, rows, remedy="look")
    out = io.StringIO()
    console = Console(file=out, width=200)

    show_audit(console, Audit([finding], 1.0))
    show_repair(console, Repair("offer", FORGED, {"item": FORGED}))

    assert "forged" in out.getvalue()
    assert all(map(is_safe, out.getvalue().split("\n")))


def test_an_explanation_is_safe() -> None:
    at = "2026-01-01T00:00:00+00:00"
    history = [{"sequence": 1, "status": "pending", "at": at, "cause": FORGED}]
    lines = [{"item": FORGED, "quantity": 1}]
    order = {
        "order_id": FORGED,
        "status": "pending",
        "placed_at": at,
        "lines": lines,
        "history": history,
    }

    for line in describe(order, None, datetime.now(UTC)):
        assert all(map(is_safe, printed(say, line)))
