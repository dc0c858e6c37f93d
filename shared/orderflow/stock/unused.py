"""Rows of stock that were made for an order and that nobody needs any more.

An order may name any item. One that waits for it needs the item's row to be locked by; once nobody
waits, a row in which never anything was says nothing.
"""

from orderflow.database.connection import Connection, statement

LOCK_REVIEWED = statement(__file__, "lock_reviewed.sql")
REMOVE_UNUSED = statement(__file__, "remove_unused.sql")

AT_ONCE = 500  # rows a transaction: some milliseconds in which their items are locked


def remove_unused(connection: Connection) -> int:
    """Look at a bounded number of rows whose time has come; return how many were removed.

    What was locked is looked at by a statement of its own, which sees whatever was committed
    before. A row that another transaction holds is left to the next call.
    """
    with connection.transaction():
        rows = connection.run(LOCK_REVIEWED, count=AT_ONCE)
        items = [item for (item,) in rows]
        return len(connection.run(REMOVE_UNUSED, items=items)) if items else 0
