"""Numbers that are counted, and the places where workers leave them for each other."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from orderflow.contract.operations import OPERATIONS
from orderflow.metrics.process import Metrics
from orderflow.metrics.routes import TEMPLATES, template_of
from orderflow.metrics.series import MAX_SERIES, OTHER, Counter, Histogram
from orderflow.metrics.workers import AREA_BYTES, Places, Snapshot


def test_a_value_on_a_bound_counts_as_within_it() -> None:
    histogram = Histogram("h", "", (), (1, 5))

    for value in (0.5, 1, 1.01, 5, 6):
        histogram.observe(value)

    assert histogram.numbers == {(): [2, 2, 1, 13.51]}


def test_series_beyond_the_limit_are_counted_as_one() -> None:
    counter = Counter("c", "", ("name",))

    for number in range(MAX_SERIES + 20):
        counter.add(str(number))

    assert len(counter.numbers) == MAX_SERIES + 1
    assert counter.numbers[(OTHER,)] == [20]


def test_numbers_of_another_version_are_left_out() -> None:
    histogram = Histogram("h", "", (), (1, 5))
    histogram.observe(1)

    histogram.merge({(): [1, 2]})

    assert histogram.numbers == {(): [1, 0, 0, 1]}


def test_every_path_of_the_contract_is_counted_by_its_template() -> None:
    assert {operation.path for operation in OPERATIONS} <= set(TEMPLATES)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/order", "/order"),
        ("/order/12345", "/order/{order_id}"),
        ("/inventory/changes/7", "/inventory/changes/{change_id}"),
        ("/inventory/changes", "/inventory/changes"),
        ("/inventory/12345", "/inventory/{item}"),
        ("/order/12345/retry", "/order/{order_id}/retry"),
        ("/dead-letters/redrive", "/dead-letters/redrive"),
        ("/dead-letters/17", "/dead-letters/{letter_id}"),
        ("/", "/"),
        ("//", OTHER),
        ("/order/12345/lines", OTHER),
        ("/wp-admin", OTHER),
    ],
)
def test_a_path_is_counted_by_its_template(path: str, template: str) -> None:
    assert template_of(tuple(path.split("/")[1:])) == template


def test_a_path_that_cannot_be_read_is_counted_too() -> None:
    assert template_of(None) == OTHER


@pytest.fixture
def places() -> Iterator[Places]:
    """Places that nobody has taken."""
    with closing(Places()) as made:
        yield made


def counted(calls: int) -> Snapshot:
    """What a process leaves that has answered so many calls and has one under way."""
    metrics = Metrics()
    for _ in range(calls):
        metrics.end_request(metrics.begin_request("GET"), "/orders", 200, 0.01)
    metrics.begin_request("GET")
    return Snapshot.of(metrics)


def total(snapshot: Snapshot) -> float:
    (numbers,) = snapshot.grown["http_server_request_duration_seconds"].values()
    return sum(numbers[:-1])


@contextmanager
def process(work: Callable[[], object]) -> Iterator[None]:
    """Another process of the same parent, which did the work and lives until the block ends."""
    done, finish = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        os.close(finish[1])
        work()
        os.write(done[1], b".")
        os.read(finish[0], 1)
        os._exit(0)
    try:
        os.close(finish[0])
        assert os.read(done[0], 1)
        yield
    finally:
        os.close(finish[1])
        os.waitpid(pid, 0)


def works(places: Places, calls: int) -> Callable[[], object]:
    """What a worker does that answers so many calls."""

    def work() -> None:
        left = places.take()
        snapshot = counted(calls + (int(total(left)) if left else 0))
        for _ in range(3):
            places.leave(snapshot)

    return work


def test_a_process_reads_what_others_left(places: Places) -> None:
    with process(works(places, 2)), process(works(places, 3)):
        places.take()
        found = list(places.others())

    assert sorted(map(total, found)) == [2, 3]
    assert os.getpid() not in {snapshot.pid for snapshot in found}
    assert all(snapshot.gauges["http_server_active_requests"] for snapshot in found)


def test_of_a_process_that_ended_only_what_grows_is_left(places: Places) -> None:
    with process(works(places, 2)):
        pass

    (left,) = places.others()

    assert (total(left), left.gauges, left.pid) == (2, {}, 0)


def test_who_takes_the_place_of_another_goes_on_from_its_numbers(places: Places) -> None:
    with process(works(places, 2)):
        pass

    with process(works(places, 3)):
        (left,) = places.others()

    assert total(left) == 5


def test_whoever_has_no_place_leaves_nothing(places: Places) -> None:
    places.leave(counted(1))

    assert list(places.others()) == []


def test_the_most_that_a_process_may_count_fits_into_its_place() -> None:
    metrics = Metrics()
    for family in metrics.families.values():
        for number in range(MAX_SERIES + 1):
            labels = tuple(f"{number:>40}" for _ in family.labels)
            family.at(labels)[:] = [123456789.123] * family.width

    assert len(Snapshot.of(metrics).to_json()) < AREA_BYTES
