"""`GET /metrics`: the numbers of all workers as the text that Prometheus asks for."""

import platform
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate
from operator import add

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from orderflow.config import BuildSettings, read
from orderflow.metrics.process import Metrics, metrics
from orderflow.metrics.series import Counter, Family, Histogram
from orderflow.metrics.sharing import merge
from orderflow.metrics.workers import Snapshot, places

Further = Callable[[], Awaitable[Iterable[Metric]]]

SMALLEST = {"process_start_time_seconds", "process_max_fds"}  # of the workers; the rest are summed


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def exposition(function: str, accept: str, further: Further | None) -> tuple[bytes, str]:
    """Return the text and its media type, which is what `accept` prefers of those there are.

    `further` are the families that a function adds to those of every function.
    """
    added = list(await further()) if further else []
    registry = CollectorRegistry()
    registry.register(_Families([*families_of(function), *added]))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


def families_of(function: str) -> Iterator[Metric]:
    """Give the families that every function has."""
    running = [Snapshot.of(metrics()), *places().others()]
    total = Metrics()
    gauges = {name: Counter(name, one.what, one.labels) for name, one in total.gauges.items()}
    for snapshot in running:
        merge(total.families, snapshot.grown)
        merge(gauges, snapshot.gauges)
    yield from map(_family, total.families.values())
    for one in gauges.values():
        gauge = GaugeMetricFamily(one.name, one.what, labels=one.labels)
        for values, (number,) in one.numbers.items():
            gauge.add_metric(values, number)
        yield gauge
    yield from _processes([snapshot.pid for snapshot in running if snapshot.pid])
    build = read(BuildSettings).model_dump() | {"python": platform.python_version()}
    told = {"function": function, **{n.removeprefix("orderflow_"): v for n, v in build.items()}}
    yield InfoMetricFamily("orderflow_build", "What runs.", value=told)


def _family(family: Family) -> Metric:
    if not isinstance(family, Histogram):
        counter = CounterMetricFamily(family.name, family.what, labels=family.labels)
        for values, (number,) in family.numbers.items():
            counter.add_metric(values, number)
        return counter
    histogram = HistogramMetricFamily(family.name, family.what, labels=family.labels)
    bounds = [*map(str, map(float, family.bounds)), "+Inf"]
    for values, (*counts, total) in family.numbers.items():
        histogram.add_metric(values, list(zip(bounds, accumulate(counts), strict=True)), total)
    return histogram


def _processes(pids: Iterable[int]) -> Iterable[Metric]:
    """Return the standard figures of processes: the earliest start, and the sums of the rest."""
    found: dict[str, Metric] = {}
    for pid in pids:
        for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
            (own,) = found.setdefault(metric.name, metric).samples
            (more,) = metric.samples
            if more is not own:
                combined = min if metric.name in SMALLEST else add
                value = combined(own.value, more.value)
                found[metric.name].samples = [own._replace(value=value)]
    return found.values()
