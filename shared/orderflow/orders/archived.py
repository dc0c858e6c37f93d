"""What is left here of orders that are in an archive."""

from collections.abc import Sequence

from orderflow.database.connection import Connection, statement

SELECT_ARCHIVED = statement(__file__, "select_archived.sql")


def archived_orders(connection: Connection, order_ids: Sequence[str]) -> set[str]:
    """Return which of these orders are in an archive: closed, and gone from here."""
    rows = connection.run(SELECT_ARCHIVED, order_ids=list(order_ids)) if order_ids else []
    return {order_id for (order_id,) in rows}
