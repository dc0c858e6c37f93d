"""`initialOffset: latest`: pins the end of each partition before the group first consumes."""

import threading

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from knative_local.json_log import log

ANSWER_WITHIN_S = 10.0  # for each question to the broker


def pin_latest(
    consumer: Consumer, topics: list[str], stop: threading.Event, check_every_s: float
) -> None:
    """Commit the end of every partition that has no committed offset in the group.

    Knative's controller does this before it schedules a source; the consumer itself always
    starts at the earliest record. A topic that does not exist, or a broker that is away, is
    logged once and looked for until `stop` is set.
    """
    told = False
    while not stop.is_set():
        try:
            _pin(consumer, topics)
        except KafkaException as error:
            if not told:
                log("warning", "offsets.not_initialized", topics=topics, reason=str(error))
                told = True
            stop.wait(check_every_s)
        else:
            return


def _pin(consumer: Consumer, topics: list[str]) -> None:
    partitions = [found for topic in topics for found in _partitions_of(consumer, topic)]
    unset = [
        found
        for found in consumer.committed(partitions, timeout=ANSWER_WITHIN_S)
        if found.offset == OFFSET_INVALID
    ]
    for found in unset:
        _, found.offset = consumer.get_watermark_offsets(found, timeout=ANSWER_WITHIN_S)
    if unset:
        consumer.commit(offsets=unset, asynchronous=False)


def _partitions_of(consumer: Consumer, topic: str) -> list[TopicPartition]:
    found = consumer.list_topics(topic, timeout=ANSWER_WITHIN_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return [TopicPartition(topic, number) for number in found.partitions]
