"""Why an order waits, from the real tables, and that the commands it names do move it."""

import json
import shlex
from typing import Any
from urllib.parse import quote, unquote

import pytest

from orderflow.database.connection import Connection
from orderflow.events import attempts
from orderflow.events.messages import event_id
from orderflow.events.models import InventoryChanged, OrderPlaced
from orderflow.orders.diagnosis.retry import Retried, retry_marked, retry_orders
from tests.support.function_calls import (
    apply,
    client_of,
    make_lines,
    module_of,
    ordered,
    patch,
    place,
    process,
    records_of,
    reference,
    restock,
    status_of,
    tell,
    tick,
    unpublished,
)
from tests.support.waiting import eventually_async


async def waiting(order_id: str) -> dict[str, Any]:
    response = await client_of("list_orders").get(f"/order/{quote(order_id, safe='')}")
    assert response.status_code == 200, response.text
    return dict(response.json()["waiting"])


async def follow(database: Connection, command: str) -> None:
    """Give one command as it stands, and let its event be processed."""
    program, *words = shlex.split(command)
    if program == "orderflow":
        order_ids = [word for word in words[1:] if word != "--"]
        assert retry_orders(database, order_ids) == (order_ids, [])
        await tick()
        for order_id in order_ids:
            assert (await process(order_id)).status_code == 204
        return
    _, method, url, *_, body = words
    path = url.removeprefix("http://127.0.0.1")  # where `waiting` came from
    by_method = {"POST": "redrive", "PATCH": "update_order"}
    function = "update_inventory" if path == "/inventory" else by_method[method]
    response = await client_of(function).request(method, path, json=json.loads(body))
    assert response.status_code in (200, 202), response.text
    if function == "redrive":
        await tick()
        assert (await process(unquote(path.split("/")[2]))).status_code == 204
    if path == "/inventory":
        assert (await apply(json.loads(body)["item"])).status_code == 204


def set_order(database: Connection, order_id: str, assignments: str) -> None:
    database.run(f"UPDATE orders SET {assignments} WHERE order_id = :id", id=order_id)


def keep_letter(
    database: Connection, error: str, consumer: str | None = None, **columns: str
) -> int:
    """Keep a dead letter of an order or of an item; return its id."""
    (column,) = columns
    topic, reader = {
        "order_id": ("orders", "process-order"),
        "item": ("inventory", "apply-inventory"),
    }[column]
    sql = f"""INSERT INTO dead_letters (
        identity, event_id, type, {column}, topic, attributes, data, data_bytes, destination,
        consumer, error
      )
      VALUES (:identity, '', 't', :value, :topic, '{{}}', '', 0, '', :consumer, :error)
      RETURNING position"""
    identity, value = reference("letter"), columns[column]
    told = {"topic": topic, "consumer": consumer or reader, "error": error}
    ((letter,),) = database.run(sql, identity=identity, value=value, **told)
    return int(letter)


async def fail(order_id: str, times: int, error: str) -> None:
    """Count failed attempts at an order's event as its function would."""

    async def attempt() -> None:
        raise RuntimeError(error)

    for _ in range(times):
        failed = event_id(OrderPlaced, order_id, 1)
        counting = attempts.count_failures(attempt(), "process_order", "/s", failed)
        with pytest.raises(RuntimeError):
            await counting


@pytest.mark.parametrize("order_id", ['it\'s "50%" / gräßlich?', "-dash", "a b", ".."])
@pytest.mark.parametrize("which", [0, 1], ids=["command", "call"])
async def test_a_pending_order_is_moved_by_its_command(
    database: Connection, order_id: str, which: int
) -> None:
    order_id = await place(order_id=f"{order_id} {reference()}")

    explained = await waiting(order_id)
    await follow(database, explained["unstick"][which])

    assert explained["for"] == "process_order to take its event from Kafka and decide"
    assert explained["next_try"] == explained["deadline"]
    assert status_of(database, order_id) == "backordered"


async def test_a_backorder_behind_others_is_moved_by_its_command(database: Connection) -> None:
    item, other = reference("item"), reference("item")
    await ordered("backordered", item=item, quantity=2)
    await restock(item, 1)
    order_id = await place(lines=make_lines((item, 3), (other, 2)))
    await process(order_id)

    explained = await waiting(order_id)
    for command in explained["unstick"]:
        await follow(database, command)

    exact = {"more_ahead": False}
    assert explained["items"] == sorted(
        [
            {"item": item, "needs": 3, "available": 1, "short_by": 2, "ahead": 1, **exact},
            {"item": other, "needs": 2, "available": 0, "short_by": 2, "ahead": 0, **exact},
        ],
        key=lambda wait: str(wait["item"]),
    )
    assert status_of(database, order_id) == "confirmed"


async def test_a_backorder_after_a_low_count_is_moved_by_its_command(database: Connection) -> None:
    item = reference("item")
    await ordered(item=item, quantity=5)
    order_id = await ordered("backordered", item=item, quantity=2)
    await restock(item, 1)

    (command,) = (await waiting(order_id))["unstick"]
    await follow(database, command)

    assert status_of(database, order_id) == "confirmed"


async def test_a_confirmed_order_is_shipped_by_its_command(database: Connection) -> None:
    order_id = await ordered(hold_minutes=30)

    explained = await waiting(order_id)
    await follow(database, explained["unstick"][0])

    assert explained["at_deadline"].startswith("its hold of 30 minutes ends")
    assert status_of(database, order_id) == "shipped"


async def test_an_order_of_which_too_little_is_on_hand_is_shipped_by_its_commands(
    database: Connection,
) -> None:
    item = reference("item")
    order_id = await ordered(item=item, quantity=5)
    await restock(item, 2)

    explained = await waiting(order_id)
    for command in explained["unstick"][:2]:
        await follow(database, command)

    assert '"cancelled"' in explained["unstick"][2]
    assert explained["for"] == (
        f"enough on hand to ship it: {item} (needs 5; 2 on hand, 5 reserved)"
    )
    assert status_of(database, order_id) == "shipped"


async def test_failed_attempts_at_the_orders_event_are_told_and_forgotten_by_a_retry(
    database: Connection,
) -> None:
    order_id = await place()
    await fail(order_id, 3, "out of luck")

    explained = await waiting(order_id)
    retry_orders(database, [order_id])

    assert (explained["attempts"], explained["last_error"]) == (3, "RuntimeError: out of luck")
    assert explained["last_failed_at"] is not None
    assert (await waiting(order_id))["attempts"] == 0


async def test_a_letter_of_another_subscriber_is_no_fault_of_the_order(
    database: Connection,
) -> None:
    item = reference("item")
    pending, backordered = await place(), await ordered("backordered", item=item)
    database.run("UPDATE stock SET fill_due = true WHERE item = :item", item=item)
    other = "process-order.analytics.svc.cluster.local"
    keep_letter(database, "a fault of its own", other, order_id=pending)
    keep_letter(database, "a fault of its own", other, item=item)

    for explained in (await waiting(pending), await waiting(backordered)):
        assert explained["dead_letter"] is None
        assert not [command for command in explained["unstick"] if "redrive" in command]


async def test_the_newest_letter_that_is_kept_is_told(database: Connection) -> None:
    order_id = await place()
    keep_letter(database, "an old one", order_id=order_id)
    newest = keep_letter(database, "the last one", order_id=order_id)
    settled = keep_letter(database, "one that is settled", order_id=order_id)
    database.run("UPDATE dead_letters SET state = 'discarded' WHERE position = :p", p=settled)

    explained = await waiting(order_id)

    assert explained["dead_letter"] == {"id": newest, "error": "the last one"}
    assert explained["unstick"][0] == f"orderflow dead-letters redrive {newest}"


async def test_an_event_that_is_still_in_the_outbox_is_told(database: Connection) -> None:
    create = module_of("create_order")
    body = create.PlaceOrder(order_id=reference(), item=reference("item"), quantity=1)
    create.place_orders(database, [create.requested(body, None, "")])  # then its process was gone
    sql = "UPDATE outbox SET at = at - interval '5 seconds' WHERE aggregateid = :id"
    database.run(sql, id=body.order_id)

    explained = await waiting(body.order_id)

    assert explained["unsent"]["type"] == "orderflow.order.placed.v1"
    assert (
        explained["for"]
        == f"Kafka: its event is in the outbox since {explained['unsent']['since']}"
    )


async def test_an_order_that_must_let_others_go_first_says_so(database: Connection) -> None:
    item = reference("item")
    waits = await ordered("backordered", item=item)
    await tell(item, stock=1)
    database.run("UPDATE stock SET fill_due = true WHERE item = :item", item=item)
    order_id = await place(item=item)

    explained, told = await waiting(order_id), await waiting(waits)

    assert explained["for"].startswith(f"others: free {item} is offered")
    assert told["for"].endswith(f"; changes of {item} are told and not applied yet")


async def test_a_change_that_died_is_redriven_for_who_waits_for_it(database: Connection) -> None:
    item = reference("item")
    order_id = await ordered("backordered", item=item)
    await tell(item, stock=5)
    letter = keep_letter(database, "no luck", item=item)

    unstick = (await waiting(order_id))["unstick"]

    assert unstick[0] == f"orderflow dead-letters redrive {letter}"


async def test_an_order_that_is_announced_no_more_says_so_and_is_moved_by_its_command(
    database: Connection,
) -> None:
    order_id = await place()
    await eventually_async(lambda: unpublished(database, order_id) == [])
    set_order(database, order_id, "due_at = 'infinity', announcements = 200, attention = 'look'")

    explained = await waiting(order_id)
    await follow(database, explained["unstick"][0])

    assert explained["deadline"] is explained["next_try"] is None
    assert (explained["attention"], explained["announcements"]) == ("look", 200)
    assert len(records_of("orders", order_id, 2, distinct=False)) == 2
    assert status_of(database, order_id) == "backordered"


@pytest.mark.parametrize("status", ["pending", "backordered", "confirmed"])
async def test_after_its_time_every_open_order_still_has_a_reason_and_a_command(
    database: Connection, status: str
) -> None:
    order_id = await (place() if status == "pending" else ordered(status))
    set_order(database, order_id, "due_at = '1970-01-01', announcements = 199")
    await tick()

    explained = await waiting(order_id)

    assert explained["attention"]
    assert explained["deadline"] is None
    assert explained["at_deadline"].startswith("nothing")
    assert explained["unstick"]


async def test_only_pending_orders_are_retried_and_the_others_say_why(
    database: Connection,
) -> None:
    pending, confirmed, unknown = await place(), await ordered(), reference()
    set_order(database, pending, "announcements = 200, due_at = 'infinity', attention = 'look'")

    again, refused = retry_orders(database, [confirmed, pending, unknown, pending])

    assert again == [pending]
    sql = "SELECT announcements, due_at <= now() FROM orders WHERE order_id = :id"
    assert database.run(sql, id=pending) == [[1, True]]
    assert [refusal.detail for refusal in refused] == [
        f"order {confirmed} is confirmed; only what is pending is announced again",
        f"there is no order {unknown}",
    ]


async def test_all_that_asks_for_a_person_is_retried_and_nothing_else(
    database: Connection,
) -> None:
    marked = [await place() for _ in range(5)]
    other, shut, item = await place(), await ordered(), reference("item")
    change_id = (await tell(item, stock=1)).json()["change_id"]
    for order_id in [*marked, shut]:
        set_order(database, order_id, "attention = 'look', due_at = 'infinity'")
    set_order(database, other, "announcements = 5")
    sql = """UPDATE inventory_changes
      SET attention = 'look', announce_at = 'infinity', announcements = 200 WHERE item = :item"""
    database.run(sql, item=item)
    sql = (
        "INSERT INTO attempts (identity, function, event_id, last_error) VALUES (:i, 'f', :i, 'e')"
    )
    database.run(sql, i=event_id(InventoryChanged, item, change_id))

    done = list(retry_marked(database, at_once=2))

    orders = [order_id for some in done for order_id in some.orders]
    changes = [change for some in done for change in some.changes]
    assert set(marked) <= set(orders)
    assert not {other, shut} & set(orders)
    assert f"{item}: {change_id}" in changes
    assert list(retry_marked(database)) == []
    sql = """SELECT announcements, attention, announce_at <= now()
      FROM inventory_changes WHERE item = :i"""
    assert database.run(sql, i=item) == [[1, None, True]]
    sql = "SELECT FROM attempts WHERE event_id = :id"
    assert database.run(sql, id=event_id(InventoryChanged, item, change_id)) == []
    assert all(isinstance(some, Retried) for some in done)


async def test_a_retried_change_is_announced_at_the_next_tick(database: Connection) -> None:
    item = reference("item")
    await tell(item, stock=1)
    await eventually_async(lambda: unpublished(database, item) == [])
    database.run("UPDATE inventory_changes SET attention = 'look' WHERE item = :item", item=item)

    list(retry_marked(database))
    await tick()

    assert len(records_of("inventory", item, 2, distinct=False)) == 2


async def test_the_list_of_what_needs_a_person_holds_just_that(database: Connection) -> None:
    item = reference("item")
    plain, marked = await place(item=item), [await place(item=item) for _ in range(3)]
    for order_id in marked:
        set_order(database, order_id, "attention = 'look'")
    await patch(marked[0], "cancelled")

    async def listed(**query: Any) -> list[dict[str, Any]]:
        answer = await client_of("list_orders").get("/orders", params={"attention": "true"} | query)
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    found = await listed(item=item)

    assert [order["order_id"] for order in found] == marked[:0:-1]
    assert {order["attention"] for order in found} == {"look"}
    assert [order["order_id"] for order in await listed(status="pending", limit=2)] == marked[:0:-1]
    assert await listed(item=item, status="backordered") == []
    assert await listed(item=item, placed_before="2020-01-01T00:00:00Z") == []
    assert plain not in [order["order_id"] for order in await listed()]


@pytest.mark.parametrize("value", ["false", "yes", ""])
async def test_the_list_takes_no_other_wish_about_attention(value: str) -> None:
    answer = await client_of("list_orders").get("/orders", params={"attention": value})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "attention"


async def test_what_needs_a_person_has_pages(database: Connection) -> None:
    for _ in range(2):
        set_order(database, await place(), "attention = 'look'")

    async def page(path: str) -> tuple[list[str], str]:
        answer = await client_of("list_orders").get(path)
        link = str(answer.links.get("next", {}).get("url", ""))
        return [order["order_id"] for order in answer.json()], link

    first, link = await page("/orders?attention=true&limit=1")
    second, _ = await page(link)

    assert len(first) == len(second) == 1
    assert first != second
