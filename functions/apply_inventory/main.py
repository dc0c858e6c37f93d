"""KafkaSource on `inventory`: applies an item's changes, then fills backorders, first come first.

Writes stock, stock_ledger, inventory_changes, orders, order_history, backorders and outbox; emits
orderflow.order.confirmed.v1.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from orderflow.database.connection import Connection, Json, statement
from orderflow.database.group_commit import Batch
from orderflow.errors import OrderFlowError
from orderflow.events.models import InventoryChanged
from orderflow.events.trigger import event
from orderflow.logs import bind_log_fields
from orderflow.stock.counting import Change, apply_changes
from orderflow.stock.filling import fill
from orderflow.stock.reservations import awaited_items, give_rows

HERE = Path(__file__).parent
LOCK_ITEMS = statement(HERE / "lock_items.sql")
SELECT_CHANGES = statement(HERE / "select_changes.sql")
APPLY_CHANGES = statement(HERE / "apply_changes.sql")
SOURCE = "/orderflow/apply_inventory"


@event(InventoryChanged, whole_topic=True)
async def apply_inventory(changed: InventoryChanged) -> None:
    """Bring the item up to date; the event says only which."""
    bind_log_fields(item=changed.item)
    await update(changed.item)


def update_items(connection: Connection, items: Sequence[str]) -> list[OrderFlowError | None]:
    """Apply the items' changes in one transaction, then fill backorders in small ones."""
    give_rows(connection, items)
    with connection.transaction():
        awaited = apply_open_changes(connection, sorted(set(items)))
    unfinished = {item: fill(connection, item, source=SOURCE) for item in awaited}
    return [unfinished.get(item) for item in items]


update = Batch(update_items)


def apply_open_changes(connection: Connection, items: list[str]) -> list[str]:
    """Lock the items, apply what is open, and return those that somebody waits for."""
    shelves = {item: shelf for item, *shelf in connection.run(LOCK_ITEMS, items=items)}
    applied: list[dict[str, Any]] = []
    open_changes = connection.run(SELECT_CHANGES, items=items)
    for item, rows in groupby(open_changes, key=itemgetter(0)):
        on_hand, counted_at = shelves[item]
        changes = [Change(*row[1:]) for row in rows]
        applied += [done.row(item) for done in apply_changes(on_hand, counted_at, changes)]
    if applied:
        connection.run(APPLY_CHANGES, applied=Json(applied))
    return awaited_items(connection, items)
