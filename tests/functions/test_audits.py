"""POST /audits and GET /audits: the audit over HTTP, one at a time, and kept."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import orjson
import pytest

from orderflow.audit.checks import BEGIN_AUDIT, CHECKS, LOCK_AUDIT, audit
from orderflow.audit.record import EXAMPLES, KEPT, run_audit
from orderflow.database.connection import Connection
from orderflow.database.worker import Worker
from tests.functions.test_audit import corrupt
from tests.support.function_calls import (
    client_of,
    database_away,
    own_database,
    place,
    process,
    reference,
    restock,
    using,
)
from tests.support.waiting import eventually_async

UNKNOWN = 10**15


@pytest.fixture
async def shop(postgres: str) -> AsyncIterator[Connection]:
    """A connection to a database of its own, which the functions use meanwhile."""
    with own_database(postgres) as url, closing(Connection(url)) as connection:
        worker = Worker(url)
        with using(worker=worker):
            yield connection
        await worker.submit(Connection.close)


async def post(**more: Any) -> httpx.Response:
    return await client_of("audits").post("/audits", **(more or {"json": {}}))


async def get(path: str = "/audits", **query: Any) -> httpx.Response:
    return await client_of("audits").get(path, params=query or None)


async def ids(path: str = "/audits?limit=2") -> list[int]:
    """Follow the links to the last page; return the ids of all audits."""
    found: list[int] = []
    while path:
        response = await get(path)
        found += [kept["audit_id"] for kept in response.json()]
        path = response.links.get("next", {}).get("url", "")
    return found


@contextmanager
def locked_out(url_of: Connection) -> Iterator[None]:
    """Nobody reads the orders meanwhile, so that an audit has not done its work."""
    with closing(Connection(url_of._url)) as other, other.transaction():
        other.script("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        yield


def auditing(connection: Connection) -> int:
    """How many statements of an audit run in this database."""
    sql = """SELECT count(*) FROM pg_stat_activity
      WHERE datname = current_database() AND state = 'active' AND query LIKE '%looked_at%'
        AND pid <> pg_backend_pid()"""
    ((count,),) = connection.run(sql)
    return int(count)


async def test_an_audit_is_run_kept_and_found_again(shop: Connection) -> None:
    item = reference("item")
    await restock(item, 3)
    await process(await place(item=item))

    made = await post()

    assert made.status_code == 201
    told = made.json()
    assert made.headers["location"] == f"/audits/{told['audit_id']}"
    assert (told["passed"], told["differences"], told["asked_by"]) == (True, 0, "local")
    assert told["started_at"] <= told["finished_at"]
    assert [check["name"] for check in told["checks"]] == [check.name for check in CHECKS]
    assert told["counted"].keys() == {check.name for check in CHECKS}
    assert told["counted"]["history"] == 3  # an order and its two steps
    assert (await get(made.headers["location"])).json() == told
    (listed,) = (await get()).json()
    assert listed == {name: told[name] for name in told.keys() - {"counted", "checks"}}


async def test_each_is_kept_by_itself_newest_first_page_after_page(shop: Connection) -> None:
    made = [(await post()).json()["audit_id"] for _ in range(5)]

    assert await ids() == made[::-1]


async def test_a_planted_difference_is_found_with_examples(shop: Connection) -> None:
    for number in range(EXAMPLES + 5):
        await restock(f"item {number}", 3)
    corrupt(shop, "UPDATE stock SET on_hand = on_hand + 1")

    told = (await post()).json()

    assert (told["passed"], told["differences"]) == (False, EXAMPLES + 5)
    (ledger,) = (check for check in told["checks"] if check["differences"])
    assert (ledger["name"], ledger["differences"]) == ("ledger", EXAMPLES + 5)
    assert len(ledger["examples"]) == EXAMPLES
    assert ledger["examples"][0]["on_hand"] == ledger["examples"][0]["on_hand_by_ledger"] + 1
    assert "orderflow audit --repair" in ledger["remedy"]


async def test_of_two_at_once_one_is_told_so(shop: Connection) -> None:
    both = await asyncio.gather(post(), post())
    first, second = sorted(both, key=lambda response: response.status_code)

    assert (first.status_code, second.status_code) == (201, 409)
    assert second.headers["retry-after"] == "10"
    assert second.json()["type"] == "/problems/conflict"
    assert await ids() == [first.json()["audit_id"]]


async def test_while_another_process_audits_it_waits_for_no_lock(shop: Connection) -> None:
    with closing(Connection(shop._url)) as other, other.transaction():
        other.script(BEGIN_AUDIT)
        assert other.run(LOCK_AUDIT) == [[True]]

        refused = await post()

    assert (refused.status_code, refused.headers["retry-after"]) == (409, "10")
    assert (await post()).status_code == 201


async def test_a_process_that_dies_in_an_audit_keeps_nothing_and_is_in_nobodys_way(
    shop: Connection,
) -> None:
    dies = Connection(shop._url)
    dies.run("BEGIN")
    dies.script(BEGIN_AUDIT)
    dies.run(LOCK_AUDIT)
    dies.run(CHECKS[0].sql, shown=1)
    dies.close()

    await eventually_async(lambda: shop.run(LOCK_AUDIT) == [[True]])

    assert await ids() == []
    assert (await post()).status_code == 201


async def test_a_process_that_dies_before_it_keeps_an_audit_is_as_if_it_had_not_been_asked(
    shop: Connection,
) -> None:
    assert audit(shop, alone=True).holds  # and then its process was gone

    assert await ids() == []
    assert (await post()).status_code == 201


async def test_an_audit_of_which_the_time_is_over_ends(
    shop: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERFLOW_AUDIT_TIMEOUT_S", "1")
    with locked_out(shop):
        response = await post()

        assert (response.status_code, response.headers["retry-after"]) == (503, "3600")
        assert "not done within 1 s" in response.json()["detail"]
        assert "orderflow audit" in response.json()["detail"]
        # Left alone, it would wait for the lock for 5 s.
        await eventually_async(lambda: auditing(shop) == 0, within_s=3)
    assert await ids() == []
    assert (await post()).status_code == 201


async def test_an_audit_ends_when_its_caller_leaves(shop: Connection) -> None:
    leave = asyncio.Event()
    told = iter([{"type": "http.request", "body": b"{}", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (message := next(told, None)) is not None:
            return message
        await leave.wait()
        return {"type": "http.disconnect"}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    app: Any = client_of("audits")._transport.app  # type: ignore[attr-defined]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/audits",
        "raw_path": b"/audits",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"host", b"127.0.0.1")],
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
    }
    with locked_out(shop):
        answering = asyncio.create_task(app(scope, receive, send))
        await eventually_async(lambda: auditing(shop) == 1)
        leave.set()
        await asyncio.wait_for(answering, 2)

        await eventually_async(lambda: auditing(shop) == 0, within_s=3)
    assert sent[0]["status"] == 499
    assert await ids() == []


async def test_writers_go_on_beside_an_audit_which_holds(shop: Connection) -> None:
    item = reference("item")
    await restock(item, 1_000)

    async def write() -> None:
        for _ in range(10):
            await process(await place(item=item))

    auditing_now = asyncio.create_task(post())
    await asyncio.gather(*(write() for _ in range(4)))
    audited = await auditing_now

    assert (audited.status_code, audited.json()["differences"]) == (201, 0)


def test_of_many_audits_the_last_are_kept(alone: Connection) -> None:
    alone.run(
        """INSERT INTO audits (started_at, finished_at, asked_by, differences, counted, checks)
        SELECT now(), now(), 'schedule', 0, '{}', '[]' FROM generate_series(1, :many)""",
        many=KEPT + 10,
    )

    newest = run_audit(alone, "schedule").audit_id

    sql = "SELECT count(*), min(audit_id), max(audit_id) FROM audits"
    assert alone.run(sql) == [[KEPT, newest - KEPT + 1, newest]]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b'{"all": true}', "application/json", 422),
        (b"[]", "application/json", 422),
        (b"{", "application/json", 400),
        (b"", "text/plain", 415),
    ],
)
async def test_another_body_is_refused_and_nothing_is_run(
    shop: Connection, content: bytes, content_type: str, status: int
) -> None:
    response = await post(content=content, headers={"content-type": content_type})

    assert response.status_code == status
    assert await ids() == []


async def test_no_body_will_do(shop: Connection) -> None:
    response = await post(content=b"", headers={"content-type": "application/json"})

    assert response.status_code == 201


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/audits/{UNKNOWN}", 404),
        ("/audits/x", 404),
        ("/audits/-1", 404),
        (f"/audits/{'9' * 30}", 404),
        ("/audits/", 404),
        ("/audits/1/2", 404),
        ("/audits?limit=0", 422),
        ("/audits?after=*", 422),
        ("/audits?passed=true", 422),
    ],
)
async def test_what_is_not_there_or_wrong_is_refused(path: str, status: int) -> None:
    assert (await get(path)).status_code == status


async def test_another_method_is_not_allowed() -> None:
    refused = await client_of("audits").delete("/audits")
    posted = await client_of("audits").post("/audits/1", json={})

    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")


async def test_while_the_database_is_away_it_says_later() -> None:
    with using(worker=database_away()):
        response = await post()

    assert (response.status_code, "retry-after" in response.headers) == (503, True)


async def test_what_is_kept_is_bounded(shop: Connection) -> None:
    for number in range(EXAMPLES * 2):
        await restock(f"item {number}", 3)
    corrupt(shop, "UPDATE stock SET on_hand = 7, reserved = 1")

    told = (await post()).json()

    assert all(len(check["examples"]) <= EXAMPLES for check in told["checks"])
    assert len(orjson.dumps(told)) < 20_000
