"""`python -m tests.bench`: speed, as ratios of what ran side by side; or one part of it by name."""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from tests.bench import (
    accepting,
    archiving,
    audit,
    auth,
    cold,
    events,
    hot,
    latency,
    lines,
    observed,
    overload,
    pipeline,
    quick,
    republish,
    scale,
    simulated,
    sizing,
    through_gateway,
)
from tests.bench.report import Figure, print_figures
from tests.bench.servers import BROKER
from tests.support.brokers import KINDS

Part = Callable[[Console], list[Figure] | None]

# What `make bench` runs, in about ten minutes: the ratios that are to be kept.
MAIN: dict[str, Part] = {
    "accepting": accepting.main,
    "pipeline": pipeline.main,
    "latency": latency.main,
    "hot": hot.main,
    "lines": lines.main,
    "cold": cold.main,
    "republish": republish.main,
}
OTHERS: dict[str, Part] = {
    "events": events.main,
    "gateway": through_gateway.main,
    "overload": overload.main,
    "auth": auth.main,
    "observed": observed.main,
    "sizing": sizing.main,
    "audit": audit.main,
    "archiving": archiving.main,
    "scale": scale.main,
    "simulate": simulated.main,
    "quick": quick.main,
}


def main() -> None:
    """Read the command line, measure, and print the tables."""
    parts = MAIN | OTHERS
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(parts))
    parser.add_argument("--broker", choices=sorted(KINDS), default="embedded")
    parser.add_argument("--orders", type=int, default=scale.ORDERS, help="of scale")
    parser.add_argument("--data", type=Path, default=scale.FOLDER, help="of scale: kept in there")
    told = parser.parse_args()
    if unknown := set(told.parts) - parts.keys():
        parser.error(f"there is no part {unknown.pop()}; choose of {', '.join(parts)}")
    os.environ[BROKER] = told.broker
    parts["scale"] = partial(scale.main, orders=told.orders, folder=told.data)
    console, found = Console(), list[Figure]()
    for name in told.parts or MAIN:
        found += parts[name](console) or []
    if found:
        print_figures(console, found)


if __name__ == "__main__":
    main()
