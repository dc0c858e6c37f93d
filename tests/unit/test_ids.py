"""UUIDv7 as RFC 9562, section 5.7 has it."""

import time
import uuid

from orderflow.ids import uuid7


def milliseconds(made: str) -> int:
    return uuid.UUID(made).int >> 80


def test_version_and_variant_are_those_of_the_rfc() -> None:
    made = [uuid.UUID(uuid7()) for _ in range(1_000)]

    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}


def test_the_first_48_bits_are_the_time_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()

    assert before <= milliseconds(made) <= time.time_ns() // 1_000_000


def test_a_later_id_sorts_behind_an_earlier_one() -> None:
    first = uuid7()
    while time.time_ns() // 1_000_000 <= milliseconds(first):
        pass  # a millisecond at most

    assert first < uuid7()


def test_no_two_ids_of_one_millisecond_are_equal() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_the_text_is_lower_case_with_hyphens() -> None:
    made = uuid7()

    assert str(uuid.UUID(made)) == made
