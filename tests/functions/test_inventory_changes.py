"""GET /inventory/changes: what was told of stock, chosen by what became of it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from orderflow.database.connection import Connection
from tests.functions.test_list_orders import explained, rows_read, scans
from tests.support.function_calls import (
    apply,
    client_of,
    module_of,
    own_database,
    reference,
    tell,
)

PAGE = 50
MANY = 50_000
RARE = 5_000  # one of so many is refused, another superseded, a third pending
STATUSES = ["pending", "applied", "superseded", "refused"]


async def get(**query: Any) -> httpx.Response:
    return await client_of("list_inventory").get("/inventory/changes", params=query)


async def told(item: str, **fields: Any) -> str:
    """Tell a change and apply it; return its id."""
    response = await tell(item, **fields)
    assert response.status_code == 202, response.text
    assert (await apply(item)).status_code == 204
    return str(response.json()["change_id"])


async def ids(**query: Any) -> list[str]:
    """Follow the links to the last page; return the ids of all changes."""
    response = await get(**query)
    assert response.status_code == 200, response.text
    found = [change["change_id"] for change in response.json()]
    while link := response.links.get("next", {}).get("url"):
        response = await client_of("list_inventory").get(link)
        found += [change["change_id"] for change in response.json()]
    return found


async def changes_of(item: str) -> dict[str, str]:
    """A change of each outcome, in the order in which they are told."""
    earlier = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    made = {
        "applied": await told(item, stock=2),
        "superseded": await told(item, stock=9, occurred_at=earlier),
        "refused": await told(item, adjust=-3, reason="damaged"),
    }
    return made | {"pending": (await tell(item, adjust=1)).json()["change_id"]}


async def test_changes_are_chosen_by_outcome_and_item() -> None:
    item, other = reference("item"), reference("item")
    made, others = await changes_of(item), await changes_of(other)

    assert await ids(item=item) == [*made.values()][::-1]
    for outcome, change_id in made.items():
        assert await ids(item=item, outcome=outcome) == [change_id]
        assert (await ids(outcome=outcome, limit=500))[:2] == [others[outcome], change_id]
    assert (await ids())[:4] == [*others.values()][::-1]
    assert await ids(item=reference("item")) == []


async def test_a_change_in_the_list_is_what_its_own_path_shows() -> None:
    item = reference("item")
    made = await changes_of(item)

    for listed in (await get(item=item)).json():
        path = f"/inventory/changes/{listed['change_id']}"
        assert (await client_of("list_inventory").get(path)).json() == listed
    (refused,) = (await get(item=item, outcome="refused")).json()
    assert refused["change_id"] == made["refused"]
    assert refused["why"] == "on hand would have fallen below zero"
    assert (refused["adjust"], refused["reason"]) == (-3, "damaged")


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
async def test_pages_have_every_change_once(limit: int) -> None:
    item = reference("item")
    made = [await changes_of(item) for _ in range(2)]
    newest_first = [change_id for one in made for change_id in one.values()][::-1]

    assert await ids(item=item, limit=limit) == newest_first
    assert sorted(
        [change for outcome in STATUSES for change in await ids(item=item, outcome=outcome)]
    ) == sorted(newest_first)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"outcome": "lost"}, "outcome"),
        ({"outcome": ""}, "outcome"),
        ({"item": ""}, "item"),
        ({"limit": 501}, "limit"),
        ({"after": "*"}, "after"),
        ({"status": "refused"}, "status"),
    ],
)
async def test_a_wrong_parameter_is_refused(query: dict[str, Any], field: str) -> None:
    response = await get(**query)

    assert response.status_code == 422
    assert [fault["field"] for fault in response.json()["errors"]] == [field]


async def test_the_list_cannot_be_written() -> None:
    response = await client_of("list_inventory").post("/inventory/changes", json={})

    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.fixture(scope="module")
def large(postgres: str) -> Iterator[Connection]:
    """50,000 applied changes of 100 items, among which few have another status."""
    with own_database(postgres) as url, closing(Connection(url)) as connection:
        connection.script(f"""
          INSERT INTO inventory_changes (
            change_id, item, adjust, occurred_at, fingerprint, traceparent, announce_at,
            outcome, applied_at
          )
          SELECT 'change ' || n, 'item ' || n % 100, 1, now(), '', '', now(), outcome,
            CASE WHEN outcome IS NOT NULL THEN now() END
          FROM generate_series(1, {MANY}) AS n, LATERAL (
            SELECT CASE n % {RARE}
              WHEN 7 THEN 'refused' WHEN 107 THEN 'superseded' WHEN 207 THEN NULL ELSE 'applied'
            END
          ) AS made (outcome);
          ANALYZE;
        """)
        yield connection


@pytest.mark.parametrize("outcome", [None, *STATUSES])
@pytest.mark.parametrize("item", [None, "item 7"])
def test_a_page_reads_as_many_rows_at_any_depth_whatever_is_asked(
    large: Connection, outcome: str | None, item: str | None
) -> None:
    functions = module_of("list_inventory")
    sql = functions.SELECT_CHANGES if item is None else functions.SELECT_CHANGES_BY_ITEM
    wanted = {"statuses": [outcome] if outcome else STATUSES, "count": PAGE}
    wanted |= {} if item is None else {"item": item}

    for below in (2**63 - 1, 25_000, 10_000, 100):
        plan = explained(large, sql, below=below, **wanted)
        assert "Seq Scan" not in scans(plan), plan
        assert rows_read(plan) <= PAGE * 4 + 8, (below, plan)
