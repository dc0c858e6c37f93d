"""Failed attempts are counted where a restart does not forget them, and come to an end."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from orderflow.database.connection import Connection
from orderflow.database.worker import Worker
from orderflow.errors import (
    ConfigurationError,
    DatabaseAway,
    InvalidInput,
    Later,
    OrderFlowError,
    QueueFull,
)
from orderflow.events.attempts import MAX_ATTEMPTS, forget_attempts
from orderflow.events.models import OrderPlaced, Tick
from orderflow.events.trigger import event
from orderflow.http.request_body import MAX_BODY_BYTES
from tests.support.function_calls import ce_headers, database_away, reference, using

Attempt = Callable[[OrderPlaced], Awaitable[None]]
TYPES = {OrderPlaced: "orderflow.order.placed.v1", Tick: "dev.knative.sources.ping"}


def failing_with(*errors: Exception | None) -> Attempt:
    """A function that fails with one error after the other, then for ever with the last."""
    left = list(errors)

    async def fails(_: OrderPlaced) -> None:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error

    return fails


def client_of(attempt: Attempt) -> httpx.AsyncClient:
    """Return a client of a function that takes `order.placed`."""
    app = Starlette(routes=[Route("/", event(OrderPlaced)(attempt), methods=["POST"])])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def deliver(client: httpx.AsyncClient, event_id: str, **overrides: str) -> httpx.Response:
    """Deliver one event."""
    headers = ce_headers(TYPES[OrderPlaced], id=event_id, **overrides)
    return await client.post("/", content=orjson.dumps({"order_id": "x"}), headers=headers)


def attempts_of(database: Connection, event_id: str) -> list[tuple[str, int, str]]:
    """The functions that failed, how often, and with what."""
    sql = "SELECT function, failures, last_error FROM attempts WHERE event_id = :id"
    return [(function, count, error) for function, count, error in database.run(sql, id=event_id)]


async def test_the_last_attempt_is_answered_for_good_with_the_count_and_the_error(
    database: Connection,
) -> None:
    event_id, client = reference("event"), client_of(failing_with(Later("the shelf is locked")))

    answers = [await deliver(client, event_id) for _ in range(MAX_ATTEMPTS)]

    assert [answer.status_code for answer in answers] == [503] * (MAX_ATTEMPTS - 1) + [422]
    assert answers[-1].json() == {
        "type": "/problems/given-up",
        "title": "Given up",
        "status": 422,
        "detail": "given up after 20 failed attempts; the last error: the shelf is locked",
    }
    assert attempts_of(database, event_id) == [("fails", MAX_ATTEMPTS, "the shelf is locked")]


async def test_what_was_given_up_is_still_tried_when_it_comes_again() -> None:
    errors = [Later("not now")] * (MAX_ATTEMPTS + 1)
    event_id, client = reference("event"), client_of(failing_with(*errors, None))

    answers = [await deliver(client, event_id) for _ in range(MAX_ATTEMPTS + 2)]

    assert [answer.status_code for answer in answers[-3:]] == [422, 422, 204]


async def test_a_fault_of_ours_is_counted_under_its_name(database: Connection) -> None:
    event_id, client = reference("event"), client_of(failing_with(KeyError("item")))

    answer = await deliver(client, event_id)

    assert answer.status_code == 500
    assert attempts_of(database, event_id) == [("fails", 1, "KeyError: 'item'")]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DatabaseAway("away"), 503),
        (QueueFull("full"), 503),
        (ConfigurationError("set it"), 503),
        (InvalidInput("never"), 422),
    ],
)
async def test_what_says_nothing_about_the_event_is_not_counted(
    database: Connection, error: Exception, status: int
) -> None:
    event_id, client = reference("event"), client_of(failing_with(error))

    answer = await deliver(client, event_id)

    assert answer.status_code == status
    assert attempts_of(database, event_id) == []


async def test_an_event_that_is_done_leaves_no_trace(database: Connection) -> None:
    event_id, client = reference("event"), client_of(failing_with(None))

    assert (await deliver(client, event_id)).status_code == 204

    assert attempts_of(database, event_id) == []


async def test_the_count_goes_on_in_another_process(
    postgres: str,
) -> None:
    event_id, error = reference("event"), Later("not now")
    for _ in range(MAX_ATTEMPTS - 1):
        await deliver(client_of(failing_with(error)), event_id)

    started = Worker(postgres)  # nothing in memory, a connection of its own
    with using(worker=started):
        answer = await deliver(client_of(failing_with(error)), event_id)
    await started.submit(Connection.close)

    assert answer.status_code == 422


async def test_attempts_at_one_instant_are_all_counted(database: Connection) -> None:
    event_id, client = reference("event"), client_of(failing_with(Later("not now")))

    answers = await asyncio.gather(*(deliver(client, event_id) for _ in range(MAX_ATTEMPTS + 5)))

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(503), statuses.count(422)) == (MAX_ATTEMPTS - 1, 6)
    assert attempts_of(database, event_id)[0][1] == MAX_ATTEMPTS + 5


async def test_events_of_other_sources_and_functions_are_counted_apart(
    database: Connection,
) -> None:
    event_id, error = reference("event"), Later("not now")

    async def other(_: OrderPlaced) -> None:
        raise error

    for attempt in (failing_with(error), other):
        await deliver(client_of(attempt), event_id)
    await deliver(client_of(other), event_id, source="/elsewhere")

    assert sorted(count for _, count, _ in attempts_of(database, event_id)) == [1, 1, 1]


async def test_what_is_forgotten_is_tried_from_the_start(database: Connection) -> None:
    event_id, client = reference("event"), client_of(failing_with(Later("not now")))
    for _ in range(MAX_ATTEMPTS):
        await deliver(client, event_id)

    forget_attempts(database, [event_id])

    assert (await deliver(client, event_id)).status_code == 503
    assert attempts_of(database, event_id) == [("fails", 1, "not now")]


async def test_an_encoded_id_is_forgotten_as_it_came(database: Connection) -> None:
    event_id = reference("50% of event")
    encoded, client = event_id.replace("%", "%25"), client_of(failing_with(Later("not now")))
    await deliver(client, encoded)

    forget_attempts(database, [encoded])

    assert attempts_of(database, event_id) == []


async def test_what_no_table_can_hold_is_counted_all_the_same() -> None:
    event_id = reference("event") + "%00" + "x" * 9_000
    client = client_of(failing_with(ValueError("\0\ud800" + "x" * 9_000)))

    answers = [await deliver(client, event_id) for _ in range(MAX_ATTEMPTS)]

    assert [answer.status_code for answer in answers[-2:]] == [500, 422]
    assert len(answers[-1].content) <= 1024


async def test_without_a_database_the_failure_itself_is_the_answer(
    database: Connection,
) -> None:
    event_id, client = reference("event"), client_of(failing_with(OrderFlowError("broken")))

    with using(worker=database_away()):
        answer = await deliver(client, event_id)

    assert (answer.status_code, answer.json()["detail"]) == (500, "broken")
    assert attempts_of(database, event_id) == []


async def test_a_clock_is_not_counted(database: Connection) -> None:
    async def ticks(_: Tick) -> None:
        raise Later("not now")

    app, event_id = (
        Starlette(routes=[Route("/", event(Tick)(ticks), methods=["POST"])]),
        reference(),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post("/", content=b"{}", headers=ce_headers(TYPES[Tick], id=event_id))

    assert answer.status_code == 503
    assert attempts_of(database, event_id) == []


@pytest.mark.parametrize(("size_bytes", "status"), [(0, 204), (1, 422), (9_000_000, 422)])
async def test_data_over_the_limit_is_never_read(size_bytes: int, status: int) -> None:
    body = b'{"order_id":"x","more":"%b"}'
    content = body % (b"x" * (MAX_BODY_BYTES - len(body) + 2 + size_bytes))
    headers = ce_headers(TYPES[OrderPlaced])

    answer = await client_of(failing_with(None)).post("/", content=content, headers=headers)

    assert answer.status_code == status
    if status == 422:
        assert f"data of {len(content)} bytes" in answer.json()["detail"]


@pytest.mark.parametrize("of_type", ["x" * 100_000, '"' * 5_000, "%01" * 5_000, "é" * 5_000])
async def test_an_answer_fits_into_a_dead_letter(of_type: str) -> None:
    headers = httpx.Headers(ce_headers(of_type), encoding="latin-1")

    answer = await client_of(failing_with(None)).post("/", content=b"{}", headers=headers)

    assert answer.status_code == 422
    assert 500 < len(answer.content) <= 1024
    assert answer.json()["detail"].startswith("type is ")
