"""Group commit on a real worker: grouped, split, bounded, and each caller gets his own."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from orderflow.database.connection import Connection, Refused
from orderflow.database.group_commit import MAX_BATCH, Batch
from orderflow.database.worker import INTERNAL_ALLOWANCE, Worker
from orderflow.errors import Conflict, DatabaseAway, OrderFlowError, QueueFull
from orderflow.server.admission import MAX_WAIT_S, MAX_WAITING, WaitEstimator

pytestmark = pytest.mark.usefixtures("environment")


class Doubling:
    """A transaction that doubles numbers in the database and remembers how they were grouped.

    It fails for every batch that holds one of `poison`, and waits for `gate` before it begins.
    """

    def __init__(self, *poison: int, fault: Exception | None = None) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._poison = set(poison)
        self._fault = fault or ValueError("poison")

    def __call__(self, connection: Connection, items: Sequence[int]) -> list[int | OrderFlowError]:
        assert self.gate.wait(10)
        self.batches.append(list(items))
        if self._poison & set(items):
            raise self._fault
        return [self._double(connection, item) for item in items]

    def _double(self, connection: Connection, item: int) -> int | OrderFlowError:
        if item < 0:
            return Conflict(f"{item} is below zero")
        ((doubled,),) = connection.run("SELECT CAST(:n AS integer) * 2", n=item)
        return int(doubled)


async def outcomes(batch: Batch[int, int], items: Sequence[int]) -> list[int | BaseException]:
    return list(await asyncio.gather(*(batch(item) for item in items), return_exceptions=True))


async def test_one_call_gets_its_result() -> None:
    assert await Batch(Doubling())(21) == 42


async def test_each_call_gets_its_own_result() -> None:
    assert await outcomes(Batch(Doubling()), range(50)) == [n * 2 for n in range(50)]


async def test_calls_that_gather_behind_a_running_one_go_together() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    batch = Batch(doubling)
    calls = [asyncio.create_task(batch(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the first call is with the worker now
    calls += [asyncio.create_task(batch(n)) for n in range(1, 40)]
    await asyncio.sleep(0)

    doubling.gate.set()
    results = await asyncio.gather(*calls)

    assert results == [n * 2 for n in range(40)]
    assert doubling.batches == [[0], list(range(1, 40))]


async def test_no_batch_is_larger_than_its_limit() -> None:
    doubling = Doubling()

    await outcomes(Batch(doubling, limit=7), range(30))

    assert [len(batch) for batch in doubling.batches] == [7, 7, 7, 7, 2]


async def test_calls_are_taken_in_their_order() -> None:
    doubling = Doubling()

    await outcomes(Batch(doubling, limit=8), range(40))

    assert [item for batch in doubling.batches for item in batch] == list(range(40))


async def test_the_default_limit_bounds_a_batch() -> None:
    doubling = Doubling()

    await outcomes(Batch(doubling), range(MAX_BATCH + 1))

    assert [len(batch) for batch in doubling.batches] == [MAX_BATCH, 1]


async def test_an_error_as_result_is_raised_to_its_caller_alone() -> None:
    results = await outcomes(Batch(Doubling()), [1, -2, 3])

    assert (results[0], results[2]) == (2, 6)
    assert isinstance(results[1], Conflict)


async def test_a_call_that_the_database_refuses_fails_alone() -> None:
    fault = Refused("poison")

    results = await outcomes(Batch(Doubling(5, 11, fault=fault)), range(16))

    expected: list[int | Exception] = [n * 2 for n in range(16)]
    expected[5] = expected[11] = fault
    assert results == expected


async def test_a_batch_of_which_every_call_fails_still_answers_each() -> None:
    results = await outcomes(Batch(Doubling(*range(8), fault=Refused("poison"))), range(8))

    assert [type(result) for result in results] == [Refused] * 8


@pytest.mark.parametrize("fault", [KeyError("a fault of ours"), DatabaseAway("away")])
async def test_what_no_call_is_to_blame_for_is_not_tried_one_by_one(fault: Exception) -> None:
    doubling = Doubling(3, fault=fault)

    results = await outcomes(Batch(doubling), range(200))

    assert [type(result) for result in results] == [type(fault)] * 200
    assert {len(batch) for batch in doubling.batches} == {200}


async def test_too_few_results_are_a_fault_that_every_caller_hears_of() -> None:
    def forgetful(connection: Connection, items: Sequence[int]) -> list[int | OrderFlowError]:
        return [*items[1:]]

    results = await asyncio.wait_for(outcomes(Batch(forgetful), range(3)), 5)

    assert [type(result) for result in results] == [RuntimeError] * 3


async def test_after_a_failure_the_next_call_is_served() -> None:
    batch = Batch(Doubling(1))
    with pytest.raises(ValueError, match="poison"):
        await batch(1)

    assert await batch(2) == 4


async def test_beyond_the_bound_a_caller_is_told_at_once() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    batch = Batch(doubling)
    calls = [asyncio.create_task(batch(n)) for n in range(MAX_WAITING)]
    await asyncio.sleep(0)

    with pytest.raises(QueueFull) as raised:
        for n in range(MAX_BATCH + 1):  # the first batch may have left the queue by now
            calls.append(asyncio.create_task(batch(n)))
            await asyncio.sleep(0)
            if calls[-1].done():
                await calls.pop()
    doubling.gate.set()
    results = await asyncio.gather(*calls)

    assert 1 <= int(raised.value.headers["Retry-After"]) <= MAX_WAIT_S
    assert results[:MAX_WAITING] == [n * 2 for n in range(MAX_WAITING)]


async def test_who_waits_too_long_is_told_so_and_nothing_is_done() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    batch = Batch(doubling, limit=2, wait=WaitEstimator(give_up_s=0.1))
    calls = [asyncio.create_task(batch(n)) for n in range(5)]

    given_up = await asyncio.gather(*calls[2:], return_exceptions=True)
    doubling.gate.set()
    results = await asyncio.gather(*calls[:2])

    assert [type(result) for result in given_up] == [QueueFull] * 3
    assert results == [0, 2]
    assert doubling.batches == [[0, 1]]


async def test_reads_beyond_the_bound_are_refused_at_once(postgres: str) -> None:
    gate, worker = threading.Event(), Worker(postgres)
    reads = [worker.submit(lambda _: gate.wait(10)) for _ in range(MAX_WAITING)]

    with pytest.raises(QueueFull):
        worker.submit(lambda _: True)
    gate.set()

    assert all(await asyncio.gather(*reads))
    assert await worker.submit(lambda _: True)


async def test_what_a_process_asks_for_itself_is_never_refused(postgres: str) -> None:
    gate, worker = threading.Event(), Worker(postgres)
    own = [worker.submit(lambda _: gate.wait(10)) for _ in range(INTERNAL_ALLOWANCE)]

    own.append(worker.submit(lambda _: True))
    gate.set()

    assert all(await asyncio.gather(*own))


async def test_a_caller_who_goes_away_does_not_disturb_the_others() -> None:
    doubling = Doubling()
    doubling.gate.clear()
    batch = Batch(doubling)
    calls = [asyncio.create_task(batch(n)) for n in range(5)]
    await asyncio.sleep(0)
    calls[2].cancel()

    doubling.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(results.pop(2), asyncio.CancelledError)
    assert results == [0, 2, 6, 8]


async def test_two_batches_share_one_worker_and_one_connection() -> None:
    def backend(connection: Connection, items: Sequence[int]) -> list[int | OrderFlowError]:
        ((pid,),) = connection.run("SELECT pg_backend_pid()")
        return [pid] * len(items)

    first, second = await asyncio.gather(Batch(backend)(1), Batch(backend)(2))

    assert first == second
