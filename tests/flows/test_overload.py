"""More callers than a function can serve: some are served in time, the others told at once."""

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from knative_local.child import gateway_command
from knative_local.gateway.protocol import MAX_CALLERS
from knative_local.manifests.loader import load_manifests
from knative_local.ports import LOOPBACK, accepts, free_port
from orderflow.database.connection import Connection
from orderflow.server.admission import MAX_RETRY_AFTER_S, MAX_WAITING, raise_open_file_limit
from orderflow_cli.project import CHECKOUT, MANIFESTS
from orderflow_cli.topics import create_topics
from tests.support.callers import (
    Function,
    Line,
    Tally,
    burst,
    order_request,
    running_function,
)
from tests.support.processes import of_group
from tests.support.shop import reference
from tests.support.waiting import eventually, eventually_async

pytestmark = pytest.mark.any_broker

CROWD = 2 * MAX_WAITING
CROWD_COMES_S = 2.0  # below the 5 s for which a statement waits for a lock
ANSWERED_WITHIN_S = 45.0  # all of the crowd; about 3 s of an idle machine
MEMORY_LIMIT_MB = 512  # of the manifests
SLOW_SENDERS = 200
SLOW_READERS = 60
LARGE_ORDERS = 300  # 100 lines each: 8 MB, were they one page
ONE_PAGE = b"GET /orders?limit=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def function(environment: None, broker: str) -> Iterator[Function]:
    """One create_order for all of these tests, which leave it as it was."""
    create_topics(broker)
    raise_open_file_limit()  # the callers' own
    with running_function("create_order") as running:
        yield running


@pytest.fixture
def database(environment: None, postgres: str) -> Iterator[Connection]:
    """A look behind the function."""
    with closing(Connection(postgres)) as connection:
        yield connection


@contextmanager
def gateway(function: Function) -> Iterator[int]:
    """The gateway, with every function at this one; yields its port."""
    port = free_port()
    resolve = {
        service.name: function.url for service in load_manifests([CHECKOUT / MANIFESTS]).services
    }
    command = gateway_command([CHECKOUT / MANIFESTS], resolve, host=LOOPBACK, port=port)
    with subprocess.Popen(command) as running:
        eventually(lambda: accepts(port, 0.1))
        yield port
        running.terminate()


def memory_mb(pid: int) -> float:
    """The resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    (resident,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(resident.split()[1]) / 1024


def one_order() -> bytes:
    """A new order."""
    return order_request(reference(), reference("item"))


async def place_large_orders(function: Function, count: int) -> None:
    """Place orders of many lines with long names."""
    names = [f"{n} {reference('item')}{'n' * 170}" for n in range(100)]
    async with httpx.AsyncClient(timeout=ANSWERED_WITHIN_S) as client:
        for _ in range(count):
            lines = [{"item": name, "quantity": 1} for name in names]
            answer = await client.post(f"{function.url}/order", json={"lines": lines})
            assert answer.status_code == 201, answer.text


def placed(database: Connection, order_ids: list[str]) -> int:
    """How many of these orders there are."""
    sql = "SELECT count(*) FROM orders WHERE order_id = ANY(CAST(:ids AS text[]))"
    ((count,),) = database.run(sql, ids="{" + ",".join(order_ids) + "}")
    return int(count)


def somebody_waits(postgres: str) -> bool:
    """Whether a transaction waits for a lock."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with closing(Connection(postgres)) as other:
        return bool(other.run(sql)[0][0])


def all_answered(tally: Tally) -> bool:
    """Whether every caller was served or told when to come again, within reason."""
    in_time = all(max(took) < ANSWERED_WITHIN_S for took in tally.seconds.values())
    sensible = all(1 <= told_s <= MAX_RETRY_AFTER_S for told_s in tally.told_s)
    return set(tally.outcomes) <= {"201", "503"} and in_time and sensible


async def test_crowd_is_served_as_far_as_it_fits_and_the_rest_is_told(
    function: Function, database: Connection
) -> None:
    before = await burst(function.port, 50)

    with database.transaction():  # so that none is served while they come
        database.run("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        calling = asyncio.create_task(burst(function.port, CROWD))
        await asyncio.sleep(CROWD_COMES_S)
    crowd = await calling
    after = await burst(function.port, 50)

    assert all_answered(crowd), crowd.outcomes
    assert min(crowd.outcomes["503"], crowd.outcomes["201"]) > 50
    assert crowd.percentile("503", 50) < crowd.percentile("201", 90)
    assert placed(database, crowd.accepted) == len(crowd.accepted)
    assert before.outcomes == after.outcomes == {"201": 50}
    assert memory_mb(function.worker) < MEMORY_LIMIT_MB


async def test_crowd_at_the_gateway_is_answered_too(
    function: Function, database: Connection
) -> None:
    with gateway(function) as port:
        crowd = await burst(port, MAX_CALLERS + 300)
        after = await burst(port, 50)

    assert all_answered(crowd), crowd.outcomes
    assert crowd.outcomes["201"] >= MAX_CALLERS
    assert placed(database, crowd.accepted) == len(crowd.accepted)
    assert after.outcomes == {"201": 50}


async def test_slow_senders_hold_up_no_one(function: Function) -> None:
    unfinished = order_request(reference(), "x")[:-5]
    slow = [await asyncio.open_connection(LOOPBACK, function.port) for _ in range(SLOW_SENDERS)]
    for _, writer in slow:
        writer.write(unfinished)

    others = await burst(function.port, 50)

    assert others.outcomes == {"201": 50}
    for _, writer in slow:
        writer.close()


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
async def test_slow_readers_of_large_pages_stay_within_memory(
    environment: None, function: Function, accept: str
) -> None:
    await place_large_orders(function, LARGE_ORDERS)
    asked = (
        f"GET /orders?limit=500 HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\n\r\n".encode()
    )
    with running_function("list_orders") as lists, ExitStack() as opened:
        statuses = set[bytes]()
        for _ in range(SLOW_READERS):
            reader = opened.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.settimeout(ANSWERED_WITHIN_S)
            reader.connect((LOOPBACK, lists.port))
            reader.sendall(asked)
            # Once it has begun, all of a page is in memory; together they would wait for a turn.
            statuses.add((await asyncio.to_thread(reader.recv, 12))[-3:])
        used_mb = sum(memory_mb(pid) for pid in of_group(lists.process.pid))
        other = await Line().exchange(lambda: lists.port, ONE_PAGE, keep=False)

    assert statuses == {b"200"}
    assert used_mb < MEMORY_LIMIT_MB
    assert other == "200"


async def test_callers_who_leave_do_not_disturb_those_who_stay(
    function: Function, database: Connection, postgres: str
) -> None:
    order_ids = [reference() for _ in range(20)]
    item = reference("item")
    with database.transaction():
        database.run("LOCK TABLE orders IN SHARE MODE")
        callers = []
        for order_id in order_ids:
            reader, writer = await asyncio.open_connection(LOOPBACK, function.port)
            writer.write(order_request(order_id, item))
            callers.append((reader, writer))
        await eventually_async(lambda: somebody_waits(postgres))
        for _, writer in callers[::2]:
            writer.close()

    staying = [await reader.readuntil(b"\r\n") for reader, _ in callers[1::2]]

    assert {line.split()[1] for line in staying} == {b"201"}
    assert placed(database, order_ids[1::2]) == 10
    assert await Line().exchange(lambda: function.port, one_order(), keep=False) == "201"
    for _, writer in callers[1::2]:
        writer.close()
