"""An order may name any item; only one that has stock, or that somebody waits for, keeps a row."""

import threading
from contextlib import closing

import pytest

from orderflow.audit.checks import audit
from orderflow.database.connection import Connection, retrying
from orderflow.models import ChangeInventory, PlaceOrder
from orderflow.stock.locking import ensure_stock_rows, locked_orders
from orderflow.stock.unused import LOCK_REVIEWED, REMOVE_UNUSED, remove_unused
from tests.functions.test_list_orders import explained, rows_read
from tests.support.function_calls import make_lines, make_order, module_of, own_database

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
FLOOD = 1_000
BATCH = 200


def place(connection: Connection, *lines: tuple[str, int], **more: object) -> str:
    create = module_of("create_order")
    body = PlaceOrder.model_validate(make_order(lines=make_lines(*lines), **more))
    create.place_orders(connection, [create.requested(body, None, TRACE)])
    return str(body.order_id)


def flood(connection: Connection, on_shortage: str) -> list[str]:
    """Place and decide orders of as many items that nobody has heard of; return their ids."""
    create = module_of("create_order")
    bodies = [PlaceOrder.model_validate(make_order(on_shortage=on_shortage)) for _ in range(FLOOD)]
    for start in range(0, FLOOD, BATCH):
        some = bodies[start : start + BATCH]
        create.place_orders(connection, [create.requested(body, None, TRACE) for body in some])
        decide(connection, *(str(body.order_id) for body in some))
    return [str(body.order_id) for body in bodies]


def decide(connection: Connection, *order_ids: str) -> None:
    decide_orders = module_of("process_order").decide_orders
    retrying(lambda: decide_orders(connection, order_ids))


def cancel(connection: Connection, *order_ids: str) -> None:
    update_order = module_of("update_order")
    wanted = [update_order.Change(order_id, "cancelled") for order_id in order_ids]
    assert all(retrying(lambda: update_order.change_orders(connection, wanted)))


def count(connection: Connection, item: str, **change: object) -> None:
    inventory = module_of("update_inventory")
    told = ChangeInventory.model_validate({"item": item} | change)
    inventory.record_changes(connection, [inventory.requested(told, TRACE)])
    update = module_of("apply_inventory").update_items
    retrying(lambda: update(connection, [item]))


def items(connection: Connection) -> list[str]:
    return [item for (item,) in connection.run("SELECT item FROM stock ORDER BY item")]


def review_now(connection: Connection) -> None:
    connection.script("""
      UPDATE stock SET review_at = now() WHERE item IN (
        SELECT item FROM stock WHERE review_at IS NOT NULL FOR UPDATE SKIP LOCKED
      )
    """)


def statuses(connection: Connection) -> dict[str, int]:
    return dict(connection.run("SELECT status, count(*) FROM orders GROUP BY status"))


def test_a_flood_of_unknown_items_leaves_no_row(alone: Connection) -> None:
    flood(alone, "reject")

    assert statuses(alone) == {"rejected": FLOOD}
    assert items(alone) == []
    assert audit(alone).holds


def test_a_flood_that_waits_and_gives_up_leaves_no_row_either(alone: Connection) -> None:
    order_ids = flood(alone, "backorder")
    waited_for = len(items(alone))
    review_now(alone)
    kept = [remove_unused(alone) for _ in range(3)]
    for start in range(0, FLOOD, BATCH):
        cancel(alone, *order_ids[start : start + BATCH])

    review_now(alone)
    removed = [remove_unused(alone) for _ in range(3)]

    assert (waited_for, kept, removed) == (FLOOD, [0, 0, 0], [500, 500, 0])
    assert items(alone) == []
    assert audit(alone).holds


def test_an_order_that_may_wait_gets_a_row_and_one_beside_it_that_may_not_does_not_wait(
    alone: Connection,
) -> None:
    waits = place(alone, ("Lamp", 1))
    gone = place(alone, ("Lamp", 1), ("Chair", 1), on_shortage="reject")

    decide(alone, waits, gone)

    assert statuses(alone) == {"backordered": 1, "rejected": 1}
    assert items(alone) == ["Lamp"]


def test_an_order_of_a_known_and_an_unknown_item_is_rejected_and_reserves_nothing(
    alone: Connection,
) -> None:
    count(alone, "Lamp", stock=5)

    decide(alone, place(alone, ("Lamp", 1), ("Chair", 1), on_shortage="reject"))

    assert statuses(alone) == {"rejected": 1}
    assert alone.run("SELECT item, on_hand, reserved FROM stock") == [["Lamp", 5, 0]]


def test_a_pending_order_of_an_unknown_item_is_cancelled_without_a_row(alone: Connection) -> None:
    order_id = place(alone, ("Lamp", 1), on_shortage="reject")

    cancel(alone, order_id)

    assert statuses(alone) == {"cancelled": 1}
    assert items(alone) == []


def test_a_row_that_had_stock_or_is_asked_about_stays(alone: Connection) -> None:
    count(alone, "counted", stock=0)
    count(alone, "moved", adjust=1)
    count(alone, "moved", adjust=-1)
    count(alone, "refused", adjust=-1)
    ensure_stock_rows(alone, ["told of"])
    inventory = module_of("update_inventory")
    told = ChangeInventory.model_validate({"item": "told of", "stock": 1})
    inventory.record_changes(alone, [inventory.requested(told, TRACE)])
    decide(alone, place(alone, ("waited for", 1)))
    ensure_stock_rows(alone, ["unused"])
    before = items(alone)
    review_now(alone)

    removed = remove_unused(alone)

    assert removed == 1
    assert items(alone) == [item for item in before if item != "unused"]
    later = "SELECT item FROM stock WHERE review_at IS NOT NULL ORDER BY item"
    assert alone.run(later) == [["refused"], ["told of"], ["waited for"]]


def test_an_order_that_waited_for_a_row_that_was_removed_gets_another(postgres: str) -> None:
    with (
        own_database(postgres) as url,
        closing(Connection(url)) as remover,
        closing(Connection(url)) as other,
    ):
        ensure_stock_rows(other, ["Lamp"])
        order_id = place(other, ("Lamp", 1))
        remover.run("BEGIN")
        remover.run("DELETE FROM stock WHERE item = 'Lamp'")
        deciding = threading.Thread(target=lambda: decide(other, order_id))
        deciding.start()
        while remover.run("SELECT count(*) FROM pg_locks WHERE NOT granted") == [[0]]:
            assert deciding.is_alive()
        remover.run("COMMIT")
        deciding.join()

        assert statuses(remover) == {"backordered": 1}
        assert items(remover) == ["Lamp"]
        assert audit(remover).holds


def test_a_row_that_somebody_holds_is_left_alone(postgres: str) -> None:
    with (
        own_database(postgres) as url,
        closing(Connection(url)) as remover,
        closing(Connection(url)) as other,
    ):
        ensure_stock_rows(other, ["Lamp", "Chair"])
        review_now(other)
        order_id = place(other, ("Lamp", 1))

        with locked_orders(other, [order_id]):
            removed = remove_unused(remover)

        assert removed == 1
        assert items(remover) == ["Lamp"]


def test_rows_come_and_go_under_orders_and_nothing_is_lost(postgres: str) -> None:
    names = [f"item {number}" for number in range(3)]
    faults: list[BaseException] = []
    done = threading.Event()

    def run(url: str, number: int) -> None:
        try:
            with closing(Connection(url)) as connection:
                for turn in range(40):
                    pair = (names[(number + turn) % 3], 1), (names[turn % 3], 1)
                    shortage = "reject" if turn % 2 else "backorder"
                    order_id = place(connection, *pair, on_shortage=shortage)
                    decide(connection, order_id)
                    if shortage == "backorder":
                        cancel(connection, order_id)
        except BaseException as fault:
            faults.append(fault)

    def remove(url: str) -> None:
        with closing(Connection(url)) as connection:
            while not done.wait(0.1):  # as sweep, a row is left alone for some tries
                # All rows at once, in no order: it may be what a deadlock ends.
                retrying(lambda: review_now(connection))
                remove_unused(connection)

    with own_database(postgres) as url, closing(Connection(url)) as connection:
        deciders = [threading.Thread(target=run, args=(url, number)) for number in range(3)]
        remover = threading.Thread(target=remove, args=(url,))
        for thread in (*deciders, remover):
            thread.start()
        for thread in deciders:
            thread.join()
        done.set()
        remover.join()
        review_now(connection)
        remove_unused(connection)

        assert faults == []
        assert statuses(connection) == {"rejected": 60, "cancelled": 60}
        assert items(connection) == []
        assert audit(connection).holds


@pytest.mark.parametrize("due", [False, True])
def test_a_look_reads_a_bounded_part_of_the_stock(alone: Connection, due: bool) -> None:
    alone.script("""
      INSERT INTO stock (item, review_at)
      SELECT n, now() + interval '1 day' FROM generate_series(1, 20000) AS n;
      ANALYZE;
    """)
    if due:
        review_now(alone)

    alone.run("BEGIN")
    locked = explained(alone, LOCK_REVIEWED, count=100)
    removed = explained(alone, REMOVE_UNUSED, items=[str(n) for n in range(100)])
    alone.run("ROLLBACK")

    assert rows_read(locked) <= 300, locked
    assert rows_read(removed) <= 1000, removed
