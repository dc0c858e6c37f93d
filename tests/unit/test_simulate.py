"""The simulation obeys the laws that any system of queues does, and repeats itself."""

import random

import pytest

from tests.bench.simulate import (
    MAX_WAITING,
    Burst,
    Costs,
    Resource,
    Simulation,
    burst,
    contention,
)

COSTS = Costs(batch_s=0.002, order_s=0.0001, item_s=0.00002, flush_s=0.001)


def test_what_was_said_first_happens_first_at_one_instant() -> None:
    simulation, seen = Simulation(), list[str]()
    for name in ("a", "b", "c"):
        simulation.after(1.0, lambda name=name: seen.append(name))  # type: ignore[misc]
    simulation.after(0.5, lambda: seen.append("earlier"))

    simulation.run()

    assert seen == ["earlier", "a", "b", "c"]


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_the_share_of_time_in_use_is_arrivals_times_service(load: float) -> None:
    simulation, chance = Simulation(), random.Random(1)
    resource, service_s, calls = Resource(simulation, 1), 0.01, 20_000

    def begin() -> None:
        simulation.after(service_s, resource.give)

    at_s = 0.0
    for _ in range(calls):
        at_s += chance.expovariate(load / service_s)
        simulation.after(at_s, lambda: resource.take(begin))
    simulation.run(at_s)

    assert resource.utilisation() == pytest.approx(load, rel=0.05)


def test_the_mean_wait_is_that_of_pollaczek_and_khinchine_and_those_who_wait_littles() -> None:
    simulation, chance = Simulation(), random.Random(2)
    resource, service_s, load, waits = Resource(simulation, 1), 0.01, 0.7, list[float]()
    waiting, seen = 0, list[int]()

    def arrive() -> None:
        nonlocal waiting
        came_s = simulation.now_s
        waiting += 1

        def begin() -> None:
            nonlocal waiting
            waiting -= 1
            waits.append(simulation.now_s - came_s)
            simulation.after(service_s, resource.give)

        resource.take(begin)

    at_s = 0.0
    for _ in range(60_000):
        at_s += chance.expovariate(load / service_s)
        simulation.after(at_s, arrive)
    for number in range(int(at_s / service_s)):
        simulation.after(number * service_s * 0.97, lambda: seen.append(waiting))
    simulation.run()

    expected_s = load * service_s / (2 * (1 - load))  # of a service that always takes as long
    mean_s = sum(waits) / len(waits)
    assert mean_s == pytest.approx(expected_s, rel=0.05)
    assert sum(seen) / len(seen) == pytest.approx(load / service_s * mean_s, rel=0.05)


def test_a_replica_alone_takes_as_long_as_its_batches() -> None:
    alone = contention(COSTS, replicas=1, hot=0.0, batch=50, cores=8)

    assert alone.per_s == pytest.approx(50 / (COSTS.cpu_s(50, 50) + COSTS.flush_s), rel=0.01)


def test_spread_orders_grow_with_replicas_up_to_the_cores() -> None:
    one, four, eight = (
        contention(COSTS, replicas=n, hot=0.0, batch=50, cores=4).per_s for n in (1, 4, 8)
    )

    assert four == pytest.approx(4 * one, rel=0.01)
    assert eight < 4 * 50 / COSTS.cpu_s(50, 50) * 1.01


def test_one_item_is_decided_on_by_one_replica_at_a_time() -> None:
    many = contention(COSTS, replicas=8, hot=1.0, batch=50, cores=8)

    assert many.locked == pytest.approx(1.0, abs=0.01)
    assert many.per_s == pytest.approx(50 / (COSTS.cpu_s(50, 1) + COSTS.flush_s), rel=0.01)


def test_a_run_repeats_itself() -> None:
    first, second = (contention(COSTS, replicas=3, hot=0.2, batch=20, cores=2) for _ in range(2))

    assert first == second


def test_a_call_waits_for_the_batch_before_its_own_at_most() -> None:
    arrivals_s = [n / 5_000 for n in range(20_000)]  # for 4 s, less than it can do

    found = burst(COSTS, arrivals_s, ready_s=[0.0])

    assert found.refused == 0
    assert len(found.served_s) == len(arrivals_s)
    assert found.served_s[-1] <= 2 * (COSTS.cpu_s(200, 200) + COSTS.flush_s)


def test_a_crowd_beyond_what_may_wait_is_refused_at_once() -> None:
    crowd = burst(COSTS, [0.1] * 3 * MAX_WAITING, ready_s=[0.0])

    assert len(crowd.served_s) == MAX_WAITING + 1  # the first is under way, by itself
    assert crowd.refused == 2 * MAX_WAITING - 1


def test_the_gateway_holds_who_comes_while_nothing_is_ready() -> None:
    cold = burst(COSTS, [0.0] * 1_000, ready_s=[2.0])
    full = burst(COSTS, [0.0] * 50, ready_s=[2.0], held=20)

    assert cold.refused == 0
    assert cold.served_s[0] > 2.0
    assert (len(full.served_s), full.refused) == (20, 30)


def test_more_replicas_drain_a_burst_sooner() -> None:
    arrivals_s = [n / 20_000 for n in range(12_000)]
    one, four = (burst(COSTS, arrivals_s, ready_s=[0.0] * n) for n in (1, 4))

    assert isinstance(one, Burst)
    assert four.refused <= one.refused
    assert len(four.served_s) > len(one.served_s)
