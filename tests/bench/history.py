"""Fills a database with the orders of years, in bounded parts; one that was cut short goes on."""

from pathlib import Path

from rich.console import Console

from orderflow.database.connection import Connection
from orderflow_cli.progress import bar

HERE = Path(__file__).parent
PART = 50_000  # orders of one transaction: seconds of work, and what an interruption costs
BEGIN_HISTORY, MAKE_ORDERS, END_HISTORY = (
    (HERE / f"{name}.sql").read_text() for name in ("begin_history", "make_orders", "end_history")
)
FILLING = """
SET statement_timeout = 0;
SET enable_seqscan = on;
SET enable_hashjoin = on;
SET work_mem = '256MB';
SET synchronous_commit = off;
SET session_replication_role = replica; -- What is made is consistent: checking it takes minutes.
"""
NEWEST = "SELECT coalesce(max(position), 0) FROM orders WHERE order_id = 'order ' || position"


def fill(console: Console, connection: Connection, orders: int) -> None:
    """Bring the database to so many made orders; what is there already stays."""
    connection.script(FILLING)
    ((newest,),) = connection.run(NEWEST)
    if newest >= orders:
        return
    if not newest:
        connection.script(BEGIN_HISTORY)
    with bar(console, "making orders", orders) as advance:
        for first in range(newest + 1, orders + 1, PART):
            last = min(first + PART - 1, orders)
            made = MAKE_ORDERS.replace("{first}", str(first)).replace("{last}", str(last))
            connection.script(made)  # one simple query is one transaction
            advance(last, orders)
    connection.script(END_HISTORY)
    connection.script("VACUUM ANALYZE")
