"""A batch goes to one partition that is known, and now and then by its keys, to know more."""

from orderflow.events.partitions import BY_KEY, LOOK_AROUND_EVERY, Partitions


def chosen(partitions: Partitions, batches: int) -> list[int]:
    return [partitions.of_next_batch() for _ in range(batches)]


def test_events_go_by_their_keys_until_a_partition_is_known() -> None:
    partitions = Partitions()
    before = chosen(partitions, 3)

    partitions.saw(2)

    assert before == [BY_KEY] * 3
    assert partitions.of_next_batch() == 2


def test_batches_go_to_all_that_are_known_and_seldom_by_key() -> None:
    partitions = Partitions()
    for number in (0, 1, 2, 1):
        partitions.saw(number)

    numbers = chosen(partitions, LOOK_AROUND_EVERY * 10)

    assert set(numbers) == {BY_KEY, 0, 1, 2}
    assert numbers.count(BY_KEY) == 10


def test_what_is_forgotten_is_used_no_more() -> None:
    partitions = Partitions()
    partitions.saw(7)
    partitions.forget()

    assert set(chosen(partitions, LOOK_AROUND_EVERY)) == {BY_KEY}
