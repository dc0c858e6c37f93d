"""A call is one log line that says what was called; what nobody wants to read is not written."""

from collections.abc import Iterator

import pytest

from orderflow.database.connection import Connection
from orderflow.events.models import OrderConfirmed, OrderShipped
from tests.functions.test_trigger import Subscriber
from tests.support.function_calls import client_of, make_order, place, tick
from tests.support.log_lines import Lines, log_lines

COUNTS = ("relayed", "republished", "offered", "expired", "marked", "redriven")


@pytest.fixture
def lines() -> Iterator[Lines]:
    """A log made anew, and what was written to it."""
    with log_lines() as read:
        yield read


async def test_a_line_says_what_was_called_and_what_became_of_it(lines: Lines) -> None:
    body = make_order()
    await client_of("create_order").post("/order", json=body)
    await client_of("list_orders").get("/order/none")

    created, looked_up = [line for line in lines() if line["level"] == "info"]

    assert (created["method"], created["path"], created["status"]) == ("POST", "/order", 201)
    assert (created["order_id"], created["event"]) == (body["order_id"], "answered")
    assert (looked_up["method"], looked_up["path"]) == ("GET", "/order/none")
    assert (looked_up["status"], looked_up["order_id"]) == (404, "none")


async def test_probes_are_not_logged(lines: Lines) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await client_of("create_order").get(path)).status_code == 200

    assert lines() == []


async def test_only_a_tick_that_found_something_to_do_is_logged(
    lines: Lines, database: Connection
) -> None:
    await place()
    database.run("UPDATE outbox SET relay_at = '1970-01-01'")
    database.run("UPDATE stock SET fill_due = false")
    for _ in range(5):
        await tick()

    ticks = [[line[name] for name in COUNTS] for line in lines() if "relayed" in line]

    assert all(any(counts) for counts in ticks)
    assert len(ticks) < 5


async def test_events_that_a_function_does_not_take_are_counted_in_their_lines(
    lines: Lines,
) -> None:
    subscriber = Subscriber(OrderConfirmed)

    for of_type in (OrderShipped.type, OrderConfirmed.type, OrderShipped.type):
        await subscriber.deliver(of_type)

    assert [line.get("ignored") for line in lines()] == [1, None, 2]
    assert lines()[0]["ignored_type"] == OrderShipped.type
