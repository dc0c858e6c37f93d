"""The overview in a terminal: what is drawn, and what is said when there is no answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from rich.console import Console

from orderflow.contract.examples import EXAMPLES
from orderflow.errors import ConfigurationError
from orderflow_cli.commands import top
from orderflow_cli.commands.top import top_command
from orderflow_cli.top.source import Gateway, NoAnswer
from orderflow_cli.top.sparkline import sparkline
from orderflow_cli.top.view import page

QUIET: dict[str, Any] = EXAMPLES["get_overview"].answer
BUSY = QUIET | {
    "orders": QUIET["orders"] | {"pending": 12_345},
    "oldest_pending": {"order_id": "x[bold]\x1b[2J", "placed_at": QUIET["at"], "age_s": 7_200.0},
    "outbox": {"waiting": 3, "oldest_s": 61.0},
    "consumer_lag": None,
    "attention": {"orders": 2, "inventory_changes": 0, "refused_changes": 1},
    "dead_letters": {"kept": 10_000, "redriving": 4},
    "short_items": {
        "count": 20,
        "items": [
            {"item": f"item {n}", "available": 0, "orders": 20 - n, "units": 1_000 - n}
            for n in range(20)
        ],
    },
    "low_items": {"count": 1, "items": [{"item": "Lamp", "available": 1, "threshold": 5}]},
    "last_sweep": {"at": QUIET["at"], "age_s": 90_000.0},
    "last_audit": QUIET["last_audit"] | {"passed": False, "differences": 3},
}


def drawn(told: dict[str, Any], fault: str | None = None) -> str:
    console = Console(width=120, emoji=False)
    with console.capture() as captured:
        console.print(page(told, "http://127.0.0.1:8080", fault))
    return captured.get()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0, 0], "▁▁"),
        ([0, 1], "▁█"),
        ([1, 1_000], "▂█"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
    ],
)
def test_a_sparkline_is_as_high_as_the_highest(values: list[int], line: str) -> None:
    assert sparkline(values) == line


def test_a_quiet_stack_needs_nobody() -> None:
    shown = drawn(QUIET)

    assert "needs a person         nothing" in shown
    assert "50 / 50 / 50 ms (p50 / p95 / p99 of 1 in 5 minutes)" in shown
    assert "0/min, 1 in the last hour" in shown  # the minute that has only begun is no rate yet
    assert "0 on orders of orderflow-process-order" in shown
    assert "all of it held" in shown
    assert "items" not in shown


def test_what_is_wrong_is_on_the_page() -> None:
    shown = drawn(BUSY, "no answer since then")

    for said in (
        "no answer since then",
        "12,345",
        "2.0 h, order x[bold]",
        "3, the oldest for 1.0 min",
        "Kafka does not answer",
        "2 orders, 1 refused changes, 10,000 dead letters",
        "4 dead letters",
        "1.0 d ago",
        "3 differences",
        "short items: 20, the first 8",
        "low items: 1",
    ):
        assert said in shown, shown
    assert "item 7" in shown
    assert "item 8" not in shown
    assert "\x1b" not in shown


def test_a_stack_that_has_just_begun_has_a_page() -> None:
    told = QUIET | {"allocation_ms": None, "last_sweep": None, "last_audit": None}

    assert "never" in drawn(told)


@contextmanager
def answering(*answers: tuple[int, bytes]) -> Iterator[tuple[str, list[str | None]]]:
    """A server that gives these answers, the last for ever; its URL, and the tokens it is shown."""
    shown: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[min(len(shown), len(answers) - 1)]
            shown.append(self.headers["Authorization"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 (the library's)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", shown
        server.shutdown()


OK = (200, orjson.dumps(QUIET))


def test_it_shows_its_token_and_prints_one_page(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(OK) as (url, shown):
        top_command(Gateway(url + "/", "secret"), once=True)

    printed = capsys.readouterr().out
    assert shown == ["Bearer secret"]
    assert "needs a person" in printed
    assert "secret" not in printed


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_will_not_do_is_said_at_once(status: int) -> None:
    problem = orjson.dumps({"detail": "this needs the scope operations"})
    with (
        answering((status, problem)) as (url, _),
        pytest.raises(ConfigurationError, match="set ORDERFLOW_TOKEN"),
    ):
        top_command(Gateway(url))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((503, b'{"detail": "the database is away"}'), "answered 503: the database is away"),
        ((200, b"<html>"), "no JSON: is OrderFlow there"),
        ((404, b"[]"), "no JSON: is OrderFlow there"),
    ],
)
def test_no_figures_have_a_reason(answer: tuple[int, bytes], says: str) -> None:
    with answering(answer) as (url, _), pytest.raises(NoAnswer, match=says):
        Gateway(url).overview()


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match="does not answer"):
        top_command(Gateway("http://127.0.0.1:9"))


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://", "http://h:port"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no URL of a gateway"):
        Gateway(url)


def test_while_there_is_no_answer_the_last_page_stays_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = Console(force_terminal=True, width=120, height=50, emoji=False)
    monkeypatch.setattr(top, "Console", lambda **_: console)
    rounds = iter([None, None, None])

    def pass_time(seconds: float) -> None:
        if next(rounds, KeyboardInterrupt) is KeyboardInterrupt:
            raise KeyboardInterrupt  # as Ctrl-C does

    monkeypatch.setattr(top, "sleep", pass_time)
    away = (503, b'{"detail": "the database is away"}')
    with console.capture() as captured, answering(OK, away, away, OK) as (url, shown):
        top_command(Gateway(url))

    pages = captured.get()
    assert len(shown) == 4
    assert pages.count("the database is away") == 2
    assert pages.count("needs a person") == 4
