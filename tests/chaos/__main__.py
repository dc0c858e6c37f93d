"""`python -m tests.chaos`: faults by the hundred, chosen by a seed, on either broker or both."""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from orderflow_cli.progress import bar
from tests.chaos.faults import Fault, plan
from tests.chaos.run import BrokenPromiseError, Outcome, run
from tests.chaos.site import open_site
from tests.chaos.table import table
from tests.support.brokers import KINDS

ENDS_WITHIN_S = 45 * 60  # a fault takes some 15 s with its recovery, twice that on a busy machine


async def suffer(
    faults: Sequence[Fault], brokers: Sequence[str], seed: int, outcomes: list[Outcome]
) -> None:
    """Let the faults strike one by one, so many on each kind of broker; show how far it is."""
    share = -(-len(faults) // len(brokers))
    console = Console(stderr=True)
    with bar(console, "faults", len(faults)) as advance:

        def report(outcome: Outcome) -> None:
            console.print(f"{outcome.recovered_s:5.1f} s after: {faults[len(outcomes)]}")
            outcomes.append(outcome)
            advance(len(outcomes), len(faults))

        for number, kind in enumerate(brokers):
            rounds = [[fault] for fault in faults[number * share : (number + 1) * share]]
            with tempfile.TemporaryDirectory() as folder:
                async with open_site(Path(folder), KINDS[kind]) as site:
                    await run(site, rounds, seed, report)


async def until_stopped(suffering: Coroutine[Any, Any, None]) -> None:
    """Run it to its end, or until its time is up; SIGTERM cleans up as Ctrl-C does."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        task = asyncio.create_task(suffering)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await task


def main() -> int:
    """Read the command line; print the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--broker", choices=[*KINDS, "both"], default="both")
    told = parser.parse_args()
    brokers = list(KINDS) if told.broker == "both" else [told.broker]
    faults, outcomes = plan(told.seed, told.faults), list[Outcome]()
    held = True
    print(f"seed {told.seed}", file=sys.stderr)
    try:
        asyncio.run(until_stopped(suffer(faults, brokers, told.seed, outcomes)))
    except* BrokenPromiseError as broken:
        held = False
        print(*broken.exceptions, f"it happens again with --seed {told.seed}", sep="\n")
    finally:
        if outcomes:
            print(table(outcomes))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
