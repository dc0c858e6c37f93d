"""Many callers at one instant: nothing is oversold, and the same order is placed once."""

from collections import Counter

import pytest

from tests.support.shop import Call, Shop, at_once, reference
from tests.support.waiting import eventually

CALLERS = 400
UNITS = 50


@pytest.mark.parametrize(
    ("on_shortage", "left_over"), [("backorder", "backordered"), ("reject", "rejected")]
)
async def test_last_units_go_to_as_many_callers_as_there_are_units(
    shop: Shop, on_shortage: str, left_over: str
) -> None:
    item = reference("item")
    shop.stock(item, UNITS)
    wanted = {"item": item, "quantity": 1, "on_shortage": on_shortage}
    orders = [{"order_id": reference()} | wanted for _ in range(CALLERS)]

    answers = await at_once(shop, [Call("POST", "/order", order) for order in orders])

    assert {answer.status_code for answer in answers} == {201}
    eventually(lambda: "pending" not in outcomes(shop, item))
    assert outcomes(shop, item) == {"confirmed": UNITS, left_over: CALLERS - UNITS}
    assert shop.shelf(item)["available"] == 0
    assert shop.proof([str(order["order_id"]) for order in orders]).holds


async def test_orders_of_many_items_in_opposite_order_all_end(shop: Shop) -> None:
    items = [reference("item") for _ in range(5)]
    for item in items:
        shop.stock(item, UNITS)
    lines = [{"item": item, "quantity": 1} for item in items]
    orders = [
        {"order_id": reference(), "lines": lines[:: (-1) ** number]} for number in range(CALLERS)
    ]

    answers = await at_once(shop, [Call("POST", "/order", order) for order in orders])

    assert {answer.status_code for answer in answers} == {201}
    eventually(lambda: "pending" not in outcomes(shop, items[0]))
    assert outcomes(shop, items[0]) == {"confirmed": UNITS, "backordered": CALLERS - UNITS}
    assert shop.proof([str(order["order_id"]) for order in orders]).holds


async def test_equal_orders_at_one_instant_are_one_order(shop: Shop) -> None:
    order = {"order_id": reference(), "item": reference("item"), "quantity": 2}

    answers = await at_once(shop, [Call("POST", "/order", order)] * 50)

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    replayed = [a for a in answers if a.headers.get("Idempotent-Replayed") == "true"]
    assert {answer.status_code for answer in replayed} == {200}
    assert len(replayed) == 49
    assert len({answer.text for answer in answers}) == 1
    assert len(shop.call("GET", f"/orders?item={order['item']}").json()) == 1


async def test_one_id_with_two_bodies_is_the_order_of_one_of_them(shop: Shop) -> None:
    order_id, item = reference(), reference("item")
    orders = [{"order_id": order_id, "item": item, "quantity": 1 + n % 2} for n in range(50)]

    answers = await at_once(shop, [Call("POST", "/order", order) for order in orders])

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 24, 409: 25}
    stored = shop.order(order_id)["quantity"]
    accepted = [o for o, a in zip(orders, answers, strict=True) if a.status_code < 300]
    assert {order["quantity"] for order in accepted} == {stored}


async def test_change_told_by_many_at_once_is_applied_once(shop: Shop) -> None:
    item = reference("item")
    change = {"item": item, "adjust": 7, "change_id": reference("change")}

    answers = await at_once(shop, [Call("POST", "/inventory", change)] * 50)

    assert {answer.status_code for answer in answers} == {202}
    eventually(lambda: shop.shelf(item)["on_hand"] > 0)
    assert [entry["on_hand_change"] for entry in shop.shelf(item)["ledger"]] == [7]


def outcomes(shop: Shop, item: str) -> dict[str, int]:
    """How many of the orders of an item are in which state."""
    sql = """SELECT status, count(*) FROM orders
      WHERE position IN (SELECT position FROM order_lines WHERE item = :item) GROUP BY status"""
    return dict(shop.query(sql, item=item))
