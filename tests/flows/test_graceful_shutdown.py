"""A function that is asked to stop answers whom it took, leaves nothing undone, and goes."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from knative_local.ports import LOOPBACK, accepts, free_port
from orderflow.database.connection import Connection
from orderflow.server.graceful_shutdown import LEAVING_KEEP_ALIVE_S
from orderflow_cli.topics import create_topics
from tests.support.callers import (
    Function,
    Line,
    Load,
    Tally,
    order_request,
    running_function,
)
from tests.support.impatient_project import ORDERS_ALONE
from tests.support.shop import Call, insist, open_shop, reference
from tests.support.waiting import eventually, eventually_async

RESTARTS = 10
CALLS = 300  # a restart, so that each meets all that can happen
CALLERS = 16
STOPPED_WITHIN_S = 20.0  # with callers that go on calling it takes about 4 s of an idle machine


@pytest.fixture(scope="module", autouse=True)
def _topics(environment: None, broker: str) -> None:
    """Topics to publish to, and the environment that functions inherit."""
    create_topics(broker)


@pytest.fixture
def database(environment: None, postgres: str) -> Iterator[Connection]:
    """A look behind the functions, with nothing of other tests in the outbox."""
    with closing(Connection(postgres)) as connection:
        connection.run("DELETE FROM outbox")
        yield connection


def unpublished(database: Connection) -> int:
    """How many events the outbox still holds."""
    ((count,),) = database.run("SELECT count(*) FROM outbox")
    return int(count)


def stored(database: Connection, order_ids: list[str]) -> int:
    """How many of these orders there are."""
    sql = "SELECT count(*) FROM orders WHERE order_id = ANY(CAST(:ids AS text[]))"
    ((count,),) = database.run(sql, ids="{" + ",".join(order_ids) + "}")
    return int(count)


def flawless(tally: Tally) -> bool:
    """Whether every call was answered whole and well, or refused before anything was sent."""
    return set(tally.outcomes) <= {"200", "201", "refused"}


async def in_thread(function: Function) -> float:
    """Stop a function while callers go on."""
    return await asyncio.to_thread(function.stop, STOPPED_WITHIN_S)


async def leave(function: Function, load: Load) -> None:
    """Stop a function; callers find out themselves, and try its port until it is gone."""
    await in_thread(function)
    load.ports.remove(function.port)


@pytest.mark.any_broker
async def test_rolling_restart_under_load_is_seen_by_no_caller(database: Connection) -> None:
    with ExitStack() as running:
        current = await asyncio.to_thread(running.enter_context, running_function("create_order"))
        async with Load([current.port], callers=CALLERS) as load:
            leaving = []
            for _ in range(RESTARTS):
                former, started = current, running_function("create_order")
                current = await asyncio.to_thread(running.enter_context, started)
                load.ports.append(current.port)
                leaving.append(asyncio.create_task(leave(former, load)))
                await load.answered(CALLS)
            await asyncio.gather(*leaving)
        current.stop(STOPPED_WITHIN_S)

    assert flawless(load.tally), load.tally.outcomes
    assert len(load.tally.accepted) > RESTARTS * CALLS // 2
    assert stored(database, load.tally.accepted) == len(load.tally.accepted)
    assert unpublished(database) == 0


@pytest.mark.any_broker
@pytest.mark.parametrize("to", ["master", "group"])
async def test_only_instance_answers_or_refuses_to_the_end(database: Connection, to: str) -> None:
    with running_function("create_order") as function:
        async with Load([function.port], callers=CALLERS) as load:
            await load.answered(CALLS)
            if to == "group":  # as a terminal or a `kill -- -GROUP` does
                os.killpg(function.process.pid, signal.SIGTERM)
            took_s = await in_thread(function)

    assert flawless(load.tally), load.tally.outcomes
    assert took_s < STOPPED_WITHIN_S
    assert stored(database, load.tally.accepted) == len(load.tally.accepted)
    assert unpublished(database) == 0


@pytest.mark.any_broker
async def test_worker_alone_is_replaced_and_no_caller_sees_it(database: Connection) -> None:
    with running_function("create_order") as function:
        former = function.worker
        async with Load([function.port], callers=CALLERS) as load:
            await load.answered(CALLS)
            os.kill(former, signal.SIGTERM)
            await eventually_async(lambda: function.worker not in {0, former})
            await load.answered(CALLS)
        function.stop(STOPPED_WITHIN_S)

    assert flawless(load.tally), load.tally.outcomes
    assert unpublished(database) == 0


@pytest.mark.any_broker
async def test_server_for_development_leaves_as_well(database: Connection) -> None:
    with running_function("create_order", "--debug") as function:
        async with Load([function.port], callers=CALLERS) as load:
            await load.answered(CALLS)
            await in_thread(function)

    assert flawless(load.tally), load.tally.outcomes
    assert unpublished(database) == 0


@pytest.mark.any_broker
async def test_kept_connection_is_answered_once_more_and_told_to_close() -> None:
    with running_function("create_order") as function:
        line = Line()
        first = await line.exchange(lambda: function.port, request(), keep=True)

        function.ask_to_stop()
        await asyncio.sleep(0.5)  # what uvicorn by itself would have closed long ago
        last = await line.exchange(lambda: function.port, request(), keep=True)

        assert (first, last) == ("201", "201")
        assert not line.kept
        function.process.wait(STOPPED_WITHIN_S)


@pytest.mark.any_broker
@pytest.mark.parametrize("flags", [(), ("--debug",)], ids=["gunicorn", "development"])
async def test_idle_connections_are_kept_and_end_at_once_with_the_function(
    flags: tuple[str, ...],
) -> None:
    with running_function("create_order", *flags) as function:
        lines = [Line() for _ in range(CALLERS)]
        for line in lines:
            await line.exchange(lambda: function.port, request(), keep=True)
        await asyncio.sleep(LEAVING_KEEP_ALIVE_S + 1.0)  # longer than gunicorn would by itself
        kept = [line.kept for line in lines]

        took_s = await in_thread(function)

        for line in lines:
            line.close()
        assert kept == [True] * CALLERS
        assert took_s < LEAVING_KEEP_ALIVE_S


@pytest.mark.any_broker
def test_body_under_way_is_waited_for() -> None:
    with running_function("create_order") as function:
        whole = request()
        with socket.create_connection((LOOPBACK, function.port)) as caller:
            caller.sendall(whole[:-10])
            function.ask_to_stop()
            eventually(lambda: not accepts(function.port, 0.1, LOOPBACK))

            caller.sendall(whole[-10:])
            answer = caller.recv(65536)

        assert answer.startswith(b"HTTP/1.1 201")
        assert b"connection: close" in answer.lower()
        function.process.wait(STOPPED_WITHIN_S)


async def test_events_that_no_caller_waits_for_are_sent_before_the_end(
    database: Connection,
) -> None:
    with running_function("create_order") as create_order:
        async with Load([create_order.port], callers=CALLERS) as load:
            await load.answered(CALLS)
        create_order.stop(STOPPED_WITHIN_S)

    with running_function("update_order") as update_order:
        cancelled = await asyncio.gather(
            *(cancel(update_order, order_id) for order_id in load.tally.accepted)
        )
        update_order.stop(STOPPED_WITHIN_S)

    assert set(cancelled) == {"200"}
    assert unpublished(database) == 0


async def test_without_a_broker_it_leaves_in_time_and_the_events_stay(
    database: Connection,
) -> None:
    nowhere = f"{LOOPBACK}:{free_port()}"
    with running_function("create_order", KAFKA_BOOTSTRAP_SERVERS=nowhere) as function:
        answered = await Line().exchange(lambda: function.port, request(), keep=False)

        took_s = function.stop(STOPPED_WITHIN_S)

    assert answered == "201"
    assert took_s < STOPPED_WITHIN_S
    assert unpublished(database) == 1


async def test_whole_of_orderflow_stops_with_nothing_left_to_send(
    database: Connection, postgres: str, broker: str, tmp_path: Path
) -> None:
    item = reference("item")
    bodies: list[dict[str, Any]] = [
        {"order_id": reference(), "item": item, "quantity": 1} for _ in range(CALLS)
    ]
    own = tmp_path / "data"
    with open_shop(own, postgres=postgres, kafka=broker, services=ORDERS_ALONE) as shop:
        await insist(shop, [Call("POST", "/order", body) for body in bodies])
        status = shop.stop()

    assert status == 0
    assert stored(database, [body["order_id"] for body in bodies]) == CALLS
    assert unpublished(database) == 0


@pytest.mark.any_broker
def test_function_that_nobody_calls_stops_at_once() -> None:
    with running_function("create_order") as function:
        started = time.monotonic()
        function.stop(STOPPED_WITHIN_S)

    assert time.monotonic() - started < STOPPED_WITHIN_S / 2


def request() -> bytes:
    """A new order."""
    return order_request(reference(), reference("item"))


async def cancel(function: Function, order_id: str) -> str:
    """Cancel an order on a connection of its own."""
    body = b'{"status": "cancelled"}'
    head = f"PATCH /order/{order_id} HTTP/1.1\r\nHost: {LOOPBACK}\r\nContent-Length: {len(body)}"
    asked = head.encode() + b"\r\nContent-Type: application/json\r\n\r\n" + body
    return await Line().exchange(lambda: function.port, asked, keep=False)
