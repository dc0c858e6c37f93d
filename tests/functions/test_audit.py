"""The audit: it finds each difference and nothing else, in nobody's way, and repairs on request."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import orjson
import pytest

from orderflow.audit import checks as audits
from orderflow.audit.checks import CHECKS, Audit, audit
from orderflow.database.connection import Connection, retrying
from orderflow.errors import ConfigurationError
from orderflow.models import ChangeInventory, PlaceOrder
from orderflow.overview.counters import fold
from orderflow_cli.audit import repair as repairs
from orderflow_cli.audit.proof import prove
from orderflow_cli.audit.repair import Repair, repair, signed
from tests.support.function_calls import make_lines, make_order, module_of, own_database

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
BY = "Ada of the warehouse"
# Around a corruption: none of the database's own rules.
UNGUARDED = """
SET session_replication_role = replica;
DROP INDEX IF EXISTS stock_ledger_once;
ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_open_have_a_deadline;
ALTER TABLE inventory_changes DROP CONSTRAINT IF EXISTS inventory_changes_open_have_a_deadline;
-- What goes wrong with orders is counted and listed like all else.
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_counted_update;
ALTER TABLE orders ENABLE ALWAYS TRIGGER orders_followed_by_item;
{sql};
RESET session_replication_role;
"""
# Movements that no order and no change made, to keep the sums while something else is wrong.
EVEN = """
INSERT INTO stock_ledger (item, kind, on_hand_change, reserved_change, reason, occurred_at)
VALUES ('{item}', 'repair', {on_hand}, {reserved}, 'a test', now());
"""


def place(connection: Connection, order_id: str, *lines: tuple[str, int], **more: Any) -> None:
    create = module_of("create_order")
    body = make_order(order_id=order_id, lines=make_lines(*lines), **more)
    placement = create.requested(PlaceOrder.model_validate(body), None, TRACE)
    assert create.place_orders(connection, [placement])[0].found_by is None


def decide(connection: Connection, *order_ids: str) -> None:
    decide_orders = module_of("process_order").decide_orders
    retrying(lambda: decide_orders(connection, order_ids))


def tell(connection: Connection, item: str, **fields: Any) -> None:
    inventory = module_of("update_inventory")
    told = ChangeInventory.model_validate({"item": item} | fields)
    inventory.record_changes(connection, [inventory.requested(told, TRACE)])


def update(connection: Connection, *items: str) -> None:
    module_of("apply_inventory").update_items(connection, items)


def change(connection: Connection, order_id: str, status: Any) -> None:
    update_order = module_of("update_order")
    wanted = [update_order.Change(order_id, status)]
    (result,) = update_order.change_orders(connection, wanted)
    assert result is True


def busy(connection: Connection) -> None:
    """Every status by every way, and every kind of inventory change."""
    for item in ("Lamp", "Chair", "Spare"):
        tell(connection, item, stock=20)
    tell(connection, "Spare", adjust=-2, reason="damaged")
    tell(connection, "Spare", adjust=-90, change_id="refused")
    tell(connection, "Spare", adjust=5, change_id="superseded", occurred_at="2020-01-01T00:00:00Z")
    tell(connection, "Stool", stock=4)
    update(connection, "Lamp", "Chair", "Spare", "Stool")
    place(connection, "shipped", ("Lamp", 2), ("Chair", 1), ("Lamp", 1))
    place(connection, "confirmed", ("Lamp", 4), ("Chair", 2))
    place(connection, "released", ("Chair", 3))
    place(connection, "cancelled", ("Lamp", 4))
    place(connection, "rejected", ("Bench", 1), on_shortage="reject")
    place(connection, "filled", ("Sofa", 2))
    place(connection, "waiting", ("Sofa", 3), ("Sofa", 1), ("Lamp", 1))
    place(connection, "behind", ("Sofa", 5))
    place(connection, "short", ("Stool", 4))
    decide(connection, "shipped", "confirmed", "released", "rejected", "filled", "short")
    decide(connection, "waiting", "behind")
    place(connection, "pending", ("Lamp", 1))
    change(connection, "shipped", "shipped")
    change(connection, "released", "cancelled")
    change(connection, "cancelled", "cancelled")
    tell(connection, "Sofa", adjust=3)
    tell(connection, "Stool", stock=1)
    update(connection, "Sofa", "Stool")
    tell(connection, "Spare", adjust=1, change_id="unapplied")


@pytest.fixture(scope="module")
def busy_database(postgres: str) -> Iterator[str]:
    """The URL of a database with something of everything, for tests to copy."""
    with own_database(postgres) as url:
        with closing(Connection(url)) as connection:
            busy(connection)
        yield url


@pytest.fixture
def copied(busy_database: str) -> Iterator[str]:
    """The URL of a copy of the busy database."""
    with own_database(busy_database, copy_of=busy_database) as url:
        yield url


@pytest.fixture
def shop(copied: str) -> Iterator[Connection]:
    """A connection to a copy of the busy database."""
    with closing(Connection(copied)) as connection:
        yield connection


def corrupt(connection: Connection, sql: str) -> None:
    connection.script(UNGUARDED.format(sql=sql))


def found(audited: Audit) -> dict[str, int]:
    return {finding.check: finding.found for finding in audited.findings if finding.found}


def rows(audited: Audit, check: str) -> list[dict[str, Any]]:
    (finding,) = (finding for finding in audited.findings if finding.check == check)
    return finding.rows


def shelf(connection: Connection, item: str) -> tuple[int, int, bool]:
    sql = "SELECT on_hand, reserved, fill_due FROM stock WHERE item = :item"
    ((on_hand, reserved, fill_due),) = connection.run(sql, item=item)
    return on_hand, reserved, fill_due


def ledger(connection: Connection, item: str) -> list[dict[str, Any]]:
    """What GET /inventory/{item} shows of the ledger, newest first."""
    sql = module_of("list_inventory").SELECT_ITEM
    ((shown,),) = connection.run(sql, item=item, below=2**63 - 1, count=50, most=10)
    entries: list[dict[str, Any]] = orjson.loads(shown)["ledger"]
    return entries


def changes_of(made: Sequence[Repair]) -> list[tuple[str, int, int]]:
    return [
        (done.item, done.what["on_hand_change"], done.what["reserved_change"])
        for done in made
        if done.kind == "entry"
    ]


def test_a_busy_database_holds_and_every_check_looked_at_something(shop: Connection) -> None:
    heard: list[tuple[int, int]] = []

    audited = audit(shop, lambda done, total: heard.append((done, total)))

    assert audited.holds, audited
    assert all(finding.looked_at for finding in audited.findings)
    assert heard == [(number + 1, len(CHECKS)) for number in range(len(CHECKS))]
    assert rows(audited, "oversold") == []


def test_short_after_a_count_is_told_and_is_no_fault(shop: Connection) -> None:
    remarks = {finding.check: finding.remark for finding in audit(shop).findings}

    assert str(remarks["oversold"]).endswith(": 1")


def test_an_empty_database_holds(alone: Connection) -> None:
    assert audit(alone).holds


def test_the_proof_counts_orders_lost_and_undecided(shop: Connection) -> None:
    proof = prove(shop, ["shipped", "never stored", "pending"])

    assert (proof.orders, proof.lost, proof.without_outcome) == (10, 1, 1)
    assert not proof.holds
    decide(shop, "pending")
    assert prove(shop, ["shipped", "pending"]).holds


OF_ITEM = "(SELECT position FROM inventory_changes WHERE item = '{}' ORDER BY position LIMIT 1)"
OF_ORDER = "(SELECT position FROM orders WHERE order_id = '{}')"
SPARE, LAMP = OF_ITEM.format("Spare"), OF_ITEM.format("Lamp")
ENTRY_OF_CHANGE = "item, kind, on_hand_change, reserved_change, change_position, occurred_at"

# What is done behind everybody's back, what is found by which check, and a part of a row told.
CORRUPTIONS: dict[str, tuple[str, dict[str, int], dict[str, Any]]] = {
    "on hand is another": (
        "UPDATE stock SET on_hand = on_hand + 1 WHERE item = 'Lamp'",
        {"ledger": 1},
        {"item": "Lamp", "on_hand": 18, "on_hand_by_ledger": 17},
    ),
    "an item is gone": (
        "DELETE FROM stock WHERE item = 'Spare'",
        {"ledger": 1},
        {"item": "Spare", "on_hand": None, "on_hand_by_ledger": 18},
    ),
    "an item without movements has stock": (
        "INSERT INTO stock (item, on_hand) VALUES ('Ghost', 1)",
        {"ledger": 1},
        {"item": "Ghost", "on_hand": 1, "on_hand_by_ledger": None},
    ),
    "reserved for nobody, with an entry": (
        "UPDATE stock SET reserved = reserved + 1 WHERE item = 'Chair';"
        + EVEN.format(item="Chair", on_hand=0, reserved=1),
        {"reservations": 1},
        {"item": "Chair", "reserved": 3, "held_by_orders": 2},
    ),
    "reserved for nobody, without an entry": (
        "UPDATE stock SET reserved = reserved + 1 WHERE item = 'Chair'",
        {"ledger": 1, "reservations": 1},
        {"item": "Chair", "reserved": 3, "reserved_by_ledger": 2},
    ),
    "a line of a confirmed order is another": (
        f"UPDATE order_lines SET quantity = 3 WHERE position = {OF_ORDER.format('confirmed')}"
        " AND item = 'Chair'",
        {"reservations": 1, "movements": 1},
        {"item": "Chair", "reserved": 2, "held_by_orders": 3},
    ),
    "the count came after the reservations": (
        f"UPDATE stock_ledger SET entry = DEFAULT WHERE change_position = {LAMP}",
        {"oversold": 2},
        {"item": "Lamp", "order_id": "shipped", "reserved": 3, "units_too_many": 3},
    ),
    "shipped without a word": (
        "UPDATE orders SET status = 'shipped' WHERE order_id = 'confirmed'",
        {"history": 1, "reservations": 2},
        {"item": "Chair", "reserved": 2, "held_by_orders": 0},
    ),
    "another end": (
        "UPDATE orders SET status = 'rejected' WHERE order_id = 'cancelled'",
        {"history": 1},
        {"order_id": "cancelled", "fault": "its history ends with cancelled"},
    ),
    "another beginning": (
        f"UPDATE order_history SET status = 'rejected' WHERE sequence = 1"
        f" AND position = {OF_ORDER.format('rejected')}",
        {"history": 1},
        {"order_id": "rejected", "fault": "it begins with rejected"},
    ),
    "a gap": (
        f"UPDATE order_history SET sequence = 4 WHERE sequence = 3"
        f" AND position = {OF_ORDER.format('shipped')};"
        "UPDATE orders SET sequence = 4 WHERE order_id = 'shipped'",
        {"history": 1},
        {"order_id": "shipped", "fault": "number 3 is missing"},
    ),
    "no history": (
        f"DELETE FROM order_history WHERE position = {OF_ORDER.format('pending')}",
        {"history": 1},
        {"order_id": "pending", "fault": "it has no history"},
    ),
    "an event too many": (
        "UPDATE orders SET sequence = sequence + 1 WHERE order_id = 'pending'",
        {"history": 1},
        {"order_id": "pending", "fault": "its history ends with number 1"},
    ),
    "a move that is none": (
        "INSERT INTO order_history (position, sequence, status, cause)"
        f" VALUES ({OF_ORDER.format('rejected')}, 3, 'cancelled', '');"
        "UPDATE orders SET status = 'cancelled', sequence = 3 WHERE order_id = 'rejected'",
        {"history": 1},
        {"order_id": "rejected", "fault": "it went from rejected to cancelled"},
    ),
    "a status that is none": (
        f"UPDATE order_history SET status = 'lost' WHERE sequence = 2"
        f" AND position = {OF_ORDER.format('filled')}",
        {"history": 1},
        {"order_id": "filled", "fault": "it went from pending to lost"},
    ),
    "part of a status": (
        f"UPDATE order_history SET status = 'ed' WHERE sequence = 2"
        f" AND position = {OF_ORDER.format('shipped')}",
        {"history": 1, "movements": 2},
        {"order_id": "shipped", "fault": "it went from pending to ed"},
    ),
    "two statuses in one": (
        f"UPDATE order_history SET status = 'pending rejected' WHERE sequence = 1"
        f" AND position = {OF_ORDER.format('pending')};"
        "UPDATE orders SET status = 'rejected' WHERE order_id = 'pending'",
        {"history": 1},
        {"order_id": "pending", "fault": "it begins with pending rejected"},
    ),
    "a reservation of another order": (
        f"UPDATE stock_ledger SET order_position = {OF_ORDER.format('cancelled')}"
        f" WHERE order_position = {OF_ORDER.format('confirmed')} AND item = 'Lamp'",
        {"movements": 2},
        {"order_id": "confirmed", "kind": "reserve", "units_demanded": 4, "entries": 0},
    ),
    "a reservation entered twice": (
        "INSERT INTO stock_ledger"
        " (item, kind, on_hand_change, reserved_change, order_position, occurred_at)"
        f" VALUES ('Lamp', 'reserve', 0, 4, {OF_ORDER.format('confirmed')}, now());"
        + EVEN.format(item="Lamp", on_hand=0, reserved=-4),
        {"movements": 1},
        {"order_id": "confirmed", "kind": "reserve", "units_demanded": 4, "entries": 2},
    ),
    "a release that is missing": (
        f"DELETE FROM stock_ledger WHERE kind = 'release'"
        f" AND order_position = {OF_ORDER.format('released')};"
        + EVEN.format(item="Chair", on_hand=0, reserved=-3),
        {"movements": 1},
        {"order_id": "released", "kind": "release", "units_demanded": 3, "entries": 0},
    ),
    "a shipment of another size": (
        f"UPDATE stock_ledger SET on_hand_change = -1 WHERE kind = 'ship' AND item = 'Lamp'"
        f" AND order_position = {OF_ORDER.format('shipped')};"
        + EVEN.format(item="Lamp", on_hand=-2, reserved=0),
        {"movements": 1},
        {"order_id": "shipped", "kind": "ship", "units_demanded": 3, "on_hand_change": -1},
    ),
    "a change that was not entered": (
        f"DELETE FROM stock_ledger WHERE change_position = {SPARE};"
        + EVEN.format(item="Spare", on_hand=20, reserved=0),
        {"changes": 1},
        {"item": "Spare", "outcome": "applied", "stock": 20, "entries": 0},
    ),
    "a change entered twice": (
        f"INSERT INTO stock_ledger ({ENTRY_OF_CHANGE})"
        f" SELECT {ENTRY_OF_CHANGE} FROM stock_ledger WHERE change_position = {SPARE};"
        + EVEN.format(item="Spare", on_hand=-20, reserved=0),
        {"changes": 1},
        {"item": "Spare", "outcome": "applied", "stock": 20, "entries": 2},
    ),
    "a change entered as another": (
        "UPDATE stock_ledger SET on_hand_change = -3 WHERE item = 'Spare' AND kind = 'adjust';"
        + EVEN.format(item="Spare", on_hand=1, reserved=0),
        {"changes": 1},
        {"item": "Spare", "adjust": -2, "on_hand_change": -3},
    ),
    "a refused change that was entered": (
        f"INSERT INTO stock_ledger ({ENTRY_OF_CHANGE}) SELECT item, 'adjust', adjust, 0, position,"
        " occurred_at FROM inventory_changes WHERE change_id = 'refused';"
        + EVEN.format(item="Spare", on_hand=90, reserved=0),
        {"changes": 1},
        {"change_id": "refused", "outcome": "refused", "entries": 1},
    ),
    "a superseded change called applied": (
        "UPDATE inventory_changes SET outcome = 'applied' WHERE change_id = 'superseded'",
        {"changes": 1},
        {"change_id": "superseded", "outcome": "applied", "entries": 0},
    ),
    "out of the queue": (
        f"DELETE FROM backorders WHERE position = {OF_ORDER.format('behind')}",
        {"backorders": 1},
        {"order_id": "behind", "item": "Sofa", "ordered": 5, "queued": None},
    ),
    "queued for less": (
        f"UPDATE backorders SET quantity = 3 WHERE position = {OF_ORDER.format('waiting')}"
        " AND item = 'Sofa'",
        {"backorders": 1},
        {"order_id": "waiting", "item": "Sofa", "ordered": 4, "queued": 3},
    ),
    "queued and confirmed": (
        "INSERT INTO backorders (item, position, quantity, blocked_by, blocked_quantity)"
        f" VALUES ('Sofa', {OF_ORDER.format('confirmed')}, 9, 'Sofa', 9)",
        {"backorders": 1},
        {"order_id": "confirmed", "status": "confirmed", "ordered": None, "queued": 9},
    ),
    "free stock that nobody offers": (
        "UPDATE stock SET on_hand = on_hand + 8 WHERE item = 'Sofa';"
        + EVEN.format(item="Sofa", on_hand=8, reserved=0),
        {"waiting": 2},
        {"order_id": "behind", "waits_for": [{"item": "Sofa", "needs": 5, "available": 9}]},
    ),
    "an order without a deadline": (
        "UPDATE orders SET due_at = 'infinity' WHERE order_id = 'pending'",
        {"deadlines": 1},
        {"order_id": "pending", "status": "pending"},
    ),
    "a change without a deadline": (
        "UPDATE inventory_changes SET announce_at = 'infinity' WHERE change_id = 'unapplied'",
        {"deadlines": 1},
        {"change_id": "unapplied", "status": "unapplied"},
    ),
    "an order that was counted twice": (
        "INSERT INTO order_deltas (enters, n) VALUES ('pending', 1)",
        {"counters": 1},
        {"status": "pending", "counted": 2, "orders": 1},
    ),
    "a move that was not counted": (
        "DELETE FROM order_deltas WHERE leaves = 'confirmed' AND enters = 'shipped'",
        {"counters": 2},
        {"status": "shipped", "counted": 0, "orders": 1},
    ),
    "an order that its list lacks": (
        f"DELETE FROM item_orders WHERE position = {OF_ORDER.format('rejected')}",
        {"lists": 1},
        {"order_id": "rejected", "item": "Bench", "listed_as": None, "left_out_as": "rejected"},
    ),
    "an order in the list of another status": (
        "UPDATE item_orders SET status = 'backordered'"
        f" WHERE item = 'Chair' AND position = {OF_ORDER.format('confirmed')}",
        {"lists": 2},
        {"order_id": "confirmed", "item": "Chair", "listed_as": "backordered"},
    ),
    "an order of a list that is gone": (
        "INSERT INTO item_orders (item, status, position) VALUES ('Lamp', 'shipped', 0)",
        {"lists": 1},
        {"order_id": None, "item": "Lamp", "listed_as": "shipped", "left_out_as": None},
    ),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_exactly_that_difference_is_found(shop: Connection, name: str) -> None:
    sql, expected, part = CORRUPTIONS[name]
    corrupt(shop, sql)

    audited = audit(shop)

    assert found(audited) == expected
    assert not audited.holds
    told = [row for check in expected for row in rows(audited, check)]
    assert any(row | part == row for row in told), told


def test_each_check_has_a_corruption_that_it_alone_finds() -> None:
    alone = {name for _, names, _ in CORRUPTIONS.values() if len(names) == 1 for name in names}

    assert alone == {check.name for check in CHECKS}


def test_what_has_a_person_s_attention_needs_no_deadline(shop: Connection) -> None:
    corrupt(
        shop, "UPDATE orders SET due_at = 'infinity', attention = 'x' WHERE order_id = 'pending'"
    )

    assert audit(shop).holds


def test_overdue_is_told_and_is_no_fault(shop: Connection) -> None:
    # All others have time: making this shop may have taken longer than they had.
    corrupt(shop, "UPDATE inventory_changes SET announce_at = now() + interval '1 hour'")
    corrupt(shop, "UPDATE orders SET due_at = now() + interval '1 hour'")
    corrupt(shop, "UPDATE orders SET due_at = now() - interval '1 hour' WHERE order_id = 'pending'")

    audited = audit(shop)

    assert audited.holds
    assert [finding.remark for finding in audited.findings if finding.check == "deadlines"] == [
        "overdue for more than a minute, so sweep does not run: 1"
    ]


def test_many_differences_are_counted_and_the_first_are_listed(shop: Connection) -> None:
    corrupt(shop, "INSERT INTO stock SELECT 'ghost ' || n, 1 FROM generate_series(1001, 1150) AS n")

    audited = audit(shop)

    assert found(audited) == {"ledger": 150}
    assert [row["item"] for row in rows(audited, "ledger")] == [
        f"ghost {number}" for number in range(1001, 1001 + audits.SHOWN)
    ]


def test_locks_of_writers_do_not_hold_up_the_audit(shop: Connection, copied: str) -> None:
    tables = "orders, order_lines, order_history, stock, stock_ledger, backorders"
    with closing(Connection(copied)) as writer, writer.transaction():
        writer.script(f"LOCK TABLE {tables}, inventory_changes IN EXCLUSIVE MODE")
        writer.script("UPDATE stock SET on_hand = on_hand + 1; UPDATE orders SET sequence = 9")
        shop.script("SET lock_timeout = 1")

        audited = audit(shop)

    assert audited.holds


def test_the_audit_holds_up_no_writer_and_sees_none(shop: Connection, copied: str) -> None:
    with closing(Connection(copied)) as writer:
        writer.script("SET lock_timeout = 1")
        numbers: list[int] = []

        def write(done: int, _: int) -> None:
            numbers.append(done)
            name = f"meanwhile {done}"
            place(writer, name, ("Lamp", 1))
            decide(writer, name)
            change(writer, name, "cancelled")
            tell(writer, "Lamp", adjust=1)
            update(writer, "Lamp")
            writer.script("UPDATE stock SET on_hand = on_hand + 1 WHERE item = 'Spare'")

        audited = audit(shop, write)

    assert len(numbers) == len(CHECKS)
    assert audited.holds, audited
    assert found(audit(shop)) == {"ledger": 1}


# What --repair makes of it: the entries that it writes, each as item, on hand and reserved.
REPAIRABLE: dict[str, list[tuple[str, int, int]]] = {
    "on hand is another": [("Lamp", 1, 0)],
    "an item is gone": [("Spare", 0, 0)],
    "an item without movements has stock": [("Ghost", 1, 0)],
    "reserved for nobody, with an entry": [("Chair", 0, -1)],
    "reserved for nobody, without an entry": [("Chair", 0, 0)],
    "out of the queue": [],
    "queued for less": [],
    "queued and confirmed": [],
    "free stock that nobody offers": [],
    "an order that its list lacks": [],
    "an order in the list of another status": [],
    "an order of a list that is gone": [],
}


@pytest.mark.parametrize("name", REPAIRABLE)
def test_what_can_be_repaired_is_and_a_second_repair_finds_nothing(
    shop: Connection, name: str
) -> None:
    corrupt(shop, CORRUPTIONS[name][0])

    made = list(repair(shop, BY))

    assert made
    assert changes_of(made) == REPAIRABLE[name]
    assert audit(shop).holds
    assert list(repair(shop, BY)) == []


# One of each check that no program can set right, of different orders.
BEYOND_REPAIR = (
    "the count came after the reservations",
    "a move that is none",
    "a release that is missing",
    "a change that was not entered",
    "an order without a deadline",
)


def test_what_cannot_be_repaired_stays_listed_with_what_to_do(shop: Connection) -> None:
    for name in BEYOND_REPAIR:
        corrupt(shop, CORRUPTIONS[name][0])
    before = found(audit(shop))

    made = list(repair(shop, BY))

    audited = audit(shop)
    assert made == []
    assert found(audited) == before
    assert before.keys() == {check.name for check in CHECKS} - repairs.REPAIRABLE
    assert all(finding.remedy for finding in audited.findings if finding.found)


@pytest.mark.parametrize("folded", [False, True])
def test_counters_are_set_to_what_there_is(shop: Connection, folded: bool) -> None:
    corrupt(shop, "INSERT INTO order_deltas (enters, n) VALUES ('pending', 3), ('lost', 1)")
    corrupt(shop, "INSERT INTO order_deltas (leaves, n) VALUES ('shipped', 1)")
    if folded:
        fold(shop)

    made = list(repair(shop, BY))

    assert [done.what for done in made] == [
        {"status": "lost", "counted": 1, "orders": 0},
        {"status": "pending", "counted": 4, "orders": 1},
        {"status": "shipped", "counted": 0, "orders": 1},
    ]
    assert audit(shop).holds
    assert list(repair(shop, BY)) == []


def test_a_healthy_database_is_left_as_it_is(shop: Connection) -> None:
    assert list(repair(shop, BY)) == []


def test_an_entry_says_who_repaired_what_and_shows_in_the_ledger(shop: Connection) -> None:
    corrupt(shop, "UPDATE stock SET on_hand = 25, reserved = 9 WHERE item = 'Lamp'")

    list(repair(shop, signed(f"  {BY} ")))

    newest = ledger(shop, "Lamp")[0]
    assert (newest["kind"], newest["on_hand_change"], newest["reserved_change"]) == ("repair", 8, 0)
    assert newest["reason"] == (
        f"repaired by {BY}: on hand were 25 in stock and 17 in the ledger; "
        "reserved were 9 in stock, 4 in the ledger and 4 by confirmed orders"
    )
    assert shelf(shop, "Lamp")[:2] == (25, 4)


def test_an_item_that_is_gone_comes_back_as_its_ledger_has_it(shop: Connection) -> None:
    corrupt(shop, "DELETE FROM stock WHERE item IN ('Lamp', 'Spare')")

    list(repair(shop, BY))

    assert (shelf(shop, "Lamp")[:2], shelf(shop, "Spare")[:2]) == ((17, 4), (18, 0))
    assert ledger(shop, "Spare")[0]["kind"] == "repair"


def test_more_held_than_is_on_hand_is_left_to_a_person(shop: Connection) -> None:
    corrupt(shop, "UPDATE stock SET on_hand = 3, reserved = 1 WHERE item = 'Lamp'")

    made = list(repair(shop, BY))

    assert changes_of(made) == [("Lamp", -14, 0)]
    assert shelf(shop, "Lamp")[:2] == (3, 1)
    left = audit(shop)
    assert found(left) == {"ledger": 1, "reservations": 1}
    assert "count the item or cancel orders" in left.findings[1].remedy
    assert list(repair(shop, BY)) == []


def test_after_a_count_of_what_is_there_the_rest_is_mended(shop: Connection) -> None:
    corrupt(shop, "UPDATE stock SET on_hand = 3, reserved = 1 WHERE item = 'Lamp'")
    list(repair(shop, BY))
    tell(shop, "Lamp", stock=10)
    update(shop, "Lamp")

    list(repair(shop, BY))

    assert audit(shop).holds
    assert shelf(shop, "Lamp")[:2] == (10, 4)


def test_a_short_item_s_reserved_may_fall_to_what_is_held(shop: Connection) -> None:
    corrupt(shop, "UPDATE stock SET reserved = 7 WHERE item = 'Stool'")

    list(repair(shop, BY))

    assert shelf(shop, "Stool") == (1, 4, False)
    assert audit(shop).holds


def test_units_that_become_free_are_offered_to_those_who_wait(shop: Connection) -> None:
    taken = EVEN.format(item="Sofa", on_hand=4, reserved=4)
    corrupt(
        shop,
        "UPDATE stock SET on_hand = on_hand + 4, reserved = reserved + 4 WHERE item = 'Sofa';"
        + taken,
    )

    made = list(repair(shop, BY))

    assert [done.kind for done in made if done.item == "Sofa"] == ["entry", "offer"]
    assert shelf(shop, "Sofa") == (7, 2, True)
    update(shop, "Sofa")
    assert shelf(shop, "Sofa") == (7, 6, False)
    assert audit(shop).holds


def test_two_repairs_that_free_two_items_of_one_order_offer_them(
    shop: Connection, copied: str
) -> None:
    for item in ("Desk", "Door"):
        tell(shop, item, stock=1)
    update(shop, "Desk", "Door")
    shop.script("UPDATE stock SET reserved = 1 WHERE item IN ('Desk', 'Door')")
    place(shop, "wants both", ("Desk", 1), ("Door", 1))
    decide(shop, "wants both")
    with closing(Connection(copied)) as other, other.transaction():
        other.script("UPDATE stock SET reserved = 0, fill_due = true WHERE item = 'Desk'")

        made = repairs.repair_once(shop, ["Door"], BY)

    assert [done.kind for done in made] == ["entry", "offer"]


def test_long_queues_are_repaired_in_small_transactions(
    shop: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs, "QUEUE_ROWS_AT_ONCE", 2)
    names = [f"late {number}" for number in range(5)]
    for name in names:
        place(shop, name, ("Sofa", 9))
    decide(shop, *names)
    corrupt(shop, "DELETE FROM backorders WHERE quantity = 9")

    made = list(repair(shop, BY))

    assert [done.what["order_id"] for done in made] == names
    assert audit(shop).holds


def test_what_is_beyond_one_repair_comes_with_the_next(
    shop: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs, "MAX_DIFFERENCES", 2)
    corrupt(shop, "INSERT INTO stock SELECT 'ghost ' || n, 1 FROM generate_series(1, 3) AS n")

    first, second = list(repair(shop, BY)), list(repair(shop, BY))

    assert [done.item for done in first + second] == ["ghost 1", "ghost 2", "ghost 3"]
    assert audit(shop).holds


def test_an_oversell_that_a_repair_explains_is_one_no_more_and_a_larger_one_is(
    shop: Connection,
) -> None:
    corrupt(shop, "UPDATE stock SET on_hand = on_hand + 5 WHERE item = 'Spare'")
    place(shop, "in good faith", ("Spare", 20))
    decide(shop, "in good faith")
    before = audit(shop)

    list(repair(shop, BY))

    assert found(before) == {"ledger": 1, "oversold": 1}
    assert audit(shop).holds
    corrupt(
        shop,
        "UPDATE stock_ledger SET on_hand_change = 10 WHERE item = 'Spare' AND kind = 'count';"
        + EVEN.format(item="Lamp", on_hand=0, reserved=0)
        + "UPDATE stock SET on_hand = on_hand - 10 WHERE item = 'Spare'",
    )
    assert found(audit(shop)) == {"oversold": 1}


@pytest.mark.parametrize("by", [None, "", "  ", "a\nb", "x" * 201])
def test_a_repair_is_signed_by_somebody(by: str | None) -> None:
    with pytest.raises(ConfigurationError, match="--by NAME"):
        signed(by)


def test_a_repair_waits_for_the_item_and_looks_again(shop: Connection, copied: str) -> None:
    corrupt(shop, CORRUPTIONS["reserved for nobody, without an entry"][0])
    with closing(Connection(copied)) as other:
        other.run("BEGIN")
        other.script("UPDATE stock SET reserved = reserved - 1 WHERE item = 'Chair'")
        made: list[Repair] = []
        repairing = threading.Thread(target=lambda: made.extend(repair(shop, BY)))
        repairing.start()
        sql = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while other.run(sql) == [[0]]:
            assert repairing.is_alive()
        other.run("COMMIT")
        repairing.join()

    assert made == []
    assert audit(shop).holds


def test_an_order_that_moves_during_a_repair_is_listed_as_what_it_became(
    shop: Connection, copied: str
) -> None:
    corrupt(shop, CORRUPTIONS["an order in the list of another status"][0])
    with closing(Connection(copied)) as other:
        other.run("BEGIN")
        other.script("""
          UPDATE orders SET status = 'shipped', due_at = 'infinity' WHERE order_id = 'confirmed'
        """)
        repairing = threading.Thread(target=lambda: list(repair(shop, BY)))
        repairing.start()
        sql = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while other.run(sql) == [[0]]:
            assert repairing.is_alive()
        other.run("COMMIT")
        repairing.join()
        listed = f"SELECT item, status FROM item_orders WHERE position = {OF_ORDER}"
        found = other.run(f"{listed.format('confirmed')} ORDER BY item")

    assert found == [["Chair", "shipped"], ["Lamp", "shipped"]]
