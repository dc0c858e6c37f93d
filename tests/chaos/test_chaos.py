"""One of each kind of fault, several at once, under load: no promise is broken."""

from pathlib import Path

import pytest

from tests.chaos.faults import DISPATCHERS, KINDS, ON_THE_WAY, SERVICES, Fault, plan
from tests.chaos.run import Outcome, run
from tests.chaos.site import open_site
from tests.support.brokers import Broker

SEED = 7
ROUNDS = [
    [
        *(Fault("kill a function", name, 0) for name in SERVICES),
        *(Fault("kill a dispatcher", name, 0) for name in DISPATCHERS),
    ],
    [
        *(Fault("kill a function", f"{name} worker", 0) for name in ON_THE_WAY),
        Fault("kill the gateway", "gateway", 0),
        Fault("every event again, shuffled", "topics", 0),
        Fault("callers' clocks off", "-5 h", 2),
    ],
    [
        Fault("freeze a dispatcher", "orders", 7),  # out of its group, which takes 6 s
        Fault("slow connections", "PostgreSQL", 4),
        Fault("refused connections", "Kafka", 2),
    ],
    [
        Fault("kill PostgreSQL", "killed", 1),
        Fault("freeze a function", "process-order", 4),
        Fault("callers' clocks off", "26 h", 3),
        Fault("cut connections", "Kafka", 2),
    ],
    # The broker is killed for it.
    [Fault("outbox full of orders", "broker", 1), Fault("silent connections", "PostgreSQL", 3)],
    [Fault("kill the supervisor", "all", 0)],
]


@pytest.mark.chaos
async def test_one_fault_of_each_kind_under_load_breaks_no_promise(
    tmp_path: Path, broker_kind: type[Broker]
) -> None:
    outcomes: list[Outcome] = []

    async with open_site(tmp_path, broker_kind) as site:
        await run(site, ROUNDS, SEED, outcomes.append)

    assert [outcome.holds for outcome in outcomes] == [True] * len(ROUNDS)
    struck = {fault.kind for faults in ROUNDS for fault in faults}
    assert struck == KINDS.keys() - {"kill the broker"}


def test_faults_are_drawn_by_the_seed_alone_and_every_kind_comes() -> None:
    faults = plan(SEED, 100)

    assert faults == plan(SEED, 100)
    assert faults != plan(SEED + 1, 100)
    assert {fault.kind for fault in faults} == set(KINDS)
