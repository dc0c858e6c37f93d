"""The three calls that OrderFlow was described with, made with curl, answer as described."""

import json
import subprocess
from typing import Any

from tests.support.shop import Shop, reference
from tests.support.waiting import DEADLINE_S


def curl(*arguments: str) -> Any:
    """Call as a user does and return the JSON of the answer."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    return json.loads(done.stdout)


def post(url: str, body: dict[str, Any]) -> Any:
    return curl("-X", "POST", url, "-H", "Content-Type: application/json", "-d", json.dumps(body))


def test_order_is_received_stored_and_sent(shop: Shop) -> None:
    order_id = reference()

    answer = post(f"{shop.url}/order", {"order_id": order_id, "item": "Laptop", "quantity": 1})

    assert answer["message"] == "Order received, stored in DB, and sent to Kafka"
    assert answer["order_id"] == order_id


def test_inventory_update_is_received_and_sent(shop: Shop) -> None:
    answer = post(f"{shop.url}/inventory", {"item": reference("item"), "stock": 100})

    assert answer["message"] == "Inventory update received and sent to Kafka"


def test_orders_are_a_list_of_order_item_and_quantity(shop: Shop) -> None:
    order_id, item = reference(), reference("item")
    shop.place(order_id=order_id, item=item, quantity=3)

    orders = curl(f"{shop.url}/orders")

    assert isinstance(orders, list)
    shown = [{name: o[name] for name in ("order_id", "item", "quantity")} for o in orders[:1]]
    assert shown == [{"order_id": order_id, "item": item, "quantity": 3}]


def test_order_of_an_item_in_stock_is_confirmed(shop: Shop) -> None:
    order_id, item = reference(), reference("Laptop")

    post(f"{shop.url}/inventory", {"item": item, "stock": 100})
    post(f"{shop.url}/order", {"order_id": order_id, "item": item, "quantity": 1})

    shop.await_status(order_id, "confirmed")
    assert shop.shelf(item)["available"] == 99


def test_form_that_curl_sends_by_itself_is_refused_with_a_reason(shop: Shop) -> None:
    answer = subprocess.run(
        ["curl", "--silent", "-d", '{"item": "Laptop"}', f"{shop.url}/inventory"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )

    problem = json.loads(answer.stdout)
    assert (problem["status"], problem["type"]) == (415, "/problems/not-json")
