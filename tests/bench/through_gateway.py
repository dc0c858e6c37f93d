"""What the gateway costs: a function called through it, and directly."""

from contextlib import ExitStack

from rich.console import Console
from rich.table import Table

from tests.bench.calling import function, gateway, http_rates
from tests.bench.servers import HERE, ours, servers


def main(console: Console) -> None:
    """Measure, and print the table."""
    with ExitStack() as running:
        running.enter_context(servers())
        direct = {
            "create_order": running.enter_context(ours()),
            "an empty function": running.enter_context(function(HERE, "empty", "--asgi")),
        }
        through = {name: running.enter_context(gateway(url)) for name, url in direct.items()}
        urls = direct | {f"{name}, through the gateway": url for name, url in through.items()}
        rates = http_rates(console, urls)
    table = Table("what", "calls/s", "ratio", title="medians of rounds that took turns")
    for name in direct:
        there, here = rates[f"{name}, through the gateway"], rates[name]
        table.add_row(name, here.range(), "")
        table.add_row(
            f"{name}, through the gateway", there.range(), f"{there.median / here.median:.2f}"
        )
    console.print(table)
