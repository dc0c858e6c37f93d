"""GET /orders and GET /order/{order_id}: every order exactly once, at a cost that does not grow."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from urllib.parse import quote, urlencode

import httpx
import orjson
import pytest
from pg8000.native import to_statement

from orderflow.database.connection import Connection, Json
from orderflow.orders.diagnosis.facts import SELECT_ORDER
from orderflow.orders.states import Status
from orderflow.stock.holds import SELECT_EXPIRED
from orderflow.stock.locking import LOCK_ORDERS, LOCK_STOCK
from tests.support.function_calls import (
    client_of,
    make_lines,
    make_order,
    module_of,
    ordered,
    own_database,
    patch,
    place,
    process,
    reference,
    restock,
)

MANY = 50_000


async def get(path: str = "/orders", **query: Any) -> httpx.Response:
    return await client_of("list_orders").get(path, params=query or None)


async def pages(**query: Any) -> list[list[dict[str, Any]]]:
    """Follow the links from the first page to the last."""
    found, path = [], f"/orders?{urlencode(query)}"
    while path:
        response = await client_of("list_orders").get(path)
        assert response.status_code == 200, response.text
        found.append(response.json())
        path = response.links.get("next", {}).get("url", "")
    return found


def ids(page: list[dict[str, Any]]) -> list[str]:
    return [order["order_id"] for order in page]


async def place_many(count: int, **overrides: Any) -> list[str]:
    """Place orders one after the other; return their ids, newest first."""
    return [await place(**overrides) for _ in range(count)][::-1]


async def test_the_list_is_a_bare_array_of_what_the_seed_shows() -> None:
    order_id, item = reference(), reference("item")
    await place(order_id=order_id, item=item, quantity=3)

    orders = (await get()).json()

    assert isinstance(orders, list)
    assert orders[0] | {"order_id": order_id, "item": item, "quantity": 3} == orders[0]
    assert orders[0].keys() >= {"lines", "status", "placed_at", "updated_at"}


async def test_an_order_of_several_lines_has_lines_only() -> None:
    lines = make_lines((reference("item"), 1), (reference("item"), 2))
    order_id = await place(lines=lines)

    order = (await get(f"/order/{order_id}")).json()

    assert order["lines"] == lines
    assert not order.keys() & {"item", "quantity"}


async def test_pages_hold_every_order_once_newest_first() -> None:
    item = reference("item")
    placed = await place_many(205, item=item)

    found = await pages(item=item, limit=50)

    assert [len(page) for page in found] == [50, 50, 50, 50, 5]
    assert [order_id for page in found for order_id in ids(page)] == placed


async def test_all_orders_have_pages_too() -> None:
    placed = await place_many(120)

    found = await pages(limit=100)

    everything = [order_id for page in found for order_id in ids(page)]
    assert everything[:120] == placed
    assert len(set(everything)) == len(everything)


async def test_a_last_page_that_is_full_is_followed_by_an_empty_one() -> None:
    item = reference("item")
    await place_many(4, item=item)

    assert [len(page) for page in await pages(item=item, limit=2)] == [2, 2, 0]


async def test_the_default_page_has_50_orders() -> None:
    await place_many(51)

    assert len((await get()).json()) == 50


async def test_while_orders_arrive_every_earlier_one_is_listed_once() -> None:
    item = reference("item")
    placed = await place_many(60, item=item)
    arriving = asyncio.create_task(place_many(60, item=item))

    found = await pages(item=item, limit=7)
    later = await arriving

    everything = [order_id for page in found for order_id in ids(page)]
    assert [order_id for order_id in everything if order_id not in later] == placed
    assert len(set(everything)) == len(everything)


async def test_orders_that_change_while_listed_are_neither_lost_nor_doubled() -> None:
    item = reference("item")
    placed = await place_many(20, item=item)

    found: list[str] = []
    path = f"/orders?item={item}&limit=3"
    while path:
        response = await client_of("list_orders").get(path)
        for order_id in ids(response.json()):
            await patch(order_id, "cancelled")
            found.append(order_id)
        path = response.links.get("next", {}).get("url", "")

    assert found == placed


async def test_filters_alone_and_together_find_what_they_say() -> None:
    item = reference("item")
    await restock(item, 2)
    placed = await place_many(5, item=item)
    for order_id in reversed(placed):
        await process(order_id)
    placed = [await place(item=item), *placed]
    times = [order["placed_at"] for order in (await get(item=item)).json()]

    async def found(**query: Any) -> list[str]:
        return ids((await get(**query)).json())

    assert await found(item=item) == placed
    assert await found(item=item, status="confirmed") == placed[4:]
    assert await found(item=item, status="backordered") == placed[1:4]
    assert await found(item=item, status="shipped") == []
    assert await found(item=item, placed_after=times[3]) == placed[:3]
    assert await found(item=item, placed_before=times[3]) == placed[4:]
    assert await found(item=item, placed_after=times[5], placed_before=times[1]) == placed[2:5]
    assert await found(item=item, placed_after=times[5], status="backordered") == placed[1:4]
    assert (await found(status="backordered"))[:3] == placed[1:4]
    assert (await found(status="pending", placed_before=times[0]))[:1] != placed[:1]
    assert (await found(placed_after=times[3]))[-3:] == placed[:3]
    assert (await found(placed_before=times[3]))[:2] == placed[4:]
    combined = await found(status="confirmed", placed_after=times[5], placed_before=times[3])
    assert combined == placed[4:5]


async def test_a_time_window_is_exact_whatever_the_zone() -> None:
    item = reference("item")
    await place(item=item)
    placed_at = datetime.fromisoformat((await get(item=item)).json()[0]["placed_at"])
    beijing = (placed_at - timedelta(microseconds=1)).astimezone().isoformat()

    exactly = await get(item=item, placed_after=placed_at.isoformat())
    just_before = await get(item=item, placed_after=beijing)

    assert (len(exactly.json()), len(just_before.json())) == (0, 1)


async def test_an_order_with_an_item_in_two_lines_is_listed_once() -> None:
    item = reference("item")
    order_id = await place(lines=make_lines((item, 1), (reference("item"), 1), (item, 2)))

    assert ids((await get(item=item)).json()) == [order_id]


async def test_the_stream_holds_every_match_a_line_each() -> None:
    item = reference("item")
    placed = await place_many(30, item=item)

    headers = {"accept": "application/x-ndjson"}
    response = await client_of("list_orders").get(f"/orders?item={item}", headers=headers)

    lines = response.content.splitlines()
    assert response.headers["content-type"] == "application/x-ndjson"
    assert [orjson.loads(line)["order_id"] for line in lines] == placed


async def test_the_stream_goes_beyond_one_page() -> None:
    item = reference("item")
    count = module_of("list_orders").MAX_LIMIT + 20
    placed = await asyncio.gather(*(place(item=item) for _ in range(count)))

    headers = {"accept": "application/x-ndjson"}
    response = await client_of("list_orders").get(f"/orders?item={item}", headers=headers)

    streamed = [orjson.loads(line)["order_id"] for line in response.content.splitlines()]
    assert len(streamed) == count
    assert set(streamed) == set(placed)


async def test_a_stream_without_a_match_is_empty() -> None:
    headers = {"accept": "application/x-ndjson"}

    response = await client_of("list_orders").get(
        f"/orders?item={reference('item')}", headers=headers
    )

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    "after", ["x", "*", "LTE", "eA", "%00", "é", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"]
)
@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
async def test_a_bad_cursor_is_refused(after: str, accept: str) -> None:
    response = await client_of("list_orders").get(
        f"/orders?after={quote(after, safe='%')}", headers={"accept": accept}
    )

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "after"


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"limit": "x"},
        {"status": "lost"},
        {"placed_after": "yesterday"},
        {"placed_before": "9999-12-31T23:59:59-14:00"},
        {"item": ""},
        {"colour": "red"},
    ],
    ids=str,
)
async def test_a_wrong_parameter_names_itself(query: dict[str, Any]) -> None:
    response = await get(**query)

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == next(iter(query))


@pytest.mark.parametrize("limit", [1, 500])
async def test_a_limit_at_its_bounds_is_taken(limit: int) -> None:
    await place()

    assert 1 <= len((await get(limit=limit)).json()) <= limit


@pytest.mark.parametrize(
    "query",
    [
        {"placed_after": "0001-01-01T00:00:00Z"},
        {"placed_before": "9999-12-31T23:59:59Z"},
        {"placed_before": "9999-12-31T23:59:59Z", "status": "pending"},
        {"placed_after": "0001-01-01T00:00:00Z", "item": "none"},
    ],
    ids=str,
)
async def test_the_first_and_the_last_day_do_no_harm(query: dict[str, Any]) -> None:
    assert (await get(**query)).status_code == 200


async def test_one_order_shows_its_history_and_why_it_waits() -> None:
    item = reference("item")
    await ordered("backordered", item=item, quantity=9)
    order_id = await ordered("backordered", item=item, quantity=3)

    order = (await get(f"/order/{order_id}")).json()

    assert [step["status"] for step in order["history"]] == ["pending", "backordered"]
    assert order["history"][1]["cause"] == f"short of 3 {item}"
    expected = {"item": item, "needs": 3, "available": 0, "short_by": 3, "ahead": 1}
    expected["more_ahead"] = False
    assert order["waiting"]["items"] == [expected]


async def test_an_order_that_does_not_wait_does_not_say_so() -> None:
    order_id = await ordered()
    await patch(order_id, "shipped")

    assert "waiting" not in (await get(f"/order/{order_id}")).json()


@pytest.mark.parametrize(
    "query", ["status=shipped&status=pending", "limit=1&limit=1", "attention=true&attention=true"]
)
async def test_a_parameter_that_is_given_twice_is_refused_and_named(query: str) -> None:
    response = await get(f"/orders?{query}")

    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"field": query.partition("=")[0], "message": "give it once"}
    ]


async def test_the_path_of_new_orders_says_what_it_takes_and_where_the_list_is() -> None:
    response = await client_of("list_orders").get("/order")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["detail"] == "use POST; the list is at /orders"


@pytest.mark.parametrize("path", ["/order/", "/order/a/b", "/orders/", "/"])
async def test_another_path_is_not_found(path: str) -> None:
    assert (await get(path)).status_code == 404


async def test_an_unknown_order_is_not_found() -> None:
    response = await get(f"/order/{reference()}")

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_id_that_no_order_can_have_is_the_callers_fault() -> None:
    answer = await get("/order/a%00b")

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-path")


@pytest.mark.parametrize("path", ["/orders", "/order/x"])
async def test_a_list_cannot_be_written(path: str) -> None:
    response = await client_of("list_orders").post(path, json=make_order())

    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


# What a page costs on a table of 50,000 orders


@pytest.fixture(scope="module")
def large(postgres: str) -> Iterator[Connection]:
    """A connection to a database of its own with many orders, a second apart, of 500 items."""
    with own_database(postgres) as url, closing(Connection(url)) as connection:
        connection.script(f"""
          INSERT INTO orders (
            order_id, idempotency_key, fingerprint, on_shortage, status, traceparent, placed_at,
            due_at
          )
          SELECT
            'order ' || n, 'key ' || n, '', 'backorder',
            (ARRAY['shipped', 'confirmed', 'pending', 'cancelled'])[n % 4 + 1], '',
            timestamptz '2026-01-01T00:00:00Z' + n * interval '1 second', now() + interval '1 day'
          FROM generate_series(1, {MANY}) AS n;
          INSERT INTO order_lines (position, line, item, quantity)
          SELECT position, 1, 'item ' || position % 500, 1 FROM orders;
          INSERT INTO item_orders (item, status, position)
          SELECT item, status, position FROM orders JOIN order_lines USING (position)
          WHERE status <> 'pending';
          UPDATE orders SET attention = 'look' WHERE position % 200 = 2;
          ANALYZE;
        """)
        yield connection


def rows_read(node: dict[str, Any]) -> int:
    """Return how many rows a plan took from tables, those thrown away included."""
    rows = 0
    if "Relation Name" in node:
        thrown_away = node.get("Rows Removed by Filter", 0) + node.get("Heap Fetches", 0)
        rows = (node["Actual Rows"] + thrown_away) * node["Actual Loops"]
    return int(rows) + sum(rows_read(child) for child in node.get("Plans", []))


def scans(node: dict[str, Any]) -> set[str]:
    found = {node["Node Type"]} if "Relation Name" in node else set()
    return found.union(*(scans(child) for child in node.get("Plans", [])))


def explained(connection: Connection, sql: str, **parameters: object) -> dict[str, Any]:
    rows = connection.run(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", **parameters)
    plan = rows[0][0]
    return dict((orjson.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])


def at(second: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)


PAGE = 50
BY_NOTHING: dict[str, Any] = {}
BY_STATUS = {"status": "pending", "item": None}
BY_ITEM = {"item": "item 7"}
BY_BOTH = {"item": "item 7", "status": "cancelled"}
ALWAYS = {"placed_after": "-infinity", "placed_before": "infinity"}
EARLY = {"placed_after": "-infinity", "placed_before": at(20_000)}
LATE = {"placed_after": at(30_000), "placed_before": "infinity"}
WINDOW = {"placed_after": at(20_000), "placed_before": at(30_000)}


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("SELECT_ORDERS", BY_NOTHING),
        ("SELECT_ORDERS_BY_STATUS", BY_STATUS),
        ("SELECT_ORDERS_BY_ITEM", BY_ITEM),
        ("SELECT_ORDERS_BY_ITEM_AND_STATUS", BY_BOTH),
    ],
    ids=["all", "status", "item", "item and status"],
)
@pytest.mark.parametrize("window", [ALWAYS, EARLY, LATE, WINDOW], ids=["", "early", "late", "both"])
def test_a_page_reads_as_many_rows_at_any_depth(
    large: Connection, name: str, filters: dict[str, Any], window: dict[str, Any]
) -> None:
    sql = getattr(module_of("list_orders"), name)

    for below in (2**63 - 1, 45_000, 25_000, 5_000, 100):
        plan = explained(large, sql, below=below, count=PAGE, **filters, **window)
        assert "Seq Scan" not in scans(plan), plan
        assert rows_read(plan) <= PAGE * 6 + 20, (below, plan)


async def test_an_item_and_a_status_find_an_order_wherever_it_goes(database: Connection) -> None:
    item, other = reference("item"), reference("item")
    order_id = await place(lines=make_lines((item, 1), (other, 1), (item, 2)))
    seen = []

    async def look() -> None:
        found = [s for s in get_args(Status) if ids((await get(item=item, status=s)).json())]
        assert ids((await get(item=other, status=found[0])).json()) == [order_id]
        seen.append(found)

    await look()
    await process(order_id)
    await look()
    await restock(other, 1)
    await restock(item, 3)
    await look()
    await patch(order_id, "shipped")
    await look()

    assert seen == [["pending"], ["backordered"], ["confirmed"], ["shipped"]]
    rows = database.run(
        "SELECT item, status FROM item_orders WHERE item IN (:a, :b)", a=item, b=other
    )
    assert sorted(rows) == sorted([[item, "shipped"], [other, "shipped"]])


def test_a_rare_status_of_a_common_item_costs_no_more_than_a_common_one(
    large: Connection,
) -> None:
    sql = module_of("list_orders").SELECT_ORDERS_BY_ITEM_AND_STATUS
    large.script("""
      UPDATE order_lines SET item = 'common' WHERE position % 4 = 0 OR position < 50;
      INSERT INTO item_orders (item, status, position)
      SELECT item, status, position FROM orders JOIN order_lines USING (position)
      WHERE item = 'common' AND status <> 'pending';
      ANALYZE;
    """)

    read = {}
    for status in ("shipped", "cancelled"):  # of 12,500 orders of the item, and of 12 old ones
        filters = {"item": "common", "status": status, **ALWAYS}
        rows = large.run(sql, below=2**63 - 1, count=PAGE, **filters)
        read[len(rows)] = rows_read(explained(large, sql, below=2**63 - 1, count=PAGE, **filters))

    assert read.keys() == {PAGE, 12}
    assert read[12] <= read[PAGE] <= PAGE * 6 + 20


@pytest.mark.parametrize(
    "name",
    ["SELECT_ORDERS", "SELECT_ORDERS_BY_STATUS", "SELECT_ORDERS_BY_ITEM",
     "SELECT_ORDERS_BY_ITEM_AND_STATUS"],
)  # fmt: skip
def test_at_a_hundred_times_as_many_a_page_is_still_read_in_order(
    large: Connection, name: str
) -> None:
    sql, _ = to_statement(getattr(module_of("list_orders"), name))
    more = "UPDATE pg_class SET reltuples = reltuples * 100"
    large.run("BEGIN")
    large.run(f"{more} WHERE relname IN ('orders', 'order_lines', 'item_orders')")
    assert large._native is not None
    rows = large._native.execute_simple(f"EXPLAIN (GENERIC_PLAN) {sql}").rows
    large.run("ROLLBACK")

    plan = "\n".join(line for (line,) in rows)

    # Either would look at whatever matches, to show the first few.
    assert "Bitmap" not in plan, plan
    assert "Sort Key: orders" not in plan, plan


def test_what_needs_a_person_is_found_without_reading_the_rest(large: Connection) -> None:
    sql = module_of("list_orders").SELECT_ORDERS_BY_ATTENTION

    for below in (2**63 - 1, 45_000, 25_000):
        filters = {"status": None, "item": None, **ALWAYS}
        plan = explained(large, sql, below=below, count=PAGE, **filters)
        assert "Seq Scan" not in scans(plan), plan
        assert rows_read(plan) <= PAGE * 6 + 20, (below, plan)


def test_a_page_of_own_orders_reads_none_of_others(large: Connection) -> None:
    sql = module_of("list_orders").SELECT_OWN_ORDERS
    large.run("UPDATE orders SET placed_by = 'alice' WHERE position % 50 = 3")
    own = {"owner": "alice", "status": None, "item": None, "attention": None}

    for window in (ALWAYS, EARLY, LATE):
        for below in (2**63 - 1, 25_000, 100):
            page = explained(large, sql, below=below, count=PAGE, **own, **window)
            assert "Seq Scan" not in scans(page), page
            assert rows_read(page) <= 1_000 + PAGE * 6, (below, page)
    page = explained(large, sql, below=2**63 - 1, count=PAGE, **own, **ALWAYS)
    assert rows_read(page) <= PAGE * 6 + 20, page
    none = explained(large, sql, below=2**63 - 1, count=PAGE, **own | {"owner": "bob"}, **ALWAYS)
    assert rows_read(none) == 0, none


@pytest.mark.parametrize("name", ["CLAIM_OVERDUE_ORDERS", "MARK_OVERDUE_ORDERS"])
def test_a_tick_finds_what_is_due_without_reading_the_rest(large: Connection, name: str) -> None:
    sweep = module_of("sweep")
    parameters = sweep.ANNOUNCE_BACKOFF if name == "CLAIM_OVERDUE_ORDERS" else {}

    plan = explained(large, getattr(sweep, name), count=500, **parameters)

    assert "Seq Scan" not in scans(plan), plan
    assert rows_read(plan) <= 10, plan


def test_a_tick_finds_expired_holds_without_reading_the_rest(large: Connection) -> None:
    plan = explained(large, SELECT_EXPIRED, count=200)

    assert "Seq Scan" not in scans(plan), plan
    assert rows_read(plan) <= 10, plan


def test_one_order_is_found_without_reading_others(large: Connection) -> None:
    plan = explained(large, SELECT_ORDER, order_id="order 25000", event_id="x", owner=None, most=10)

    assert "Seq Scan" not in scans(plan)
    assert rows_read(plan) <= 10


def test_a_repeated_create_is_found_without_reading_others(large: Connection) -> None:
    sql = module_of("create_order").SELECT_PLACED
    asked = [
        {"number": 0, "order_id": "order 7", "idempotency_key": "key 25000"},
        {"number": 1, "order_id": "order 40000", "idempotency_key": None},
    ]

    plan = explained(large, sql, asked=Json(asked))

    assert "Seq Scan" not in scans(plan)
    assert rows_read(plan) <= 30


def test_locking_a_few_orders_reads_only_those(large: Connection) -> None:
    order_ids = ["order 7", "order 40000"]

    plans = [
        explained(large, LOCK_STOCK, order_ids=order_ids, items=[], skip_locked=False),
        explained(large, LOCK_ORDERS, order_ids=order_ids),
    ]

    for plan in plans:
        assert "Seq Scan" not in scans(plan)
        assert rows_read(plan) <= 30
