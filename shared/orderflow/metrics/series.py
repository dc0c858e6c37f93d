"""Numbers of a process, by the values of their labels, kept so that counting costs next to nothing.

prometheus_client's own metrics take a lock for each number, and keep several workers apart in files
that somebody has to clean up. Here a number is an element of a list, changed by the event loop
alone: 0.2 us a call, against 1.3. The library has its part at a scrape (`exposition`).
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

Labels = tuple[str, ...]
Numbers = dict[Labels, list[float]]

MAX_SERIES = 100  # of one name: far more than there are, so that a slip cannot fill a Prometheus
OTHER = "other"  # the value of every label of what comes beyond it


class Family:
    """Numbers of one name that only grow: a list of them for each combination of labels."""

    def __init__(self, name: str, what: str, labels: Labels, width: int) -> None:
        self.name = name
        self.what = what
        self.labels = labels
        self.width = width
        self.numbers: Numbers = {}

    def at(self, values: Labels) -> list[float]:
        """Return the numbers of these values of the labels, which are all 0 at first."""
        found = self.numbers.get(values)
        if found is None:
            if len(self.numbers) >= MAX_SERIES:
                values = (OTHER,) * len(self.labels)
            found = self.numbers.setdefault(values, [0.0] * self.width)
        return found

    def merge(self, numbers: Mapping[Labels, Sequence[float]]) -> None:
        """Add those of another process."""
        for values, more in numbers.items():
            own = self.at(values)
            if len(own) == len(more):  # or it is of another version of this code
                own[:] = map(sum, zip(own, more, strict=True))


class Counter(Family):
    """How often something happened."""

    def __init__(self, name: str, what: str, labels: Labels = ()) -> None:
        super().__init__(name, what, labels, width=1)

    def add(self, *values: str) -> None:
        """It has happened once more."""
        self.at(values)[0] += 1


class Histogram(Family):
    """How many values fell between bounds, above the last one, and the sum of all."""

    def __init__(self, name: str, what: str, labels: Labels, bounds: Sequence[float]) -> None:
        super().__init__(name, what, labels, width=len(bounds) + 2)
        self.bounds = bounds

    def observe(self, value: float, *values: str) -> None:
        """Count a value with the smallest bound that is no less."""
        numbers = self.at(values)
        numbers[bisect_left(self.bounds, value)] += 1
        numbers[-1] += value


class Gauge:
    """What is so at the moment, asked at a scrape."""

    def __init__(self, name: str, what: str, labels: Labels = ()) -> None:
        self.name = name
        self.what = what
        self.labels = labels
        self.ask: dict[Labels, Callable[[], float]] = {}

    def read(self) -> Numbers:
        """Return the values of now."""
        return {values: [asked()] for values, asked in self.ask.items()}
