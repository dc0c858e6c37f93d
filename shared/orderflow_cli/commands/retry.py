"""`orderflow retry`: has orders announced again, and prints which."""

from collections.abc import Sequence

from orderflow.database.connection import Connection
from orderflow.orders.diagnosis.retry import SOON, retry_marked, retry_orders
from orderflow_cli.database import open_database
from orderflow_cli.output import say


def retry_command(url: str, order_ids: Sequence[str], *, marked: bool) -> bool:
    """Have orders announced anew, those named or all that ask for a person; print what was done.

    Returns whether every order that was named could be.
    """
    with open_database(url) as connection:
        if marked:
            _retry_marked(connection)
            return True
        again, refused = retry_orders(connection, order_ids)
    for order_id in again:
        say(f"order {order_id} {SOON}")
    for refusal in refused:
        say(f"orderflow: {refusal.detail}", stderr=True)
    return not refused


def _retry_marked(connection: Connection) -> None:
    orders = changes = 0
    for done in retry_marked(connection):
        orders, changes = orders + len(done.orders), changes + len(done.changes)
        for order_id in done.orders:
            say(f"order {order_id} {SOON}")
        for change in done.changes:
            say(f"inventory change of {change} {SOON}")
    say(f"{orders} orders and {changes} inventory changes")
