"""Percentiles from a histogram whose buckets are a quarter of a doubling wide.

As `latency_bucket` of the migrations sorts them: bucket 0 ends at 1 ms, bucket n at 2^(n/4) ms.
"""

from collections.abc import Mapping
from itertools import accumulate

BUCKETS_A_DOUBLING = 4  # so a figure is at most 19 % beside the true one, and mostly far less


def percentile_ms(counts: Mapping[int, int], share: float) -> float:
    """Return the latency in ms that this share (0 to 1) of what was counted does not exceed.

    Within a bucket it goes by the logarithm. `counts` are by bucket, and not all zero.
    """
    buckets = sorted(counts)
    wanted = share * sum(counts.values())
    totals = accumulate(counts[bucket] for bucket in buckets)
    for bucket, total in zip(buckets, totals, strict=True):
        if total >= wanted and counts[bucket]:
            within = 1 - (total - wanted) / counts[bucket]
            return upper_edge_ms(bucket - 1 + within) if bucket else within
    raise ValueError("nothing was counted")


def upper_edge_ms(bucket: float) -> float:
    """Return where a bucket ends, in ms."""
    return float(2 ** (bucket / BUCKETS_A_DOUBLING))
