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
            break
        except KafkaException as error:
            if not told:
                log("warning", "offsets.not_initialized", topics=topics, reason=str(error))
            told = True
            stop.wait(check_every_s)


def _pin(consumer: Consumer, topics: list[str]) -> None:
    partitions = []
    for topic in topics:
        found = consumer.list_topics(topic, timeout=ANSWER_WITHIN_S).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        partitions += [TopicPartition(topic, number) for number in found.partitions]
    committed = consumer.committed(partitions, timeout=ANSWER_WITHIN_S)
    unset = [partition for partition in committed if partition.offset == OFFSET_INVALID]
    for partition in unset:
        _, partition.offset = consumer.get_watermark_offsets(partition, timeout=ANSWER_WITHIN_S)
    if unset:
        consumer.commit(offsets=unset, asynchronous=False)
