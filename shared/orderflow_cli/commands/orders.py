"""`orderflow explain` and `orderflow retry`: why an order is stuck, and another start for it."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

import orjson
from rich.console import Console

from orderflow.database.connection import Connection
from orderflow.errors import NotFound
from orderflow.orders.diagnosis.explanation import explain
from orderflow.orders.diagnosis.facts import find_order
from orderflow_cli.commands.order_text import describe
from orderflow_cli.retries import retry_marked, retry_orders

SOON = "will be announced within 10 s"


def explain_command(url: str, order_id: str, *, as_json: bool = False) -> None:
    """Print an order, its history and why it waits; raises `NotFound`."""
    with closing(Connection(url)) as connection:
        found = find_order(connection, order_id)
    if found is None:
        raise NotFound(f"there is no order {order_id}")
    waiting = explain(found.facts)
    console = _console()
    if as_json:
        shown = orjson.dumps(found.order | {"waiting": waiting}, option=orjson.OPT_INDENT_2)
        console.print(shown.decode())
        return
    for line in describe(found.order, waiting, datetime.now(UTC)):
        console.print(line)


def retry_command(url: str, order_ids: Sequence[str], *, marked: bool) -> bool:
    """Have orders announced anew, those named or all that ask for a person; print what was done.

    Returns whether every order that was named could be.
    """
    out, err = _console(), _console(stderr=True)
    with closing(Connection(url)) as connection:
        if marked:
            _retry_marked(connection, out)
            return True
        again, refused = retry_orders(connection, order_ids)
    for order_id in again:
        out.print(f"order {order_id} {SOON}")
    for refusal in refused:
        err.print(f"orderflow: {refusal}")
    return not refused


def _retry_marked(connection: Connection, out: Console) -> None:
    orders = changes = 0
    for done in retry_marked(connection):
        orders, changes = orders + len(done.orders), changes + len(done.changes)
        for order_id in done.orders:
            out.print(f"order {order_id} {SOON}")
        for change in done.changes:
            out.print(f"inventory change of {change} {SOON}")
    out.print(f"{orders} orders and {changes} inventory changes")


def _console(*, stderr: bool = False) -> Console:
    # Names are shown as they are, and a line break inside a command would break the command.
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)
