"""Ports are given to one taker only, long before anything listens on them."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from knative_local.ports import Ports, is_free

FEW = 40
FIRST = 20_000
HOLD_ALL = f"""
from knative_local.ports import Ports
few = Ports({FIRST}, {FIRST + FEW - 1})
print(*[few.free_port() for _ in range({FEW} // 2)], flush=True)
input()
"""


@pytest.fixture
def few() -> Iterator[Ports]:
    """So few that two takers would soon be given the same."""
    ports = Ports(FIRST, FIRST + FEW - 1)
    yield ports
    ports.close()


def test_a_port_is_given_once(few: Ports) -> None:
    given = [few.free_port() for _ in range(FEW // 2)]

    assert len(set(given)) == len(given)
    assert all(map(is_free, given))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that processes share")
def test_a_port_that_another_process_was_given_is_not_given_again(few: Ports) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD_ALL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    theirs = set(map(int, other.stdout.readline().split()))

    mine = {few.free_port() for _ in range(FEW // 4)}

    other.communicate("\n", timeout=10)
    assert len(theirs) == FEW // 2
    assert mine.isdisjoint(theirs)
