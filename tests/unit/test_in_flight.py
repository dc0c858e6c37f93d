"""Order, limits and offsets of what is in flight, without Kafka (OrderedConsumerVerticleTest)."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from knative_local.cloudevents.event import Event
from knative_local.kafka_source.in_flight import POLL_RECORDS, Item, Work
from knative_local.kafka_source.offsets import Partition

OrderedWork = partial(Work, ordered=True)
UnorderedWork = partial(Work, ordered=False)
P0, P1 = Partition("t", 0), Partition("t", 1)


def item(partition: Partition, offset: int) -> Item:
    return Item(partition, offset, Event({"p": str(partition.number), "o": str(offset)}))


class Gate:
    """A sink that holds every event until it is let through, or lets all through at once."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[int, int], asyncio.Future[None]] = {}

    async def deliver(self, event: Event) -> None:
        place = (int(event.attributes["p"]), int(event.attributes["o"]))
        self.waiting[place] = asyncio.get_running_loop().create_future()
        await self.waiting[place]

    async def open(self, partition: int, offset: int) -> None:
        self.waiting.pop((partition, offset)).set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def started(
    kind: Callable[[Callable[[Event], Awaitable[None]]], Work], *items: Item
) -> tuple[Work, Gate]:
    gate = Gate()
    work = kind(gate.deliver)
    work.accept(items)
    await asyncio.sleep(0)
    return work, gate


@pytest.mark.parametrize("partitions", [1, 10, 10_000])
async def test_100_000_records_keep_their_order(partitions: int) -> None:
    seen: dict[str, list[int]] = defaultdict(list)
    busy: set[str] = set()

    async def deliver(event: Event) -> None:
        partition = event.attributes["p"]
        assert partition not in busy
        busy.add(partition)
        for _ in range(random.randrange(4)):
            await asyncio.sleep(0)
        busy.remove(partition)
        seen[partition].append(int(event.attributes["o"]))

    work = OrderedWork(deliver)
    records = [item(Partition("t", n % partitions), n // partitions) for n in range(100_000)]
    for start in range(0, len(records), POLL_RECORDS):
        work.accept(records[start : start + POLL_RECORDS])
        await asyncio.sleep(0)
    while work.paused or busy:  # noqa: ASYNC110 - gives a turn, not time
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert all(offsets == list(range(100_000 // partitions)) for offsets in seen.values())
    assert set(work.advanced().values()) == {100_000 // partitions}


async def test_partition_waits_for_its_first_record_and_others_do_not() -> None:
    work, gate = await started(OrderedWork, item(P0, 0), item(P0, 1), item(P1, 0), item(P1, 1))

    await gate.open(1, 0)
    await gate.open(1, 1)

    assert list(gate.waiting) == [(0, 0)]
    assert work.paused == {P0}
    assert work.wants_records
    assert work.advanced() == {P1: 2}


async def test_ordered_poll_waits_while_every_partition_has_a_queue() -> None:
    work, gate = await started(OrderedWork, item(P0, 0), item(P0, 1))
    before = work.wants_records

    await gate.open(0, 0)

    assert (before, work.wants_records) == (False, True)


async def test_unordered_poll_waits_for_room() -> None:
    work, gate = await started(UnorderedWork, *[item(P0, n) for n in range(POLL_RECORDS)])
    before = work.wants_records

    await gate.open(0, 7)

    assert (before, work.wants_records, len(gate.waiting)) == (False, True, POLL_RECORDS - 1)


async def test_commit_stops_at_the_record_that_is_open() -> None:
    work, gate = await started(UnorderedWork, item(P0, 5), item(P0, 6), item(P0, 9))
    nothing = work.advanced()

    await gate.open(0, 9)
    still_nothing = work.advanced()
    await gate.open(0, 5)
    some = work.advanced()
    work.committed(P0, some[P0])

    assert (nothing, still_nothing, some, work.advanced()) == ({}, {}, {P0: 6}, {})


@pytest.mark.parametrize("kind", [OrderedWork, UnorderedWork])
async def test_dropped_partition_starts_nothing_more_and_counts_no_more(
    kind: Callable[[Callable[[Event], Awaitable[None]]], Work],
) -> None:
    work, gate = await started(kind, item(P0, 0), item(P0, 1))

    work.drop([P0])
    await gate.open(0, 0)

    assert work.advanced() == {}
    assert (0, 1) not in gate.waiting or kind is UnorderedWork


@pytest.mark.parametrize("kind", [OrderedWork, UnorderedWork])
async def test_partition_that_goes_back_is_delivered_again(
    kind: Callable[[Callable[[Event], Awaitable[None]]], Work],
) -> None:
    work, gate = await started(kind, item(P0, 8))
    await gate.open(0, 8)

    work.accept([item(P0, 0)])
    await asyncio.sleep(0)
    await gate.open(0, 0)

    assert work.advanced() == {P0: 1}


async def test_finish_waits_for_what_is_in_flight_and_leaves_the_queue() -> None:
    work, gate = await started(OrderedWork, item(P0, 0), item(P0, 1))

    finishing = asyncio.create_task(work.finish(5))
    await asyncio.sleep(0)
    await gate.open(0, 0)

    assert await finishing
    assert (gate.waiting, work.advanced()) == ({}, {P0: 1})


async def test_finish_cuts_off_what_takes_too_long() -> None:
    work, _ = await started(UnorderedWork, item(P0, 0))

    assert not await work.finish(0.01)
    assert work.advanced() == {}


async def test_record_without_event_is_finished_unsent() -> None:
    work, gate = await started(UnorderedWork, Item(P0, 0, None))

    assert (gate.waiting, work.advanced()) == ({}, {P0: 1})
