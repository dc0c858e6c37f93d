"""The caller's trace goes on; what is no trace begins a new one."""

import re

import pytest

from orderflow.traceparent import trace_id, traceparent_or_new

CALLERS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_well_formed_trace_is_continued_as_it_is() -> None:
    assert traceparent_or_new(CALLERS) == CALLERS


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        "x",
        CALLERS.upper(),
        CALLERS + "-00",
        CALLERS + "\n",
        "01" + CALLERS[2:],
        CALLERS.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        CALLERS.replace("00f067aa0ba902b7", "0" * 16),
    ],
)
def test_anything_else_begins_a_new_trace(traceparent: str | None) -> None:
    made = traceparent_or_new(traceparent)

    assert made != traceparent
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", made)


def test_every_new_trace_is_another_one() -> None:
    assert traceparent_or_new(None) != traceparent_or_new(None)


def test_the_traces_name_is_its_second_part() -> None:
    assert trace_id(CALLERS) == "4bf92f3577b34da6a3ce929d0e0e4736"
