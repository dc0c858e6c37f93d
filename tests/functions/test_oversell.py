"""The rule in the database that no code can break: nothing is promised that is not there."""

import pytest

from orderflow.database.connection import Connection, Refused
from orderflow.stock.locking import locked_orders
from orderflow.stock.moves import Move, move_orders
from tests.support.function_calls import (
    Shelf,
    history_of,
    make_lines,
    ordered,
    place,
    reference,
    restock,
    shelf_of,
    status_of,
)


def move_at_once(database: Connection, *moves: tuple[str, str]) -> None:
    """Move orders in one statement, whatever stock there is."""
    with locked_orders(database, [order_id for order_id, _ in moves]) as locked:
        planned = [Move(locked.orders[i], enters, "by force") for i, enters in moves]  # type: ignore[arg-type]
        move_orders(database, locked, planned, source="/t")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE stock SET reserved = 6 WHERE item = :item",
        "UPDATE stock SET reserved = reserved + 1, on_hand = 0 WHERE item = :item",
        "INSERT INTO stock (item, on_hand, reserved) VALUES (:item || 'x', 1, 2)",
    ],
)
async def test_no_row_can_promise_more_than_is_there(database: Connection, sql: str) -> None:
    item = reference("item")
    await ordered(item=item, quantity=5)

    with pytest.raises(Refused, match="oversell refused"):
        database.run(sql, item=item)

    assert shelf_of(database, item) == Shelf(5, 5)


async def test_one_confirmation_too_many_is_refused_as_a_whole(database: Connection) -> None:
    item = reference("item")
    await restock(item, 3)
    orders = [await place(item=item, quantity=2) for _ in range(2)]

    with pytest.raises(Refused, match="oversell refused: 4 of"):
        move_at_once(database, *((order_id, "confirmed") for order_id in orders))

    assert [history_of(database, order_id) for order_id in orders] == [["pending"]] * 2
    assert shelf_of(database, item) == Shelf(3, 0)


async def test_a_cancellation_in_the_same_statement_hides_no_confirmation(
    database: Connection,
) -> None:
    item = reference("item")
    held = [await ordered(item=item, quantity=5)]
    await restock(item, 10)
    held.append(await place(item=item, quantity=5))
    move_at_once(database, (held[1], "confirmed"))
    await restock(item, 5)  # a low count: 10 are reserved
    new = await place(item=item, quantity=5)

    with pytest.raises(Refused, match=f"oversell refused: 10 of {item} reserved, 5 on hand"):
        move_at_once(database, (held[0], "cancelled"), (new, "confirmed"))

    assert status_of(database, held[0]) == "confirmed"
    assert status_of(database, new) == "pending"
    assert shelf_of(database, item) == Shelf(5, 10)


async def test_what_a_cancellation_frees_may_be_promised_in_the_same_statement(
    database: Connection,
) -> None:
    item = reference("item")
    held, new = await ordered(item=item, quantity=5), await place(item=item, quantity=5)

    move_at_once(database, (held, "cancelled"), (new, "confirmed"))

    assert [status_of(database, order_id) for order_id in (held, new)] == ["cancelled", "confirmed"]
    assert shelf_of(database, item) == Shelf(5, 5)


async def test_one_item_of_several_that_is_not_there_is_enough(database: Connection) -> None:
    there, missing = reference("item"), reference("item")
    await restock(there, 1)
    await restock(missing, 0)
    order_id = await place(lines=make_lines((there, 1), (missing, 1)))

    with pytest.raises(Refused, match=f"oversell refused: 1 of {missing}"):
        move_at_once(database, (order_id, "confirmed"))

    assert shelf_of(database, there) == Shelf(1, 0)


def test_an_entry_without_its_row_promises_nothing_that_is_not_there(database: Connection) -> None:
    item = reference("item")
    database.run("INSERT INTO stock (item, on_hand, reserved) VALUES (:item, 5, 5)", item=item)
    database.run("UPDATE stock SET on_hand = 4 WHERE item = :item", item=item)
    sql = """INSERT INTO stock_ledger
        (item, kind, on_hand_change, reserved_change, order_position, occurred_at)
      SELECT :item, 'reserve', 0, 1, min(position), now() FROM orders"""

    with pytest.raises(Refused, match="oversell refused"):
        database.run(sql, item=item)
