"""Which partition of a topic the events of a batch go to."""

import random
from itertools import count

BY_KEY = -1  # librdkafka's word: the partition that follows from an event's key
LOOK_AROUND_EVERY = 20  # batches: a partition that was added is found within a second of load


class Partitions:
    """Sends a batch to one partition, of those that events were seen to go to.

    A request to Kafka holds the events of one partition, and one request is under way at a time. By
    their keys the events of a batch go to all partitions, so that three requests follow one another
    and cost broker and sender more than the events in them. Only for a topic on which the order of
    a key's events means nothing.
    """

    def __init__(self) -> None:
        self._seen: list[int] = []
        self._batches = count()

    def of_next_batch(self) -> int:
        """Return a partition, or `BY_KEY`: nothing is seen yet, or it is time to look around."""
        if next(self._batches) % LOOK_AROUND_EVERY == 0 or not self._seen:
            return BY_KEY
        return random.choice(self._seen)  # noqa: S311 (to spread a load)

    def saw(self, partition: int | None) -> None:
        """An event went to this partition."""
        if partition is not None and partition not in self._seen:
            self._seen.append(partition)

    def forget(self) -> None:
        """An event was not taken: its partition may be no more."""
        self._seen = []
