"""Percentiles out of buckets."""

import random
from collections import Counter
from math import ceil, log2

import pytest

from orderflow.overview.histogram import percentile_ms, upper_edge_ms


def bucket_of(latency_ms: float) -> int:
    """As the migration's `latency_bucket` has it."""
    return ceil(4 * log2(max(latency_ms, 1)))


@pytest.mark.parametrize("spread", [0.1, 1.0, 2.5])
@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_a_percentile_is_within_a_bucket_of_the_true_one(spread: float, share: float) -> None:
    chance = random.Random(7)
    latencies = sorted(chance.lognormvariate(4, spread) for _ in range(5_000))
    true_ms = latencies[ceil(share * len(latencies)) - 1]

    found_ms = percentile_ms(Counter(map(bucket_of, latencies)), share)

    assert true_ms / 2**0.25 <= found_ms <= true_ms * 2**0.25


def test_what_is_all_in_one_bucket_is_within_it() -> None:
    found_ms = [percentile_ms({20: 1_000}, share) for share in (0.01, 0.5, 0.99, 1)]

    assert found_ms == sorted(found_ms)
    assert upper_edge_ms(19) < found_ms[0]
    assert found_ms[-1] == upper_edge_ms(20) == 32


def test_what_takes_less_than_a_millisecond_is_below_one() -> None:
    assert 0 < percentile_ms({0: 10}, 0.5) < 1


def test_an_empty_bucket_is_no_answer() -> None:
    assert percentile_ms({4: 0, 8: 1, 12: 0}, 1) == upper_edge_ms(8)


def test_of_nothing_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile_ms({}, 0.5)
