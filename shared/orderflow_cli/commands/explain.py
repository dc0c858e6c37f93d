"""`orderflow explain`: one order, and why it waits."""

from contextlib import closing
from datetime import UTC, datetime

from orderflow.database.connection import Connection
from orderflow.errors import NotFound
from orderflow.orders.diagnosis.commands import Target
from orderflow.orders.diagnosis.explanation import explain
from orderflow.orders.diagnosis.facts import find_order
from orderflow_cli.commands.order_text import describe
from orderflow_cli.output import say, say_json


def explain_command(url: str, order_id: str, target: Target, *, as_json: bool = False) -> None:
    """Print an order, its history, why it waits and what moves it; raises `NotFound`."""
    with closing(Connection(url)) as connection:
        found = find_order(connection, order_id)
    if found is None:
        raise NotFound(f"there is no order {order_id}")
    waiting = explain(found.facts, target)
    if as_json:
        say_json(found.order | {"waiting": waiting})
        return
    for line in describe(found.order, waiting, datetime.now(UTC)):
        say(line)
