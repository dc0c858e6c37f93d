"""A log that has become shorter than what a group has read of it, as when a broker lost its data.

Kafka answers OFFSET_OUT_OF_RANGE, and the consumer starts again where `auto.offset.reset` says,
which for a source is the earliest record. The embedded broker answers nothing, for ever.
"""

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from knative_local.json_log import log

ANSWER_WITHIN_S = 5.0  # for the question where the group stands


class LostLog:
    """Watches the positions of one consumer; to be asked while nothing comes."""

    def __init__(self) -> None:
        self._starts: dict[tuple[str, int], int] = {}

    def assigned(self) -> None:
        """Forget where partitions started: the group may stand elsewhere now."""
        self._starts.clear()

    def beyond_end(self, consumer: Consumer) -> list[TopicPartition]:
        """Return the beginnings of those assigned partitions that ended before they are read."""
        try:
            positions = consumer.position(consumer.assignment())
            return [
                TopicPartition(at.topic, at.partition, OFFSET_BEGINNING)
                for at in positions
                if self._is_beyond(consumer, at)
            ]
        except KafkaException:  # not assigned any more, or no broker to ask: another time
            return []

    def _is_beyond(self, consumer: Consumer, at: TopicPartition) -> bool:
        # As the last answer to a fetch told it; the broker's own list of ends lags behind.
        ends = consumer.get_watermark_offsets(at, cached=True)
        end = ends[1] if ends else -1
        if end < 0:
            return False
        position = at.offset
        if position < 0:  # it has given nothing yet: it is read from what the group committed
            place = (at.topic, at.partition)
            if place not in self._starts:
                (committed,) = consumer.committed([at], timeout=ANSWER_WITHIN_S)
                self._starts[place] = committed.offset
            position = self._starts[place]
        if position > end:
            told = {"topic": at.topic, "partition": at.partition, "offset": position, "end": end}
            log("warning", "offsets.out_of_range", **told)
        return position > end
