"""Several workers of one function: a scrape of any of them has the calls of all."""

import os
import signal
from collections.abc import Iterator

import httpx
import pytest

from orderflow_cli.topics import create_topics
from tests.support.callers import Function, running_function
from tests.support.metrics import ACCEPT, Samples
from tests.support.processes import of_group
from tests.support.waiting import eventually

CALLS = 60
WORKERS = 3
NAME = "http_server_request_duration_seconds_count"

pytestmark = pytest.mark.any_broker


@pytest.fixture(scope="module")
def function(environment: None, broker: str) -> Iterator[Function]:
    """A function with several workers, each of which has answered some calls."""
    create_topics(broker)
    with running_function("list_orders", WORKERS=str(WORKERS)) as running:
        yield running


def call(function: Function) -> None:
    """One call on a connection of its own, which any worker may accept."""
    assert httpx.get(f"{function.url}/orders").status_code == 200


def scraped(function: Function) -> Samples:
    """A scrape of whichever worker accepts."""
    return Samples.of(httpx.get(f"{function.url}/metrics", headers=ACCEPT).text)


def calls(function: Function) -> float:
    return scraped(function).value(NAME, http_route="/orders")


def settled(function: Function) -> float:
    """The calls that all workers tell, once they tell the same.

    Ten scrapes, so that a worker that tells only its own calls would have been met.
    """
    found = eventually(lambda: one_of({calls(function) for _ in range(10)}), every_s=1.1)
    return next(iter(found))


def one_of(told: set[float]) -> set[float]:
    return told if len(told) == 1 else set()


def workers(function: Function) -> list[int]:
    """Their process ids."""
    return [pid for pid in of_group(function.process.pid) if pid != function.process.pid]


def test_each_scrape_comes_to_have_the_calls_of_all_workers(function: Function) -> None:
    before = settled(function)

    for _ in range(CALLS):
        call(function)

    assert settled(function) == before + CALLS
    assert len(workers(function)) == WORKERS


def test_a_worker_that_dies_takes_no_calls_with_it(function: Function) -> None:
    for _ in range(CALLS):
        call(function)
    before, killed = settled(function), workers(function)[0]

    os.kill(killed, signal.SIGKILL)
    eventually(lambda: len(workers(function)) == WORKERS and killed not in workers(function))
    for _ in range(CALLS):
        call(function)

    assert settled(function) == before + CALLS


def test_figures_of_the_process_are_those_of_all_workers(function: Function) -> None:
    one = 20e6  # bytes: less than any worker has

    eventually(lambda: scraped(function).value("process_resident_memory_bytes") > WORKERS * one)
