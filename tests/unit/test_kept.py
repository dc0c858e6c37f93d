"""Answers that are kept for a while, for however many ask."""

import asyncio
from collections.abc import Callable

import pytest

from orderflow.overview import kept
from orderflow.overview.kept import Kept


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(kept, "monotonic", made)
    return made


class Maker:
    """Makes 1, 2, 3 …, each in so many seconds of the clock."""

    def __init__(self, clock: Clock, takes_s: float = 0.0) -> None:
        self.made = 0
        self.before: Callable[[], None] = lambda: None
        self._clock = clock
        self._takes_s = takes_s

    async def __call__(self) -> int:
        await asyncio.sleep(0)
        self.before()
        self._clock.now_s += self._takes_s
        self.made += 1
        return self.made


async def test_all_who_ask_at_once_get_the_same_answer(clock: Clock) -> None:
    maker = Maker(clock)
    figures = Kept(maker)

    assert await asyncio.gather(*(figures.get() for _ in range(100))) == [1] * 100
    assert maker.made == 1


@pytest.mark.parametrize(
    ("takes_s", "kept_s"), [(0.0, 1.0), (0.04, 1.0), (0.1, 2.0), (0.4, 8.0), (3.0, 10.0)]
)
async def test_an_answer_is_kept_for_as_long_as_it_was_costly(
    clock: Clock, takes_s: float, kept_s: float
) -> None:
    figures = Kept(Maker(clock, takes_s))
    await figures.get()

    clock.now_s += kept_s - 0.01
    before = await figures.get()
    clock.now_s += 0.02

    assert (before, await figures.get()) == (1, 2)


async def test_a_failure_is_for_those_who_waited_for_it_only(clock: Clock) -> None:
    maker = Maker(clock)
    figures = Kept(maker)

    def fail() -> None:
        raise ConnectionError

    maker.before = fail
    answers = await asyncio.gather(figures.get(), figures.get(), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionError] * 2
    maker.before = lambda: None

    assert await figures.get() == 1


async def test_who_leaves_takes_the_answer_from_no_other(clock: Clock) -> None:
    figures = Kept(Maker(clock))
    leaves, stays = asyncio.create_task(figures.get()), asyncio.create_task(figures.get())
    await asyncio.sleep(0)

    leaves.cancel()

    assert await stays == 1
