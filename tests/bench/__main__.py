"""`python -m tests.bench`: speed, as ratios of what ran side by side; or one part of it by name."""

import argparse
from collections.abc import Callable

from rich.console import Console

from tests.bench import accepting, audit, auth, events, overload, pipeline, sizing, through_gateway

PARTS: dict[str, Callable[[Console], object]] = {
    "accepting": accepting.main,
    "pipeline": pipeline.main,
    "events": events.main,
    "gateway": through_gateway.main,
    "overload": overload.main,
    "auth": auth.main,
    "sizing": sizing.main,
    "audit": audit.main,
}
NOT_OF_ALL = {"audit"}  # it fills a million orders, which takes minutes


def main() -> None:
    """Read the command line, measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    told = parser.parse_args()
    if unknown := set(told.parts) - PARTS.keys():
        parser.error(f"there is no part {unknown.pop()}; choose of {', '.join(PARTS)}")
    for name in told.parts or [part for part in PARTS if part not in NOT_OF_ALL]:
        PARTS[name](Console())


if __name__ == "__main__":
    main()
