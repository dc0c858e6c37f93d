"""The overview of a stack that runs: over HTTP, by the client, and in a terminal."""

from pathlib import Path
from typing import Any

import pytest

from orderflow_client import OrderFlow
from tests.support.commands import orderflow, said
from tests.support.contract import check_answer
from tests.support.shop import Shop, reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.any_broker


def overview(shop: Shop) -> dict[str, Any]:
    answer = shop.call("GET", "/overview")
    check_answer("get_overview", answer)
    found: dict[str, Any] = answer.json()
    return found


def truth(shop: Shop) -> dict[str, int]:
    rows = shop.query("SELECT status, count(*) FROM orders GROUP BY status")
    return {status: n for status, n in rows}  # noqa: C416 (dict() takes no list of lists)


def test_orders_are_counted_as_they_go_through_the_whole(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 2)
    shipped, cancelled = (shop.placed("confirmed", item=item, quantity=1) for _ in range(2))
    shop.placed("backordered", item=item, quantity=5)
    assert shop.patch(shipped, "shipped").status_code == 200
    assert shop.patch(cancelled, "cancelled").status_code == 200

    eventually(lambda: {k: n for k, n in overview(shop)["orders"].items() if n} == truth(shop))

    told = overview(shop)
    assert told["allocation_ms"]["orders"] >= 3
    assert told["last_sweep"]["age_s"] < 60
    assert {row["topic"] for row in told["consumer_lag"]} == {"orders", "inventory"}
    short = {"item": item, "available": 1, "orders": 1, "units": 5}
    eventually(lambda: short in overview(shop)["short_items"]["items"])


def test_an_item_below_its_threshold_is_low(shop: Shop) -> None:
    item = reference("item")

    with OrderFlow(shop.url) as client:
        client.count(item, 3, threshold=4)
        low = {"item": item, "available": 3, "threshold": 4}
        eventually(lambda: low in client.overview()["low_items"]["items"])

        client.set_threshold(item, 0)
        eventually(lambda: low not in client.overview()["low_items"]["items"])
        assert client.item(item)["threshold"] is None


def test_top_prints_the_overview_of_the_stack_that_runs(shop: Shop) -> None:
    by_folder = orderflow("top", "--once", "--data", shop.data)
    by_url = orderflow("top", "--url", shop.url)  # no terminal, so once

    for done in (by_folder, by_url):
        assert done.status == 0, done.stderr
        assert shop.url in done.stdout
        assert "needs a person" in done.stdout
        assert "consumer lag" in done.stdout


def test_top_of_nothing_says_so(tmp_path: Path) -> None:
    assert said(orderflow("top", "--data", tmp_path)) == (
        f"nothing runs in {tmp_path}: give --url, or --data of a stack"
    )
    assert "does not answer" in said(orderflow("top", "--url", "http://127.0.0.1:9"))
