"""The threshold of an item: told with a change or alone; what falls below it is listed."""

from typing import Any

import httpx
import pytest

from orderflow.audit.checks import audit
from orderflow.database.connection import Connection
from orderflow.overview.figures import read_items
from tests.support.contract import check_answer
from tests.support.function_calls import (
    apply,
    client_of,
    ledger_of,
    ordered,
    reference,
    shelf_of,
    tell,
)


async def guard(item: str, **told: Any) -> httpx.Response:
    """Tell a change and have it applied."""
    answer = await tell(item, **told)
    assert answer.status_code == 202, answer.text
    assert (await apply(item)).status_code == 204
    return answer


async def threshold_of(item: str) -> int | None:
    answer = await client_of("list_inventory").get(f"/inventory/{item}")
    check_answer("get_item", answer)
    found: int | None = answer.json()["threshold"]
    return found


def lack(database: Connection, item: str) -> list[dict[str, Any]]:
    listed = read_items(database)["low_items"]["items"]
    return [row for row in listed if row["item"] == item]


async def test_what_falls_below_it_is_listed_until_it_is_restocked(database: Connection) -> None:
    item = reference("item")
    await guard(item, stock=5, threshold=5)
    at_first = lack(database, item)

    await guard(item, adjust=-2)
    then = lack(database, item)
    await guard(item, stock=9)

    assert (at_first, lack(database, item)) == ([], [])
    assert then == [{"item": item, "available": 3, "threshold": 5}]


async def test_what_is_reserved_is_not_available(database: Connection) -> None:
    item = reference("item")
    await ordered(item=item, quantity=3)
    await guard(item, adjust=2, threshold=3)

    assert lack(database, item) == [{"item": item, "available": 2, "threshold": 3}]


async def test_alone_it_moves_no_stock_and_is_on_record(database: Connection) -> None:
    item = reference("item")
    await guard(item, stock=5)

    answer = await guard(item, threshold=7, reason="spring sale")

    assert await threshold_of(item) == 7
    assert shelf_of(database, item) == (5, 0, False)
    assert ledger_of(database, item) == (5, 0)
    told = await client_of("list_inventory").get(answer.headers["location"])
    check_answer("get_inventory_change", told)
    shown = told.json()
    assert (shown["status"], shown["adjust"], shown["threshold"]) == ("applied", 0, 7)
    entry = (await client_of("list_inventory").get(f"/inventory/{item}")).json()["ledger"][0]
    assert (entry["on_hand_change"], entry["reason"]) == (0, "spring sale")


async def test_an_item_may_have_one_before_it_has_stock(database: Connection) -> None:
    item = reference("item")

    await guard(item, threshold=2)

    assert lack(database, item) == [{"item": item, "available": 0, "threshold": 2}]


async def test_a_change_without_one_leaves_it_and_0_takes_it_away(database: Connection) -> None:
    item, seen = reference("item"), []
    for told in ({"stock": 1, "threshold": 4}, {"stock": 2}, {"adjust": -1}, {"threshold": 0}):
        await guard(item, **told)
        seen.append(await threshold_of(item))

    assert seen == [4, 4, 4, None]
    assert lack(database, item) == []


async def test_the_last_that_was_told_counts_however_late_its_count(database: Connection) -> None:
    item = reference("item")
    await guard(item, stock=9)
    for threshold in (3, 5, 4):
        await tell(item, stock=1, occurred_at="2020-01-01T00:00:00Z", threshold=threshold)

    await apply(item)

    assert await threshold_of(item) == 4
    assert shelf_of(database, item) == (9, 0, False)


async def test_one_that_comes_with_a_refused_change_is_refused(database: Connection) -> None:
    item = reference("item")
    await guard(item, stock=1, threshold=2)

    await guard(item, adjust=-5, threshold=9)

    assert await threshold_of(item) == 2


async def test_a_repeat_changes_nothing_and_another_threshold_is_another_body() -> None:
    item, change_id = reference("item"), reference("change")
    told = {"stock": 1, "change_id": change_id}

    answers = [await tell(item, **told, threshold=n) for n in (5, 5, 6)]
    answers.append(await tell(item, **told))

    assert [answer.status_code for answer in answers] == [202, 202, 409, 409]


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({}, "stock"),
        ({"threshold": -1}, "threshold"),
        ({"threshold": "5"}, "threshold"),
        ({"threshold": 10**10}, "threshold"),
        ({"threshold": 5, "stock": 1, "adjust": 1}, "stock"),
        ({"threshold": 5, "adjust": 0}, "adjust"),
    ],
)
async def test_what_is_no_threshold_is_refused(told: dict[str, Any], field: str) -> None:
    answer = await tell(reference("item"), **told)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_the_ledger_still_adds_up(database: Connection) -> None:
    item = reference("item")
    await guard(item, stock=5, threshold=7)
    await guard(item, threshold=2)

    found = {finding.check: finding.rows for finding in audit(database).findings}

    assert item not in str(found["changes"] + found["ledger"])
