"""Repairs what an audit found, where the database itself says what is right; each repair is told.

What is on hand is what the row in `stock` says: a figure that somebody set. What is reserved is
what confirmed orders hold. The queue of backorders is the lines of the backordered orders. The
counters of orders are what there is, and the lists by item show what there is. All else is left to
a person.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from orderflow.audit.checks import CHECKS, Audit, audit
from orderflow.database.connection import Connection, retrying, statement
from orderflow.errors import ConfigurationError
from orderflow.stock.moves import mark_shortages

BEGIN_REPAIR = statement(__file__, "begin_repair.sql")
RESTORE_STOCK = statement(__file__, "restore_stock.sql")
LOCK_STOCK = statement(__file__, "lock_stock.sql")
REPAIR_STOCK = statement(__file__, "repair_stock.sql")
REPAIR_BACKORDERS = statement(__file__, "repair_backorders.sql")
OFFER_STOCK = statement(__file__, "offer_stock.sql")
REPAIR_COUNTERS = statement(__file__, "repair_counters.sql")
REPAIR_LISTS = statement(__file__, "repair_lists.sql")

REPAIRABLE = {"ledger", "reservations", "backorders", "waiting", "counters", "lists"}
MAX_DIFFERENCES = 10_000  # of each check a repair: what is left comes with the next
ITEMS_AT_ONCE = 20  # a transaction: writers of these items wait for it
QUEUE_ROWS_AT_ONCE = 1_000  # repaired a transaction, for the same reason
MAX_PASSES = 100  # over the same items, so 100,000 rows of their queues
MAX_NAME_LENGTH = 200


class Repair(NamedTuple):
    """One thing that was repaired: an entry of the ledger, a row of a queue or list, stock offered.

    Or the counter of a status, which then stands for an item.
    """

    kind: str
    item: str
    what: dict[str, Any]


def repair(connection: Connection, by: str) -> Iterator[Repair]:
    """Repair what can be repaired, in small transactions, and yield each once it is committed.

    `by` is who answers for it, as `signed` returns it; every entry of the ledger says so.
    """
    found = _look(connection)
    if found.found("counters"):
        yield from retrying(partial(repair_counters, connection))
    if found.found("lists"):
        yield from retrying(partial(repair_lists, connection))
    items = differing(found)
    for start in range(0, len(items), ITEMS_AT_ONCE):
        yield from _repair_items(connection, items[start : start + ITEMS_AT_ONCE], by)


def signed(by: str | None) -> str:
    """Return the name to sign a repair with; raises `ConfigurationError` when it is none."""
    name = (by or "").strip()
    if not (0 < len(name) <= MAX_NAME_LENGTH and name.isprintable()):
        wrong = f"give --by NAME, 1 to {MAX_NAME_LENGTH} characters: a repair says who made it"
        raise ConfigurationError(wrong)
    return name


def differing(found: Audit) -> list[str]:
    """Return the items whose stock or queue differs, as far as that is shown, in order."""
    rows = [row for finding in found.findings if finding.check != "lists" for row in finding.rows]
    waited_for = [wait["item"] for row in rows for wait in row.get("waits_for", ())]
    return sorted({*waited_for, *(row["item"] for row in rows if "item" in row)})


def repair_once(connection: Connection, items: Sequence[str], by: str) -> list[Repair]:
    """Lock a few items, look again, and repair what still differs; all of it or nothing."""
    items = list(items)
    with connection.transaction():
        connection.script(BEGIN_REPAIR)
        restored = [item for (item,) in connection.run(RESTORE_STOCK, items=items)]
        connection.run(LOCK_STOCK, items=items)
        entries = connection.run(REPAIR_STOCK, items=items, restored=restored, by=by)
        queued = connection.run(REPAIR_BACKORDERS, items=items, count=QUEUE_ROWS_AT_ONCE)
        made = [_repair_of("entry", _ENTRY, row) for row in entries]
        made += [_repair_of("backorder", _QUEUED, row) for row in queued]
        repaired = sorted({done.item for done in made})
        mark_shortages(connection, items)
        offered = connection.run(OFFER_STOCK, items=items, repaired=repaired)
    return made + [_repair_of("offer", _OFFERED, row) for row in offered]


def repair_counters(connection: Connection) -> list[Repair]:
    """Set the counters to what there is of each status."""
    with connection.transaction():
        connection.script(BEGIN_REPAIR)
        rows = connection.run(REPAIR_COUNTERS)
    return [Repair("counter", row[0], dict(zip(_COUNTER, row, strict=True))) for row in rows]


def repair_lists(connection: Connection) -> list[Repair]:
    """Have lists by item and status show a bounded number of orders as they are."""
    with connection.transaction():
        connection.script(BEGIN_REPAIR)
        rows = connection.run(REPAIR_LISTS, count=MAX_DIFFERENCES)
    return [_repair_of("list", _LISTED, row) for row in rows]


_COUNTER = "status", "counted", "orders"
_ENTRY = "entry", "item", "on_hand_change", "reserved_change", "reason"
_LISTED = "order_id", "item", "was_listed", "is_listed"
_QUEUED = "order_id", "item", "queued", "ordered"
_OFFERED = ("item",)


def _repair_items(connection: Connection, items: Sequence[str], by: str) -> Iterator[Repair]:
    for _ in range(MAX_PASSES):
        made = retrying(partial(repair_once, connection, items, by))
        yield from made
        if sum(done.kind == "backorder" for done in made) < QUEUE_ROWS_AT_ONCE:
            return


def _look(connection: Connection) -> Audit:
    checks = [check for check in CHECKS if check.name in REPAIRABLE]
    return audit(connection, checks=checks, shown=MAX_DIFFERENCES)


def _repair_of(kind: str, columns: Sequence[str], row: Sequence[Any]) -> Repair:
    what = dict(zip(columns, row, strict=True))
    return Repair(kind, what["item"], what)
