"""Closed orders leave for an archive and come back from it; at every moment all adds up."""

import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from orderflow.audit.checks import audit
from orderflow.database.connection import Connection, Json, retrying
from orderflow.dead_letters.resending import SETTLE_LETTERS
from orderflow.errors import InvalidInput
from orderflow.models import ChangeInventory, PlaceOrder
from orderflow_cli.archive import removing, sections, writing
from orderflow_cli.archive.files import Manifest, read_manifest, write_manifest
from tests.functions.test_audit import busy, change, decide, found, place, tell, update
from tests.support.commands import ROOT, Done, orderflow, said
from tests.support.dead_letters import keep, make_letter, state_of
from tests.support.function_calls import make_order, module_of, own_database

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
DAYS = 100  # how long ago the first half of the shop's life was
BEFORE = (datetime.now(UTC) - timedelta(days=50)).strftime("%Y-%m-%d")
CLOSED = {"shipped", "released", "cancelled", "rejected", "gone", "filled and gone"}
# Every time that there is, so that what happened until now happened long ago.
AGE = f"""
UPDATE orders SET placed_at = placed_at - interval '{DAYS} days',
  updated_at = updated_at - interval '{DAYS} days';
UPDATE order_history SET at = at - interval '{DAYS} days';
UPDATE inventory_changes SET occurred_at = occurred_at - interval '{DAYS} days',
  received_at = received_at - interval '{DAYS} days',
  applied_at = applied_at - interval '{DAYS} days';
UPDATE stock SET counted_at = counted_at - interval '{DAYS} days';
UPDATE stock_ledger SET occurred_at = occurred_at - interval '{DAYS} days',
  recorded_at = recorded_at - interval '{DAYS} days';
DELETE FROM outbox;
"""
REPAIRED = """
INSERT INTO stock_ledger (item, kind, on_hand_change, reserved_change, reason, occurred_at)
VALUES ('Spare', 'repair', 2, 0, 'a test', now());
UPDATE stock SET on_hand = on_hand + 2 WHERE item = 'Spare';
"""
LINES = {
    "orders": "SELECT array_agg(position ORDER BY position) FROM orders",
    "changes": "SELECT array_agg(position ORDER BY position) FROM inventory_changes",
}


class Shop(NamedTuple):
    """A database of its own, and where its archives go."""

    url: str
    connection: Connection
    folder: Path

    def archive(self, name: str = "archive", before: str = BEFORE) -> Done:
        """Run the command."""
        to = self.folder / name
        return orderflow("archive", "--before", before, "--to", to, "--postgres", self.url)

    def manifest(self, name: str = "archive") -> Manifest:
        """What the archive says of itself."""
        made = read_manifest(self.folder / name)
        assert made is not None
        return made


def lived(connection: Connection) -> None:
    """A shop with an old life of every kind, and a young one that goes on with it."""
    busy(connection)
    place(connection, "gone", ("Lamp", 2), ("Chair", 2), hold_minutes=9)
    place(connection, "filled and gone", ("Door", 2))
    decide(connection, "gone", "filled and gone")
    tell(connection, "Door", adjust=3, change_id="doors")
    update(connection, "Door")
    change(connection, "gone", "shipped")
    change(connection, "filled and gone", "shipped")
    connection.script(REPAIRED)
    connection.script(AGE)
    change(connection, "confirmed", "shipped")  # confirmed long ago, and shipped of late
    place(connection, "young", ("Lamp", 3), ("Spare", 1))
    place(connection, "young and gone", ("Lamp", 1))
    decide(connection, "young", "young and gone")
    change(connection, "young and gone", "cancelled")
    tell(connection, "Lamp", stock=30)
    update(connection, "Lamp")


@pytest.fixture(scope="module")
def lived_in(postgres: str) -> Iterator[str]:
    """The URL of a database for tests to copy."""
    with own_database(postgres) as url:
        with closing(Connection(url)) as connection:
            lived(connection)
            assert audit(connection).holds
        yield url


@pytest.fixture
def shop(lived_in: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A copy of the shop; archives are of small files and steps."""
    monkeypatch.setattr(removing, "AT_ONCE", 2)
    monkeypatch.setattr(removing, "PASS_PAUSE_S", 0.05)
    monkeypatch.setattr(writing, "ROWS_PER_FILE", 3)
    monkeypatch.setattr(writing, "READ_AT_ONCE", 2)
    monkeypatch.setattr(sections, "LOOKED_AT", 3)
    monkeypatch.setattr(sections, "READ_AT_ONCE", 2)
    with own_database(lived_in, copy_of=lived_in) as url, closing(Connection(url)) as connection:
        yield Shop(url, connection, tmp_path)


@pytest.fixture
def empty(postgres: str) -> Iterator[str]:
    """The URL of an empty, migrated database."""
    with own_database(postgres) as url:
        yield url


def lines(connection: Connection) -> dict[str, set[str]]:
    """Every order and every change with all that belongs to it, as an archive has it."""
    found: dict[str, set[str]] = {}
    for section in sections.SECTIONS[:2]:
        ((ids,),) = connection.run(LINES[section.name])
        found[section.name] = {line for _, line in connection.run(section.read, ids=ids or [])}
    return found


def listed(connection: Connection) -> bool:
    """Whether lists by item and status are read from just what there is."""
    what = "SELECT DISTINCT item, status, position FROM orders JOIN order_lines USING (position)"
    there = connection.run(f"{what} WHERE status <> 'pending' ORDER BY position, item")
    asked = "SELECT item, status, position FROM item_orders ORDER BY position, item"
    return connection.run(asked) == there


def order_ids(connection: Connection) -> set[str]:
    return {order_id for (order_id,) in connection.run("SELECT order_id FROM orders")}


def is_closed(line: str) -> bool:
    return orjson.loads(line)["order_id"] in CLOSED


def sums(connection: Connection) -> list[list[Any]]:
    return connection.run("SELECT item, on_hand, reserved FROM stock ORDER BY item")


def openings(connection: Connection) -> dict[str, tuple[int, int]]:
    sql = "SELECT item, on_hand_change, reserved_change FROM stock_ledger WHERE kind = 'opening'"
    return {item: (on_hand, reserved) for item, on_hand, reserved in connection.run(sql)}


def restore(url: str, *folders: Path) -> Done:
    return orderflow("restore", *(f"--from={folder}" for folder in folders), "--postgres", url)


def assert_came_back(shop: Shop, empty: str, before: dict[str, set[str]], *names: str) -> None:
    """What is in the archives and what is still here are what there was, and both add up."""
    assert restore(empty, *(shop.folder / name for name in names)).status == 0
    with closing(Connection(empty)) as restored:
        there, here = lines(restored), lines(shop.connection)
        assert not there["orders"] & here["orders"]
        assert not there["changes"] & here["changes"]
        assert {name: there[name] | here[name] for name in there} == before
        assert listed(restored)
        assert audit(restored).holds, found(audit(restored))
    assert audit(shop.connection).holds, found(audit(shop.connection))


def test_what_was_closed_leaves_and_comes_back_as_it_was(shop: Shop, empty: str) -> None:
    before, stock, ids = lines(shop.connection), sums(shop.connection), order_ids(shop.connection)

    done = shop.archive()

    assert done.status == 0, done
    assert ids - order_ids(shop.connection) == CLOSED
    assert listed(shop.connection)
    assert sums(shop.connection) == stock
    assert shop.manifest().rows("orders") == len(CLOSED)
    assert shop.manifest().rows("repairs") == 1
    assert_came_back(shop, empty, before, "archive")


def test_what_was_moved_is_the_opening_balance_of_each_item(shop: Shop, empty: str) -> None:
    shop.archive()

    restore(empty, shop.folder / "archive")

    with closing(Connection(empty)) as restored:
        balances = {item: (on_hand, reserved) for item, on_hand, reserved in sums(restored)}
        # Of Doors 2 of 3 were shipped; of Lamps 5 of 20, while 4 were reserved for who is here.
        assert balances["Door"] == (1, 0)
        assert balances["Lamp"] == (15, 0)
        assert openings(shop.connection) == balances


def test_a_second_archive_follows_the_first_and_both_come_back(shop: Shop, empty: str) -> None:
    before = lines(shop.connection)
    shop.archive("first")
    shop.connection.script(AGE)
    assert shop.archive("second").status == 0

    assert shop.manifest("second").follows == shop.manifest("first").archive_id
    assert {"confirmed", "young and gone"} & order_ids(shop.connection) == set()
    kinds = "SELECT kind, count(*) FROM stock_ledger WHERE item = 'Lamp' GROUP BY kind"
    assert dict(shop.connection.run(kinds)) == {"opening": 1, "reserve": 1}
    assert restore(empty, shop.folder / "second", shop.folder / "first").status == 0
    with closing(Connection(empty)) as restored:
        assert {line for line in before["orders"] if is_closed(line)} <= lines(restored)["orders"]
        assert order_ids(restored) == CLOSED | {"confirmed", "young and gone"}
        assert audit(restored).holds, found(audit(restored))
    assert audit(shop.connection).holds


def test_a_later_archive_alone_begins_with_the_balances_of_those_before(
    shop: Shop, empty: str
) -> None:
    shop.archive("first")
    shop.connection.script(AGE)
    shop.archive("second")

    assert restore(empty, shop.folder / "second").status == 0

    with closing(Connection(empty)) as restored:
        assert order_ids(restored) == {"confirmed", "young and gone"}
        assert audit(restored).holds, found(audit(restored))


class Killed(BaseException):
    """The process is gone: nobody catches it."""


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has the process die at a later statement or write to the disk, before it or after it."""
    left = [0]

    def mortal(work: Callable[..., Any]) -> Callable[..., Any]:
        def working(*arguments: Any, **parameters: Any) -> Any:
            left[0] -= 1
            if left[0] == 1:
                work(*arguments, **parameters)
            if left[0] in (0, 1):
                left[0] = 1  # and nothing is done by who is dead
                raise Killed
            return work(*arguments, **parameters)

        return working

    monkeypatch.setattr(Connection, "run", mortal(Connection.run))
    monkeypatch.setattr("os.fsync", mortal(os.fsync))

    def kill_after(steps: int) -> None:
        left[0] = steps

    return kill_after


@pytest.mark.parametrize("seed", range(8))
def test_killed_anywhere_and_run_again_it_loses_nothing_and_doubles_nothing(
    shop: Shop, empty: str, kill_after: Callable[[int], None], seed: int
) -> None:
    before, stock, chance = lines(shop.connection), sums(shop.connection), random.Random(seed)
    ids, kills, done = order_ids(shop.connection), 0, None

    while done is None:
        kill_after(chance.randint(2, 90))
        try:
            done = shop.archive()
        except Killed:
            kills += 1
        kill_after(0)
        assert audit(shop.connection).holds
        assert sums(shop.connection) == stock
        assert ids - order_ids(shop.connection) == tombstones(shop.connection)

    assert kills > 0
    assert done.status == 0, done
    assert_came_back(shop, empty, before, "archive")


def tombstones(connection: Connection) -> set[str]:
    return {order_id for (order_id,) in connection.run("SELECT order_id FROM archived_orders")}


def test_a_run_after_the_last_step_changes_nothing(shop: Shop) -> None:
    shop.archive()
    before = lines(shop.connection), openings(shop.connection)

    assert shop.archive().status == 0

    assert (lines(shop.connection), openings(shop.connection)) == before


def test_orders_are_placed_moved_and_counted_meanwhile(shop: Shop, empty: str) -> None:
    before = lines(shop.connection)
    stop = threading.Event()
    orders: list[str] = []

    def work() -> None:
        with closing(Connection(shop.url)) as connection:
            while not stop.is_set():
                order_id = f"meanwhile {len(orders)}"
                place(connection, order_id, ("Lamp", 1), ("Chair", 1), on_shortage="reject")
                decide(connection, order_id)
                tell(connection, "Chair", adjust=1)
                update(connection, "Chair")
                orders.append(order_id)

    writer = threading.Thread(target=work)
    writer.start()
    try:
        assert shop.archive().status == 0
    finally:
        stop.set()
        writer.join()

    assert len(orders) > 3
    assert set(orders) < order_ids(shop.connection)
    assert restore(empty, shop.folder / "archive").status == 0
    with closing(Connection(empty)) as restored:
        assert lines(restored)["orders"] == {line for line in before["orders"] if is_closed(line)}
        assert audit(restored).holds
    assert audit(shop.connection).holds


def test_an_order_that_another_holds_is_waited_for_and_the_rest_is_not(shop: Shop) -> None:
    with closing(Connection(shop.url)) as other:
        other.run("BEGIN")
        other.run("SELECT FROM orders WHERE order_id = 'gone' FOR UPDATE")
        archiving = threading.Thread(target=shop.archive)
        archiving.start()
        while order_ids(shop.connection) & CLOSED != {"gone"}:
            assert archiving.is_alive()
        other.run("ROLLBACK")
        archiving.join()

    assert order_ids(shop.connection) & CLOSED == set()
    assert audit(shop.connection).holds


def test_an_order_with_an_event_still_to_be_sent_stays(shop: Shop) -> None:
    shop.connection.script("""
      INSERT INTO outbox (
        id, aggregatetype, aggregateid, type, payload, sequence, source, traceparent
      )
      VALUES (gen_random_uuid(), 'order-events', 'shipped', 't', '{}', 3, 's', '')
    """)

    shop.archive()

    assert order_ids(shop.connection) & CLOSED == {"shipped"}
    assert audit(shop.connection).holds


# What is left of an archived order


def placed_again(connection: Connection, key: str | None = None, **body: Any) -> Any:
    create = module_of("create_order")
    placement = create.requested(PlaceOrder.model_validate(make_order(**body)), key, TRACE)
    (placed,) = retrying(lambda: create.place_orders(connection, [placement]))
    return placed._replace(fingerprint=placed.fingerprint == placement.fingerprint)


def test_a_repeat_of_an_archived_order_is_known_and_makes_none(shop: Shop) -> None:
    first: dict[str, Any] = {"order_id": ..., "item": "Lamp", "quantity": 1}
    by_key = placed_again(shop.connection, "its key", **first)
    change(shop.connection, by_key.order_id, "cancelled")
    shop.connection.script(AGE)
    shop.archive()
    ids = order_ids(shop.connection)

    bench = {"order_id": "rejected", "item": "Bench"}
    same = placed_again(shop.connection, **bench, quantity=1, on_shortage="reject")
    other = placed_again(shop.connection, **bench, quantity=2)
    keyed = placed_again(shop.connection, "its key", **first)

    assert same == ("rejected", True, None, "id")
    assert other == ("rejected", False, None, "id")
    assert keyed == (by_key.order_id, True, None, "key")
    assert order_ids(shop.connection) == ids


def test_a_repeat_that_waits_for_the_deletion_is_known_too(shop: Shop) -> None:
    with closing(Connection(shop.url)) as remover:
        manifest = prepared(shop)
        remover.run("BEGIN")
        (order,) = remover.run(
            "SELECT position, order_id, sequence FROM orders WHERE order_id = 'rejected'"
        )
        given = [dict(zip(("position", "order_id", "sequence"), order, strict=True))]
        told = {"given": Json(given), "archive_id": manifest.archive_id}
        taken = remover.value(sections.SECTIONS[0].take or "", **told)["taken"]
        remover.run(sections.SECTIONS[0].delete or "", taken=taken)
        results: list[Any] = []
        asked: dict[str, Any] = {"order_id": "rejected", "item": "Bench", "on_shortage": "reject"}
        repeating = threading.Thread(
            target=lambda: results.append(placed_again(shop.connection, **asked, quantity=1))
        )
        repeating.start()
        while remover.run("SELECT count(*) FROM pg_locks WHERE NOT granted") == [[0]]:
            assert repeating.is_alive()
        remover.run("COMMIT")
        repeating.join()

    assert results == [("rejected", True, None, "id")]
    assert "rejected" not in order_ids(shop.connection)


def prepared(shop: Shop) -> Manifest:
    """An archive that is written and begun, of which nothing is deleted yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(removing, "remove_step", lambda *_: 1)
        patch.setattr(removing, "PASSES", 1)
        assert shop.archive().status == 1
    return shop.manifest()


def test_a_repeat_of_an_archived_change_is_known_and_moves_nothing(shop: Shop) -> None:
    shop.archive()
    stock = sums(shop.connection)
    inventory = module_of("update_inventory")
    told = ChangeInventory.model_validate({"item": "Door", "adjust": 3, "change_id": "doors"})

    wanted = [inventory.requested(told, TRACE)]
    (recorded,) = retrying(lambda: inventory.record_changes(shop.connection, wanted))
    update(shop.connection, "Door")

    assert (recorded.change_id, recorded.found_by) == ("doors", "id")
    assert recorded.fingerprint == wanted[0].fingerprint
    assert sums(shop.connection) == stock


def test_an_event_of_an_archived_order_is_done_and_its_letter_settled(shop: Shop) -> None:
    (letter,) = keep(
        shop.connection,
        make_letter(
            type="orderflow.order.placed.v1", order_id="gone", error_code=503, error_type="x"
        ),
    )
    shop.archive()

    decide_orders = module_of("process_order").decide_orders
    outcomes = retrying(lambda: decide_orders(shop.connection, ["gone", "nobody's"]))
    shop.connection.run(SETTLE_LETTERS, count=10)

    assert outcomes[0] is None
    assert isinstance(outcomes[1], InvalidInput)
    assert state_of(shop.connection, letter) == "settled"


def test_a_count_from_before_archived_movements_is_superseded_and_an_adjustment_is_not(
    shop: Shop,
) -> None:
    shop.archive()
    long_ago = (datetime.now(UTC) - timedelta(days=DAYS + 1)).isoformat()

    tell(shop.connection, "Door", stock=90, occurred_at=long_ago, change_id="late count")
    tell(shop.connection, "Door", adjust=5, occurred_at=long_ago, change_id="late difference")
    tell(shop.connection, "Sofa", stock=90, change_id="new count")
    update(shop.connection, "Door", "Sofa")

    sql = "SELECT change_id, outcome FROM inventory_changes WHERE change_id ~ 'late|new'"
    assert dict(shop.connection.run(sql)) == {
        "late count": "superseded",
        "late difference": "applied",
        "new count": "applied",
    }
    assert ["Door", 6, 0] in sums(shop.connection)
    assert audit(shop.connection).holds


# What is refused


def test_what_is_young_is_not_archived(shop: Shop) -> None:
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"

    refused = said(shop.archive(before=yesterday))

    assert refused.startswith("--before is ")
    assert refused.endswith("at the latest: ORDERFLOW_KEEP_ORDERS_DAYS is 30")
    assert not (shop.folder / "archive").exists()


def test_nothing_old_makes_no_archive(shop: Shop) -> None:
    done = shop.archive(before="2001-01-01")

    assert (done.status, done.stdout) == (
        0,
        "nothing to archive was closed before 2001-01-01 00:00 UTC\n",
    )
    assert list((shop.folder / "archive").iterdir()) == []


def test_a_folder_with_something_else_in_it_is_left_alone(shop: Shop) -> None:
    (shop.folder / "archive").mkdir()
    (shop.folder / "archive" / "letter.txt").write_text("mine")

    refused = said(shop.archive())

    assert refused.endswith("letter.txt is no file of an archive: name an empty folder")
    assert order_ids(shop.connection) >= CLOSED


def test_another_archive_waits_until_one_that_is_begun_is_finished(shop: Shop) -> None:
    prepared(shop)

    refused = last_line(shop.archive("another"))

    folder = shop.folder / "archive"
    assert refused == f"an archive is not finished: run it again to its end, with --to {folder}"
    assert shop.archive().status == 0
    assert order_ids(shop.connection) & CLOSED == set()


def last_line(done: Done) -> str:
    """Why a command that has shown its progress did not go on."""
    assert done.status == 1
    return done.stderr.splitlines()[-1].removeprefix("orderflow: ")


def test_what_differs_from_the_database_is_not_deleted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = write_manifest

    def changed_meanwhile(folder: Path, manifest: Manifest) -> None:
        written(folder, manifest)
        shop.connection.script("UPDATE orders SET traceparent = 'x' WHERE order_id = 'gone'")

    monkeypatch.setattr(writing, "write_manifest", changed_meanwhile)

    refused = last_line(shop.archive())

    assert "and the database differ in orders, position" in refused
    assert order_ids(shop.connection) >= CLOSED


@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_a_damaged_archive_is_not_restored_and_nothing_more_is_deleted(
    shop: Shop, empty: str, damage: str
) -> None:
    prepared(shop)
    path = sorted((shop.folder / "archive").glob("changes-*"))[0]
    data = path.read_bytes()
    path.write_bytes(data[:-9] if damage == "cut" else data[:20] + b"x" + data[21:])
    if damage == "missing":
        path.unlink()
    fault = "is missing" if damage == "missing" else "is not what its archive's manifest says"

    deleting, restoring = shop.archive(), restore(empty, shop.folder / "archive")

    for refused in (deleting, restoring):
        assert last_line(refused) == f"{path} {fault}: nothing was done"
    assert order_ids(shop.connection) >= CLOSED
    with closing(Connection(empty)) as connection:
        assert order_ids(connection) == set()


def test_a_database_with_orders_is_not_restored_into(shop: Shop) -> None:
    shop.archive()
    before = lines(shop.connection)

    refused = said(restore(shop.url, shop.folder / "archive"))

    assert refused.startswith("the database has orders, inventory changes, ")
    assert "createdb" in refused
    assert lines(shop.connection) == before


def test_a_missing_archive_between_two_is_noticed(shop: Shop, empty: str) -> None:
    for name, order_id in {"first": "short", "second": "behind", "third": "waiting"}.items():
        change(shop.connection, order_id, "cancelled")
        shop.connection.script(AGE)
        assert shop.archive(name).status == 0

    refused = said(restore(empty, shop.folder / "first", shop.folder / "third"))

    assert refused.endswith("an archive is missing, or one is named twice")
    twice = restore(empty, *[shop.folder / "first"] * 2)
    assert said(twice).endswith("an archive is missing, or one is named twice")


def test_a_folder_without_a_manifest_is_no_archive(shop: Shop, empty: str) -> None:
    shop.archive()
    shutil.move(shop.folder / "archive" / "manifest.json", shop.folder)

    refused = said(restore(empty, shop.folder / "archive"))

    assert refused.endswith("has no manifest, so it is no archive that was finished")


def test_new_orders_are_numbered_above_what_was_restored(shop: Shop, empty: str) -> None:
    shop.archive()
    restore(empty, shop.folder / "archive")

    with closing(Connection(empty)) as restored:
        place(restored, "new", ("Lamp", 1), ("Door", 1))
        decide(restored, "new")
        tell(restored, "Lamp", adjust=1)
        update(restored, "Lamp")

        newest = "SELECT order_id FROM orders ORDER BY position DESC LIMIT 1"
        assert restored.run(newest) == [["new"]]
        assert audit(restored).holds


@pytest.mark.parametrize(
    ("table", "file"),
    [("orders", "insert_orders.sql"), ("inventory_changes", "insert_changes.sql")],
)
def test_every_column_is_restored(shop: Shop, table: str, file: str) -> None:
    text = (ROOT / "shared/orderflow_cli/restore" / file).read_text()
    listed = text[text.index(f"INSERT INTO {table} (") :].partition("(")[2].partition(")")[0]
    sql = "SELECT column_name::text FROM information_schema.columns WHERE table_name = :name"

    columns = {name for (name,) in shop.connection.run(sql, name=table)}

    assert {name.strip() for name in listed.split(",")} == columns


def test_an_item_shows_the_balance_that_its_ledger_begins_with(shop: Shop) -> None:
    sql, asked = module_of("list_inventory").SELECT_ITEM, {"below": 2**62, "count": 50, "most": 9}
    before = shop.connection.value(sql, item="Lamp", **asked)

    shop.archive()

    shown = shop.connection.value(sql, item="Lamp", **asked)
    assert before["opening"] is None
    assert (shown["opening"]["on_hand_change"], shown["opening"]["reserved_change"]) == (15, 0)
    assert shown["opening"]["reason"] == f"what is in archives up to {BEFORE} 00:00 UTC"
    assert shown["ledger"] == [entry for entry in before["ledger"] if entry in shown["ledger"]]
    on_hand = sum(entry["on_hand_change"] for entry in shown["ledger"])
    assert on_hand + shown["opening"]["on_hand_change"] == shown["on_hand"]
