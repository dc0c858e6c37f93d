"""What can go wrong: each fault begins where its block begins and is over where that ends."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import NamedTuple

from tests.chaos.listener import Listener
from tests.chaos.load import Load
from tests.chaos.proxy import Proxy
from tests.chaos.site import Site, until
from tests.support.shop import FUNCTIONS

CUT_EVERY_S = 0.7  # often enough to meet whatever is under way
LATE_S = 0.3  # a way round the world
BURST = 300  # orders that come while the broker is away

SERVICES = [function.replace("_", "-") for function in FUNCTIONS]
ON_THE_WAY = ["create-order", "process-order", "apply-inventory", "update-order", "sweep"]
DISPATCHERS = ["orders", "inventory"]


class Scene(NamedTuple):
    """Where a fault takes place."""

    site: Site
    load: Load
    listener: Listener
    chance: random.Random

    def way(self, target: str) -> Proxy:
        """The way to a server."""
        return self.site.to_postgres if target == "PostgreSQL" else self.site.to_kafka


Strike = Callable[[Scene, str], AbstractAsyncContextManager[None]]


class Kind(NamedTuple):
    """Faults of one kind: whom they may hit, and how long they last, in seconds."""

    targets: Sequence[str]
    lasts_s: tuple[float, float]
    strike: Strike


@asynccontextmanager
async def killed(scene: Scene, target: str) -> AsyncIterator[None]:
    """A process is gone at once; the supervisor has to notice."""
    await until(lambda: scene.site.kill(target))
    yield


@asynccontextmanager
async def supervisor_killed(scene: Scene, _: str) -> AsyncIterator[None]:
    """All processes of the shop are gone; another supervisor has to start on what is left."""
    await scene.site.kill_shop()
    yield


@asynccontextmanager
async def broker_killed(scene: Scene, _: str) -> AsyncIterator[None]:
    """The broker is gone for a while; the embedded one has then forgotten everything."""
    await asyncio.to_thread(scene.site.broker.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(scene.site.start_broker)


@asynccontextmanager
async def outbox_filled(scene: Scene, target: str) -> AsyncIterator[None]:
    """Many orders come while the broker is gone."""
    async with broker_killed(scene, target):
        await scene.load.burst(BURST)
        ((waiting,),) = await asyncio.to_thread(scene.site.query, COUNT_OUTBOX)
        assert waiting >= BURST, f"only {waiting} events wait although there is no broker"
        yield


COUNT_OUTBOX = "SELECT count(*) FROM outbox"


@asynccontextmanager
async def postgres_crashed(scene: Scene, target: str) -> AsyncIterator[None]:
    """The database is gone for a while, without a checkpoint."""
    await asyncio.to_thread(scene.site.crash_postgres, target)
    try:
        yield
    finally:
        await asyncio.to_thread(scene.site.start_postgres)


@asynccontextmanager
async def frozen(scene: Scene, target: str) -> AsyncIterator[None]:
    """A process stands still, with all that it holds, and then goes on as if nothing had been."""
    with scene.site.frozen(target):
        yield


@asynccontextmanager
async def connections_cut(scene: Scene, target: str) -> AsyncIterator[None]:
    """Connections are reset, again and again, whatever is under way on them."""

    async def cut() -> None:
        while True:
            await asyncio.sleep(CUT_EVERY_S)
            scene.way(target).cut()

    assert scene.way(target).cut(), f"nobody is connected to {target}"
    cutting = asyncio.create_task(cut())
    try:
        yield
    finally:
        cutting.cancel()


@asynccontextmanager
async def connections_slow(scene: Scene, target: str) -> AsyncIterator[None]:
    """Everything arrives, but late."""
    async with scene.way(target).slow(LATE_S):
        yield


@asynccontextmanager
async def connections_silent(scene: Scene, target: str) -> AsyncIterator[None]:
    """Connections stay open, and nothing arrives."""
    async with scene.way(target).silent():
        yield


@asynccontextmanager
async def connections_refused(scene: Scene, target: str) -> AsyncIterator[None]:
    """There is no way to a server."""
    async with scene.way(target).refusing():
        yield


@asynccontextmanager
async def told_again(scene: Scene, _: str) -> AsyncIterator[None]:
    """Events come once more, shuffled."""
    assert await scene.listener.tell_again(scene.chance), "nothing was heard yet"
    yield


@asynccontextmanager
async def clocks_off(scene: Scene, target: str) -> AsyncIterator[None]:
    """The clocks of all callers are wrong by hours."""
    scene.load.clock_off = timedelta(hours=float(target.removesuffix(" h")))
    try:
        yield
    finally:
        scene.load.clock_off = timedelta(0)


SERVERS = ["PostgreSQL", "Kafka"]
KINDS: dict[str, Kind] = {
    "kill a function": Kind([*SERVICES, *(f"{n} worker" for n in ON_THE_WAY)], (0, 0), killed),
    "kill a dispatcher": Kind(DISPATCHERS, (0, 0), killed),
    "kill the gateway": Kind(["gateway"], (0, 0), killed),
    "kill the supervisor": Kind(["all"], (0, 0), supervisor_killed),
    "kill the broker": Kind(["broker"], (0.5, 6), broker_killed),
    "kill PostgreSQL": Kind(["at once", "killed"], (0.5, 6), postgres_crashed),
    "outbox full of orders": Kind(["broker"], (1, 4), outbox_filled),
    "freeze a function": Kind(ON_THE_WAY, (4, 14), frozen),
    # Dispatchers are out of their group after 6 s.
    "freeze a dispatcher": Kind(DISPATCHERS, (7, 12), frozen),
    "cut connections": Kind(SERVERS, (2, 6), connections_cut),
    "slow connections": Kind(SERVERS, (4, 8), connections_slow),
    "silent connections": Kind(SERVERS, (4, 12), connections_silent),
    "refused connections": Kind(SERVERS, (2, 8), connections_refused),
    "every event again, shuffled": Kind(["topics"], (0, 0), told_again),
    "callers' clocks off": Kind(["-5 h", "-1.5 h", "3 h", "26 h"], (4, 8), clocks_off),
}


class Fault(NamedTuple):
    """One fault to come."""

    kind: str
    target: str
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.kind}: {self.target}, {self.lasts_s:.1f} s"

    async def strike(self, scene: Scene) -> None:
        """Let it happen; return when it is over."""
        async with KINDS[self.kind].strike(scene, self.target):
            await asyncio.sleep(self.lasts_s)


def plan(seed: int, count: int) -> list[Fault]:
    """Draw faults: every kind once before any comes again, whom they hit and how long by chance.

    They depend on the seed and on nothing else.
    """
    chance, faults = random.Random(seed), list[Fault]()
    while len(faults) < count:
        for name in chance.sample(sorted(KINDS), len(KINDS)):
            kind = KINDS[name]
            faults.append(Fault(name, chance.choice(kind.targets), chance.uniform(*kind.lasts_s)))
    return faults[:count]
