"""KafkaSource on `inventory`: applies an item's changes, then fills backorders, first come first.

Writes stock, stock_ledger, inventory_changes, orders, order_history, backorders and outbox; emits
orderflow.order.confirmed.v1.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from orderflow.database.connection import Conflicted, Connection, Json, statement
from orderflow.database.group_commit import Batch
from orderflow.errors import Later, OrderFlowError
from orderflow.events.models import InventoryChanged
from orderflow.events.trigger import event
from orderflow.logs import bind_log_fields
from orderflow.stock.counting import Change, apply_changes
from orderflow.stock.filling import fill
from orderflow.stock.locking import backordered_items, ensure_stock_rows
from orderflow.stock.moves import mark_shortages

LOCK_ITEMS = statement(__file__, "lock_items.sql")
SELECT_CHANGES = statement(__file__, "select_changes.sql")
APPLY_CHANGES = statement(__file__, "apply_changes.sql")
SOURCE = "/orderflow/apply_inventory"
MAX_CHANGES = 500  # a transaction, so that it holds the items for a tenth of a second
MAX_ROUNDS = 40  # transactions a call, so 20,000 changes; the rest comes with the next delivery


@event(InventoryChanged, whole_topic=True)
async def apply_inventory(changed: InventoryChanged) -> None:
    """Bring the item up to date; the event says only which."""
    bind_log_fields(item=changed.item)
    await update(changed.item)


def update_items(connection: Connection, items: Sequence[str]) -> list[OrderFlowError | None]:
    """Apply the items' changes, then fill backorders, each in small transactions."""
    distinct = sorted(set(items))
    ensure_stock_rows(connection, distinct)
    for _ in range(MAX_ROUNDS):
        if apply_once(connection, distinct) < MAX_CHANGES:
            break
    else:
        raise Later(f"there are more changes to apply of {', '.join(distinct)}")
    awaited = backordered_items(connection, distinct)
    unfinished = {item: fill(connection, item, source=SOURCE) for item in awaited}
    return [unfinished.get(item) for item in items]


update = Batch(update_items)


def apply_once(connection: Connection, items: list[str]) -> int:
    """Lock the items and apply a bounded number of their changes; return how many."""
    with connection.transaction():
        stock = {item: figures for item, *figures in connection.run(LOCK_ITEMS, items=items)}
        if len(stock) < len(items):
            raise Conflicted("a row that nobody needed was removed meanwhile")
        changes = connection.run(SELECT_CHANGES, items=items, count=MAX_CHANGES)
        outcomes: list[dict[str, Any]] = []
        short: list[str] = []
        for item, rows in groupby(changes, key=itemgetter(0)):
            on_hand, reserved, counted_at = stock[item]
            applied = apply_changes(on_hand, counted_at, [Change(*row[1:]) for row in rows])
            outcomes += [
                {"position": c.position, "result": result, "on_hand_change": units}
                for c, result, units in applied
            ]
            left = on_hand + sum(done.on_hand_change for done in applied)
            if reserved > min(on_hand, left):
                short.append(item)
        if outcomes:
            connection.run(APPLY_CHANGES, applied=Json(outcomes))
            mark_shortages(connection, short)
    return len(changes)
