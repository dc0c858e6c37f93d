"""Events are published after the commit that made them true, once, and never without it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial

import pytest

from orderflow.database.connection import Conflicted, Connection, Refused
from orderflow.database.event import Event
from orderflow.database.worker import Worker
from orderflow.events.messages import make_event
from orderflow.events.models import InventoryChanged
from tests.support.function_calls import reference


def make(fact: str) -> Event:
    """An event whose fact names it."""
    data = {"item": reference("item"), "change_id": fact}
    return make_event(InventoryChanged, data, source="/t", traceparent="", fact=fact)


class Published:
    """A worker and the events that it has handed on."""

    def __init__(self, postgres: str) -> None:
        self.events: list[Event] = []
        self.worker = Worker(postgres, self.events.extend)


@pytest.fixture
async def published(postgres: str) -> AsyncIterator[Published]:
    """A worker of this test's own."""
    made = Published(postgres)
    yield made
    await made.worker.submit(Connection.close)


async def test_events_of_a_transaction_are_published_once_it_has_committed(
    published: Published,
) -> None:
    event, seen = make("a"), []

    def work(connection: Connection) -> None:
        with connection.transaction():
            connection.record([event])
            seen.extend(published.events)

    await published.worker.submit(work)

    assert seen == []
    assert published.events == [event]


async def test_events_are_published_before_whoever_waits_goes_on(published: Published) -> None:
    events = [make(str(number)) for number in range(20)]

    for number, event in enumerate(events):
        await published.worker.submit(partial(Connection.record, events=[event]))
        assert published.events == events[: number + 1]


async def test_events_of_a_transaction_that_rolls_back_are_not_published(
    published: Published,
) -> None:
    def work(connection: Connection) -> None:
        with connection.transaction():
            connection.record([make("a")])
            connection.run("INSERT INTO stock (item, on_hand) VALUES ('x', -1)")

    with pytest.raises(Refused):
        await published.worker.submit(work)

    assert published.events == []


async def test_events_of_a_transaction_that_cannot_commit_are_not_published(
    published: Published,
) -> None:
    def work(connection: Connection) -> None:
        with connection.transaction():
            connection.script(
                """CREATE TEMPORARY TABLE once (n integer UNIQUE DEFERRABLE INITIALLY DEFERRED)
                ON COMMIT DROP; INSERT INTO once VALUES (1), (1)"""
            )
            connection.record([make("a")])

    with pytest.raises(Refused):
        await published.worker.submit(work)

    assert published.events == []


async def test_after_a_conflict_nothing_is_published_twice(published: Published) -> None:
    event, tries = make("a"), []

    def work(connection: Connection) -> None:
        with connection.transaction():
            connection.record([event])
            tries.append(event)
            if len(tries) == 1:
                raise Conflicted("another transaction was in the way")

    await published.worker.submit(work)

    assert len(tries) == 2
    assert published.events == [event]


async def test_what_committed_is_published_even_if_what_follows_fails(
    published: Published,
) -> None:
    first, second, third = make("a"), make("b"), make("c")

    def work(connection: Connection) -> None:
        for event in (first, second):
            with connection.transaction():
                connection.record([event])
        with connection.transaction():
            connection.record([third])
            raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        await published.worker.submit(work)

    assert published.events == [first, second]


async def test_events_are_published_in_the_order_of_the_commits(published: Published) -> None:
    events = [make(str(number)) for number in range(50)]

    def work(event: Event, connection: Connection) -> None:
        with connection.transaction():
            connection.record([event])

    await asyncio.gather(
        *(published.worker.submit(lambda c, e=event: work(e, c)) for event in events)  # type: ignore[misc]
    )

    assert published.events == events


async def test_a_caller_who_went_away_does_not_keep_events_from_being_published(
    published: Published,
) -> None:
    event, begun, left = make("a"), threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        begun.set()
        left.wait(5)
        connection.record([event])

    gone = published.worker.submit(work)
    await asyncio.to_thread(begun.wait, 5)
    gone.cancel()
    left.set()
    await published.worker.submit(lambda _: None)

    assert published.events == [event]
