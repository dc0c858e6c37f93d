"""Ports are given to one taker only, long before anything listens on them."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from knative_local import ports
from knative_local.ports import FIRST_PORT, free_port, is_free

FEW = 40
HOLD_ALL = f"""
from knative_local import ports
ports.LAST_PORT = {FIRST_PORT} + {FEW} - 1
given = [ports.free_port() for _ in range({FEW} // 2)]
print(*given, flush=True)
input()
"""


@pytest.fixture(autouse=True)
def few_ports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So few that two takers would soon be given the same."""
    monkeypatch.setattr(ports, "LAST_PORT", FIRST_PORT + FEW - 1)
    monkeypatch.setattr(ports, "_held", {})
    yield
    for descriptor in ports._held.values():
        if descriptor is not None:
            os.close(descriptor)


def test_a_port_is_given_once() -> None:
    given = [free_port() for _ in range(FEW // 2)]

    assert len(set(given)) == len(given)
    assert all(map(is_free, given))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that processes share")
def test_a_port_that_another_process_was_given_is_not_given_again() -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD_ALL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    theirs = set(map(int, other.stdout.readline().split()))

    mine = {free_port() for _ in range(FEW // 4)}

    other.communicate("\n", timeout=10)
    assert len(theirs) == FEW // 2
    assert mine.isdisjoint(theirs)
