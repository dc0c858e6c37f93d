"""What becomes of orders and stock over time, and what the rest of the world hears of it."""

import re
from contextlib import closing

import pytest

from orderflow.database.connection import Connection
from tests.support.kafka_topics import Record, produce, records
from tests.support.shop import Call, Shop, at_once, reference
from tests.support.waiting import eventually


def placed_event(shop: Shop, order_id: str) -> Record:
    """The first `order.placed` of an order."""
    return records(shop.servers[1], "orders", order_id, 1)[0]


def awaited_events(shop: Shop, order_id: str, count: int) -> list[Record]:
    """What downstream hears of an order."""
    return records(shop.servers[1], "order-events", order_id, count)


def deliver_again(shop: Shop, event: Record, times: int, function: str) -> None:
    """Put an event on its topic again and wait until its function has answered each delivery."""
    event_id = event.attributes()["ce_id"]
    eventually(lambda: shop.answers(function, event_id) == 1)
    produce(shop.servers[1], *[event] * times)
    eventually(lambda: shop.answers(function, event_id) == 1 + times)


def test_restock_fills_backorders_in_order_of_arrival(shop: Shop) -> None:
    item = reference("item")
    waiting = [shop.placed("backordered", item=item, quantity=2) for _ in range(5)]

    shop.stock(item, 6)

    shop.await_status(waiting[2], "confirmed")
    states = [shop.status(order_id) for order_id in waiting]
    assert states == ["confirmed"] * 3 + ["backordered"] * 2
    assert shop.shelf(item)["available"] == 0


def test_order_that_does_not_fit_does_not_block_a_smaller_one(shop: Shop) -> None:
    item = reference("item")
    large = shop.placed("backordered", item=item, quantity=10)
    small = shop.placed("backordered", item=item, quantity=3)

    shop.stock(item, 4)

    shop.await_status(small, "confirmed")
    assert shop.status(large) == "backordered"
    assert shop.shelf(item)["available"] == 1


def test_order_of_many_items_waits_for_all_of_them_and_says_for_what(shop: Shop) -> None:
    there, missing = reference("item"), reference("item")
    shop.stock(there, 1)
    lines = [{"item": there, "quantity": 1}, {"item": missing, "quantity": 2}]

    order_id = shop.placed("backordered", lines=lines)
    waits_for = {wait["item"]: wait for wait in shop.order(order_id)["waiting"]["items"]}
    held_meanwhile = shop.shelf(there)["reserved"]
    shop.stock(missing, 2)

    assert (waits_for[missing]["needs"], waits_for[missing]["available"]) == (2, 0)
    assert held_meanwhile == 0
    shop.await_status(order_id, "confirmed")
    assert [shop.shelf(item)["available"] for item in (there, missing)] == [0, 0]


def test_lines_of_one_item_are_counted_together(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 5)
    twice_three = [{"item": item, "quantity": 3}] * 2
    twice_two = [{"item": item, "quantity": 2}, {"item": item, "quantity": 3}]

    refused = shop.placed("rejected", lines=twice_three, on_shortage="reject")
    filled = shop.placed("confirmed", lines=twice_two)

    assert shop.history(refused) == ["pending", "rejected"]
    assert shop.history(filled) == ["pending", "confirmed"]
    assert shop.shelf(item)["reserved"] == 5


def test_cancelled_order_gives_its_stock_to_who_waits(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 5)
    holder = shop.placed("confirmed", item=item, quantity=5)
    waiting = shop.placed("backordered", item=item, quantity=4)

    answer = shop.patch(holder, "cancelled")

    assert answer.json() == {"order_id": holder, "status": "cancelled"}
    shop.await_status(waiting, "confirmed")
    assert shop.shelf(item)["available"] == 1


def test_stock_of_a_hold_that_expires_goes_to_who_waits(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 5)
    held = shop.placed("confirmed", item=item, quantity=5, hold_minutes=30)
    waiting = shop.placed("backordered", item=item, quantity=4)
    deadline = shop.order(held)["waiting"]["at_deadline"]

    shop.query("UPDATE orders SET due_at = now() WHERE order_id = :id", id=held)

    shop.await_status(waiting, "confirmed")
    assert deadline == "its hold of 30 minutes ends: it is cancelled, and its stock is free again"
    assert shop.history(held) == ["pending", "confirmed", "cancelled"]
    assert shop.order(held)["history"][-1]["cause"] == "hold of 30 minutes expired"
    assert shop.shelf(item)["available"] == 1
    events = awaited_events(shop, held, 2)
    assert events[-1].attributes()["ce_type"] == "orderflow.order.cancelled.v1"


@pytest.mark.parametrize(
    ("status", "on_hand", "kind"), [("cancelled", 5, "release"), ("shipped", 2, "ship")]
)
async def test_order_cancelled_or_shipped_by_many_at_once_is_so_once(
    shop: Shop, status: str, on_hand: int, kind: str
) -> None:
    item = reference("item")
    shop.stock(item, 5)
    order_id = shop.placed("confirmed", item=item, quantity=3)

    answers = await at_once(shop, [Call("PATCH", f"/order/{order_id}", {"status": status})] * 20)

    assert {answer.status_code for answer in answers} == {200}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    shelf = shop.shelf(item)
    assert (shelf["on_hand"], shelf["reserved"]) == (on_hand, 0)
    assert [entry["kind"] for entry in shelf["ledger"]].count(kind) == 1
    assert shop.history(order_id) == ["pending", "confirmed", status]


def test_order_that_left_the_shop_cannot_be_cancelled(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 1)
    order_id = shop.placed("confirmed", item=item, quantity=1)
    shop.patch(order_id, "shipped")

    refused = shop.patch(order_id, "cancelled")

    assert refused.status_code == 409
    assert "the order is shipped" in refused.json()["detail"]
    assert (shop.status(order_id), shop.shelf(item)["on_hand"]) == ("shipped", 0)


def test_cancelled_backorder_leaves_the_queue(shop: Shop) -> None:
    item = reference("item")
    first, second = (shop.placed("backordered", item=item, quantity=1) for _ in range(2))

    shop.patch(first, "cancelled")
    shop.stock(item, 1)

    shop.await_status(second, "confirmed")
    assert shop.history(first) == ["pending", "backordered", "cancelled"]


def test_event_delivered_three_times_has_one_effect(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 10)
    order_id = shop.placed("confirmed", item=item, quantity=3)
    event = placed_event(shop, order_id)

    deliver_again(shop, event, 3, "process-order")

    assert shop.history(order_id) == ["pending", "confirmed"]
    assert shop.shelf(item)["reserved"] == 3
    assert len(awaited_events(shop, order_id, 1)) == 1


def test_event_that_comes_after_its_successors_changes_nothing(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 10)
    order_id = shop.placed("confirmed", item=item, quantity=3)
    event = placed_event(shop, order_id)
    shop.patch(order_id, "cancelled")

    deliver_again(shop, event, 1, "process-order")

    assert shop.history(order_id) == ["pending", "confirmed", "cancelled"]
    assert shop.shelf(item)["available"] == 10


def test_inventory_event_delivered_again_counts_once(shop: Shop) -> None:
    item = reference("item")
    shop.call("POST", "/inventory", {"item": item, "adjust": 4})
    eventually(lambda: shop.shelf(item)["on_hand"] == 4)
    (event,) = records(shop.servers[1], "inventory", item, 1)

    deliver_again(shop, event, 3, "apply-inventory")

    assert shop.shelf(item)["on_hand"] == 4
    assert len(shop.shelf(item)["ledger"]) == 1


def test_downstream_hears_each_move_once_in_its_order(shop: Shop) -> None:
    item = reference("item")
    order_id = shop.placed("backordered", item=item, quantity=2)
    shop.stock(item, 2)
    shop.await_status(order_id, "confirmed")
    shop.patch(order_id, "shipped")

    heard = [record.attributes() for record in awaited_events(shop, order_id, 3)]

    types = [f"orderflow.order.{move}.v1" for move in ("backordered", "confirmed", "shipped")]
    assert [attributes["ce_type"] for attributes in heard] == types
    assert [attributes["ce_sequence"] for attributes in heard] == ["2", "3", "4"]
    assert {attributes["ce_subject"] for attributes in heard} == {order_id}
    assert len({attributes["ce_id"] for attributes in heard}) == 3


def test_event_is_a_cloud_event_in_binary_mode(shop: Shop) -> None:
    lines = [{"item": reference("item"), "quantity": 2}]
    order_id = shop.place(lines=lines)

    record = placed_event(shop, order_id)

    attributes = record.attributes()
    assert attributes["ce_specversion"] == "1.0"
    assert attributes["ce_type"] == "orderflow.order.placed.v1"
    assert attributes["ce_source"] == "/orderflow/create_order"
    assert attributes["ce_sequence"] == "1"
    assert attributes["ce_partitionkey"] == order_id
    assert attributes["content-type"] == "application/json"
    assert record.data() == {"order_id": order_id, "lines": lines, "on_shortage": "backorder"}


def test_announced_again_an_order_keeps_its_event_id(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 1)
    with closing(Connection(shop.servers[0])) as other, other.transaction():
        other.run("SELECT FROM stock WHERE item = :item FOR UPDATE", item=item)
        order_id = shop.place(item=item, quantity=1)

        shop.query("UPDATE orders SET due_at = now() WHERE order_id = :id", id=order_id)
        first, again = records(shop.servers[1], "orders", order_id, 2)

    assert again.attributes()["ce_id"] == first.attributes()["ce_id"]
    assert again.data() == first.data()
    shop.await_status(order_id, "confirmed")
    assert shop.history(order_id) == ["pending", "confirmed"]


def test_trace_of_the_caller_goes_on_with_every_event(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 1)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    order_id = shop.place({"traceparent": trace}, item=item, quantity=1)
    events = [placed_event(shop, order_id), *awaited_events(shop, order_id, 1)]

    assert [event.attributes()["traceparent"] for event in events] == [trace, trace]
    assert [event.attributes()["ce_traceparent"] for event in events] == [trace, trace]


def test_caller_without_a_trace_gets_one(shop: Shop) -> None:
    order_id = shop.place(item=reference("item"), quantity=1)

    trace = placed_event(shop, order_id).attributes()["traceparent"]

    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", trace)


def test_event_with_a_name_in_any_script_arrives(shop: Shop) -> None:
    item, order_id = f"Größe „42“ 🚀 {reference()}", f"№ 7 % {reference()}"
    shop.call("POST", "/inventory", {"item": item, "stock": 1})

    shop.place(order_id=order_id, item=item, quantity=1)

    quoted = placed_event(shop, order_id).attributes()["ce_subject"]
    assert quoted.isascii()
    sql = "SELECT status FROM orders WHERE order_id = :id"
    eventually(lambda: shop.query(sql, id=order_id) == [["confirmed"]])
