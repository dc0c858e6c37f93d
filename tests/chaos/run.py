"""One run: faults in turn under load, recovery after each, and in the end an account of it all."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from orderflow_cli.audit.proof import Proof
from tests.chaos.faults import Fault, Scene
from tests.chaos.listener import Listener
from tests.chaos.load import Load
from tests.chaos.site import Site, until
from tests.chaos.verdict import (
    SELECT_UNSETTLED,
    events_untrue,
    left,
    proof,
    untrue,
)

RECOVERED_WITHIN_S = 60.0  # several rounds of sweep, and a slow machine
POLL_S = 0.1
QUIET_S = 1.0  # of load without a fault, so that each fault meets a shop at work
LOOKED_S = 10.0  # at orders that hang, if the shop answers at all
SHOWN = 5  # of what hangs or is untrue: the first ones tell the cause


class BrokenPromiseError(Exception):
    """What did not hold, with all that tells why."""


class Outcome(NamedTuple):
    """What came of one round: the seconds until all was well again, and counts of what was not."""

    kind: str
    accepted: int
    recovered_s: float
    stuck: int
    proof: Proof

    @property
    def holds(self) -> bool:
        """Whether all was well in the end; orders that come meanwhile may be pending."""
        return not self.stuck and self.proof._replace(without_outcome=0).holds


Report = Callable[[Outcome], None]


async def run(site: Site, rounds: Sequence[Sequence[Fault]], seed: int, report: Report) -> None:
    """Let the faults of each round strike at once; raises BrokenPromiseError, in a group."""
    load, listener = Load(site.shop.port, seed), Listener(site.broker.address)
    scene = Scene(site, load, listener, random.Random(seed))
    await load.open()
    async with asyncio.TaskGroup() as meanwhile:
        calling = meanwhile.create_task(load.run())
        listening = meanwhile.create_task(listener.run())
        for faults in rounds:
            await asyncio.sleep(QUIET_S)
            await suffer(scene, faults, report)
        load.end()
        await calling
        await settle(scene)
        listening.cancel()


async def suffer(scene: Scene, faults: Sequence[Fault], report: Report) -> None:
    """Let faults strike; return when everything accepted until then has its outcome."""
    before, told = len(scene.load.told.orders), scene.load.told
    async with asyncio.TaskGroup() as striking:
        for fault in faults:
            striking.create_task(fault.strike(scene))
    ended = time.monotonic()
    waiting = await unsettled(scene)
    recovered_s = time.monotonic() - ended
    counted = await asyncio.to_thread(proof, scene.site, list(told.orders))
    kind = " and ".join(fault.kind for fault in faults)
    outcome = Outcome(kind, len(told.orders) - before, recovered_s, len(waiting), counted)
    report(outcome)
    wrong = [*waiting, *told.troubles]
    if wrong or not outcome.holds:
        after = f"after {'; '.join(map(str, faults))}"
        raise await broken(scene, after, [*wrong, *differences(counted)])


async def unsettled(scene: Scene) -> list[str]:
    """Return what still waits, of all accepted up to a fresh order, when time is up."""
    waiting = ["no order is accepted any more"]
    with suppress(TimeoutError):
        async with asyncio.timeout(RECOVERED_WITHIN_S):
            await scene.site.reopen()
            fresh = await scene.load.order()
            while True:
                waiting = await asyncio.to_thread(waiting_until, scene.site, fresh)
                if not waiting:
                    break
                await asyncio.sleep(POLL_S)
            await scene.load.look(fresh)
    return waiting


def waiting_until(site: Site, order_id: str) -> list[str]:
    """Name what waits of all accepted up to an order, and components that are not there."""
    rows = site.query(SELECT_UNSETTLED, order_id=order_id)
    return [*(f"{which} waits" for (which,) in rows), *site.not_ready()]


async def settle(scene: Scene) -> None:
    """Wait until nothing is left to do, then check all that callers were told."""
    site, told = scene.site, scene.load.told
    wrong: list[str] = []
    try:
        await until(lambda: not any(left(site)), RECOVERED_WITHIN_S)
        await until(lambda: not any(events_untrue(site, scene.listener.ids)), RECOVERED_WITHIN_S)
    except TimeoutError:
        wrong += [str(await asyncio.to_thread(left, site))]
        wrong += await asyncio.to_thread(lambda: list(events_untrue(site, scene.listener.ids)))
    wrong += await asyncio.to_thread(lambda: list(untrue(site, told)))
    counted = await asyncio.to_thread(proof, site, list(told.orders))
    if wrong or not counted.holds:
        raise await broken(scene, "in the end", [*wrong, *differences(counted)])


def differences(counted: Proof) -> Iterator[str]:
    """Name what the audit found."""
    if counted.lost:
        yield f"{counted.lost} orders are lost"
    for finding in counted.audit.findings:
        if finding.found:
            yield f"not so: {finding.promise}: {finding.found}, as {finding.rows[:SHOWN]}"


async def broken(scene: Scene, what: str, wrong: Sequence[str]) -> BrokenPromiseError:
    """Gather what tells why a promise is broken."""
    names = [word for line in wrong[:SHOWN] for word in line.split() if word.startswith("order-")]
    shown: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOKED_S):
            for name in names:
                shown.append(str(await scene.load.look(name)))
    said = await asyncio.to_thread(lambda: list(scene.site.said_last()))
    return BrokenPromiseError("\n".join([what, *wrong[: SHOWN * 4], *shown, *said]))
