"""What it costs to ask callers for tokens: create_order with and without, side by side."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count as counting

from rich.console import Console
from rich.table import Table

from orderflow_cli.project import CHECKOUT as ROOT
from tests.bench.calling import function, http_rates
from tests.bench.servers import ours, servers
from tests.support.issuer import AUDIENCE, ISSUER, key_server, make_token

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


def main(console: Console) -> None:
    """Measure, and print the table."""
    with ExitStack() as running:
        plain, of_few, of_new = running.enter_context(three_functions())
        urls = {"no token": plain, "a token of few": of_few, "a new token each": of_new}
        tokens = {"a token of few": few, "a new token each": new}
        rates = http_rates(console, urls, tokens)
    table = Table("create_order", "calls/s", "ratio", title="medians of rounds that took turns")
    for name, rate in rates.items():
        table.add_row(name, rate.range(), f"{rate.median / rates['no token'].median:.3f}")
    console.print(table)


@contextmanager
def three_functions() -> Iterator[tuple[str, str, str]]:
    """Run create_order on the same servers: asking for nothing, and two that ask for tokens.

    These have callers of their own: who remembers thousands of tokens has more to look after.
    """
    with ExitStack() as running:
        running.enter_context(servers())
        told = {
            "ORDERFLOW_AUTH": "jwt",
            "ORDERFLOW_JWT_ISSUER": ISSUER,
            "ORDERFLOW_JWT_AUDIENCE": AUDIENCE,
            "ORDERFLOW_JWT_JWKS_URL": running.enter_context(key_server()).url,
        }
        plain = running.enter_context(ours())
        guarded = [function(ROOT / "functions", "create_order", "--asgi", **told) for _ in range(2)]
        of_few, of_new = map(running.enter_context, guarded)
        yield plain, of_few, of_new
