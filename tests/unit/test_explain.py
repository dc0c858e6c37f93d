"""An order and why it waits, as text."""

from datetime import UTC, datetime
from typing import Any

import pytest

from orderflow.orders.diagnosis.explanation import explain
from orderflow.orders.diagnosis.facts import Attempts, Facts, Letter, Queue, Unsent
from orderflow_cli.commands.explain import describe, duration

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
ORDER = {
    "order_id": "12345",
    "status": "backordered",
    "placed_at": "2026-03-01T11:00:00.5+00:00",
    "lines": [{"item": "Laptop [bold]", "quantity": 5}],
    "history": [
        {
            "sequence": 1,
            "status": "pending",
            "cause": "order received",
            "at": "2026-03-01T11:00:00.5+00:00",
        },
        {
            "sequence": 2,
            "status": "backordered",
            "cause": "short of 3 Laptop",
            "at": "2026-03-01T11:01:30.5+00:00",
        },
    ],
}


def text_of(status: str, **overrides: Any) -> str:
    facts = Facts.model_validate({"order_id": "12345", "status": status} | overrides)
    lines = describe(ORDER | {"status": status}, explain(facts), NOW)
    return "\n".join(line.plain.rstrip() for line in lines)


def test_a_backorder_reads_from_its_lines_to_the_command_that_moves_it() -> None:
    queue = Queue(item="Laptop [bold]", needs=5, free=2, ahead=4, ahead_units=9)

    text = text_of("backordered", queues=[queue], due_at="2026-03-31T12:00:00+00:00")

    assert (
        text
        == """\
order 12345  backordered
placed      2026-03-01 11:00:00 UTC, 59 min 59 s ago
            5 Laptop [bold]

pending     2026-03-01 11:00:00 UTC                order received
backordered 2026-03-01 11:01:30 UTC  +1 min 30 s   short of 3 Laptop

waits for   stock: 3 more Laptop [bold] (needs 5, 2 free, 4 orders before it)
            Laptop [bold]: needs 5, available 2, short by 3, ahead 4
deadline    2026-03-31 12:00:00 UTC, in 30 d 0 h
and then    a person is asked to look at it

what moves it
  curl -X POST http://127.0.0.1:8080/inventory -H 'Content-Type: application/json' \
-d '{"item": "Laptop [bold]", "adjust": 12}'"""
    )


def test_what_went_wrong_with_a_pending_order_is_told_with_its_times() -> None:
    text = text_of(
        "pending",
        attempts=Attempts(failures=3, last_error="no", last_failed_at="2026-03-01T11:59:50Z"),
        letter=Letter(id=17, error="given up", sendable=True),
        unsent=Unsent(type="t", since="2026-03-01T10:00:00Z"),
        due_at="2026-03-01T12:00:20+00:00",
        attention="still pending after 8 announcements",
        announcements=8,
    )

    for line in (
        "attention   still pending after 8 announcements",
        "failed      3 times, the last 10 s ago: no",
        "dead letter 17: given up",
        "not sent    t, 2 h 0 min ago",
        "next try    in 20 s, announced 8 times so far",
        "  orderflow dead-letters redrive 17",
        "  orderflow retry 12345",
    ):
        assert line in text.splitlines()


def test_an_order_without_a_deadline_says_none() -> None:
    assert "deadline    none" in text_of("confirmed", attention="look").splitlines()


def test_a_closed_order_tells_its_history_only() -> None:
    text = text_of("shipped")

    assert text.splitlines()[-1].endswith("short of 3 Laptop")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0.0 s"),
        (0.26, "0.3 s"),
        (9.9, "9.9 s"),
        (10, "10 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 1 h"),
        (31_536_000, "365 d 0 h"),
    ],
)
def test_a_time_span_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told
