"""A small simulation of what can't be tried on two cores: many replicas and one item that all want,
and a burst from zero. Its inputs are measured costs; `simulated` holds it against measured points.

Discrete events: a heap of what happens when. Chance comes from a seed, so a run repeats itself.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import NamedTuple

MAX_BATCH = 200  # as group_commit.py has it
MAX_WAITING, MAX_WAIT_S, WEIGHT = 2_000, 5.0, 0.3  # as admission.py has it
SEED = 7

Action = Callable[[], None]


class Simulation:
    """A clock that jumps from one event to the next."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._heap: list[tuple[float, int, Action]] = []
        self._number = count()  # of two events of one instant the first said comes first

    def after(self, seconds: float, action: Action) -> None:
        """Let something happen later."""
        heapq.heappush(self._heap, (self.now_s + seconds, next(self._number), action))

    def run(self, until_s: float = float("inf")) -> None:
        """Let all happen that does until then."""
        while self._heap and self._heap[0][0] <= until_s:
            self.now_s, _, action = heapq.heappop(self._heap)
            action()


class Resource:
    """What only so many have at once: cores, or the row of an item; first come first served."""

    def __init__(self, simulation: Simulation, capacity: int) -> None:
        self._simulation, self._free, self._capacity = simulation, capacity, capacity
        self._queue: deque[Action] = deque()
        self._busy_s = self._since_s = 0.0

    def take(self, then: Action) -> None:
        """Do it once there is one free."""
        if not self._free:
            self._queue.append(then)
            return
        self._count()
        self._free -= 1
        then()

    def give(self) -> None:
        """Let the next one have it."""
        if self._queue:
            self._queue.popleft()()
            return
        self._count()
        self._free += 1

    def utilisation(self) -> float:
        """Return the share of the time in which it was in use."""
        self._count()
        return self._busy_s / (self._capacity * self._simulation.now_s)

    def _count(self) -> None:
        now_s = self._simulation.now_s
        self._busy_s += (self._capacity - self._free) * (now_s - self._since_s)
        self._since_s = now_s


class Costs(NamedTuple):
    """What a batch takes: CPU for itself, for each order and each item of it, and the flush."""

    batch_s: float
    order_s: float
    item_s: float
    flush_s: float

    def cpu_s(self, orders: int, items: int) -> float:
        """Return the CPU time of a batch of so many."""
        return self.batch_s + orders * self.order_s + items * self.item_s


class Contention(NamedTuple):
    """What came of it: orders a second, and how much of the time the hot row was locked."""

    per_s: float
    locked: float
    cores: float


def contention(
    costs: Costs, *, replicas: int, hot: float, batch: int, cores: int, seconds: float = 20.0
) -> Contention:
    """Let replicas decide on batches one after the other; a share of the orders wants one item.

    Whoever has an order of it locks its row until its flush is done. Other items are so many that
    two batches hardly meet at one.
    """
    simulation, chance = Simulation(), random.Random(SEED)
    row, processors = Resource(simulation, 1), Resource(simulation, cores)
    decided = 0

    def begin() -> None:
        wanting = sum(chance.random() < hot for _ in range(batch))
        cpu_s = costs.cpu_s(batch, batch - wanting + min(wanting, 1))

        def flushed() -> None:
            nonlocal decided
            decided += batch
            if wanting:
                row.give()
            begin()

        def computed() -> None:
            processors.give()
            simulation.after(costs.flush_s, flushed)

        def locked() -> None:
            processors.take(lambda: simulation.after(cpu_s, computed))

        row.take(locked) if wanting else locked()

    for _ in range(replicas):
        begin()
    simulation.run(seconds)
    return Contention(decided / seconds, row.utilisation(), processors.utilisation())


class Burst(NamedTuple):
    """What became of a burst; times are seconds from a call to its answer."""

    served_s: Sequence[float]
    refused: int
    over_after_s: float


class Replica:
    """A process that takes what waits as a batch, and refuses calls as `admission.py` does."""

    def __init__(self, simulation: Simulation, costs: Costs, served_s: list[float]) -> None:
        self.waiting: deque[float] = deque()
        self._simulation, self._costs, self._served_s = simulation, costs, served_s
        self._usual_s, self._busy = 0.0, False

    def admits(self) -> bool:
        """Whether another call may wait."""
        wait_s = len(self.waiting) // MAX_BATCH * self._usual_s
        return len(self.waiting) < MAX_WAITING and wait_s <= MAX_WAIT_S

    def take(self, at_s: float) -> None:
        """Take a call that came to the gateway then."""
        self.waiting.append(at_s)
        if not self._busy:
            self._turn()

    def _turn(self) -> None:
        taken = [self.waiting.popleft() for _ in range(min(MAX_BATCH, len(self.waiting)))]
        took_s = self._costs.cpu_s(len(taken), len(taken)) + self._costs.flush_s
        self._busy = True
        self._simulation.after(took_s, lambda: self._done(taken, took_s))

    def _done(self, taken: Sequence[float], took_s: float) -> None:
        self._busy = False
        self._usual_s += WEIGHT * (took_s - self._usual_s)
        self._served_s.extend(self._simulation.now_s - at_s for at_s in taken)
        if self.waiting:
            self._turn()


def burst(
    costs: Costs,
    arrivals_s: Sequence[float],
    *,
    ready_s: Sequence[float],
    held: int = 10_000,
    since_s: float | None = None,
) -> Burst:
    """Let calls arrive at their times at replicas that are ready at theirs.

    While none is, the gateway holds so many. A call goes to the replica where fewest wait. Its
    time counts from its arrival, or from when all were sent.
    """
    simulation, served_s = Simulation(), list[float]()
    replicas: list[Replica] = []
    gateway: deque[float] = deque()
    refused = 0

    def arrive(at_s: float) -> None:
        nonlocal refused
        least = min(replicas, key=lambda replica: len(replica.waiting), default=None)
        if least is None and len(gateway) < held:
            gateway.append(at_s)
        elif least is not None and least.admits():
            least.take(at_s)
        else:
            refused += 1

    def ready() -> None:
        replicas.append(Replica(simulation, costs, served_s))
        while gateway:
            arrive(gateway.popleft())

    for at_s in ready_s:
        simulation.after(at_s, ready)
    for at_s in arrivals_s:
        simulation.after(at_s, partial(arrive, at_s if since_s is None else since_s))
    simulation.run()
    return Burst(sorted(served_s), refused, simulation.now_s)
