"""What it costs to ask callers for tokens: create_order with and without, side by side."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count as counting
from pathlib import Path

from rich.console import Console
from rich.table import Table

from orderflow.database.migrate import migrate
from orderflow_cli.project import CHECKOUT as ROOT
from orderflow_cli.stack import WITHOUT_TOKENS
from orderflow_cli.topics import create_topics
from tests.bench.calling import function, http_rates
from tests.support.brokers import embedded_broker
from tests.support.issuer import AUDIENCE, ISSUER, key_server, make_token
from tests.support.server_process import embedded_postgres

CALLERS = 100  # with a token each, which they show again and again, as callers do

_numbers = counting()


@cache
def tokens_of_few() -> Sequence[str]:
    """Return a token of each: good for all rounds, as a caller's is for an hour."""
    return [make_token(sub=f"caller-{number}") for number in range(CALLERS)]


def few(count: int) -> Sequence[str]:
    """Show the same tokens again and again."""
    return [tokens_of_few()[number % CALLERS] for number in range(count)]


def new(count: int) -> Sequence[str]:
    """Show a token once, so that each must be verified."""
    return [make_token(sub=f"caller-{next(_numbers)}") for _ in range(count)]


def main() -> None:
    """Measure, and print the table."""
    console = Console()
    with ExitStack() as running:
        plain, of_few, of_new = running.enter_context(three_functions())
        urls = {"no token": plain, "a token of few": of_few, "a new token each": of_new}
        tokens = {"a token of few": few, "a new token each": new}
        rates = http_rates(console, urls, tokens)
    table = Table("create_order", "calls/s", "ratio", title="medians of rounds that took turns")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}", f"{rate / rates['no token']:.3f}")
    console.print(table)


@contextmanager
def three_functions() -> Iterator[tuple[str, str, str]]:
    """Run create_order on the same servers: asking for nothing, and two that ask for tokens.

    These have callers of their own: who remembers thousands of tokens has more to look after.
    """
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        database_url = running.enter_context(embedded_postgres(folder))
        servers = running.enter_context(embedded_broker())
        os.environ |= {"DATABASE_URL": database_url, "KAFKA_BOOTSTRAP_SERVERS": servers}
        migrate(database_url)
        create_topics(servers)
        told = {
            "ORDERFLOW_JWT_ISSUER": ISSUER,
            "ORDERFLOW_JWT_AUDIENCE": AUDIENCE,
            "ORDERFLOW_JWT_JWKS_URL": running.enter_context(key_server()).url,
        }
        functions = ROOT / "functions"
        plain = function(functions, "create_order", "--asgi", **WITHOUT_TOKENS)
        guarded = [function(functions, "create_order", "--asgi", **told) for _ in range(2)]
        of_few, of_new = map(running.enter_context, guarded)
        yield running.enter_context(plain), of_few, of_new
