"""The way to Kafka: who waits for an acknowledgement, and for how long."""

import asyncio
from collections.abc import Sequence
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from orderflow.database.connection import Connection
from orderflow.database.event import Event
from orderflow.events.messages import order_placed
from orderflow.events.outbox import ACKNOWLEDGED_WITHIN_S, Outbox
from orderflow.resources import resources
from orderflow_cli.topics import PARTITIONS, create_topics
from tests.support.brokers import OpenBroker
from tests.support.function_calls import WITHIN_S, kafka_away, reference

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
MANY = 60  # by their keys, one in 10^10 such batches misses one of three partitions


def placed(count: int) -> list[Event]:
    return [order_placed(reference(), [], "backorder", TRACE) for _ in range(count)]


async def publish(outbox: Outbox, events: Sequence[Event]) -> set[str]:
    """Publish events, wait until Kafka has all, and return their keys."""
    outbox.publish(events)
    assert all([await outbox.acknowledged(event.id) for event in events])
    return {event.aggregateid for event in events}


def keys_by_partition(servers: str, count: int) -> list[set[str]]:
    """Read so many events of `orders` and return the keys of each partition."""
    options = {"bootstrap.servers": servers, "group.id": reference("reader"), "log_level": 2}
    found: list[set[str]] = [set() for _ in range(PARTITIONS)]
    with closing(Consumer(options)) as consumer:
        parts = [TopicPartition("orders", p, OFFSET_BEGINNING) for p in range(PARTITIONS)]
        consumer.assign(parts)
        for message in consumer.consume(count, WITHIN_S):
            found[message.partition() or 0].add((message.key() or b"").decode())
    return found


async def test_an_event_on_its_way_again_has_its_own_time(database: Connection) -> None:
    outbox, event = kafka_away(), order_placed(reference(), [], "backorder", TRACE)
    outbox.publish([event])
    outbox._published(event, None, None)  # as a report says that Kafka has it
    await asyncio.sleep(ACKNOWLEDGED_WITHIN_S / 2)

    outbox.publish([event])
    waiting = asyncio.create_task(outbox.acknowledged(event.id))
    done_early, _ = await asyncio.wait([waiting], timeout=ACKNOWLEDGED_WITHIN_S * 0.75)
    told = await waiting

    assert (done_early, told) == (set(), False)


async def test_orders_of_a_batch_go_to_one_partition_once_it_is_known(
    database: Connection, open_broker: OpenBroker
) -> None:
    with open_broker() as broker:
        create_topics(broker.address)
        outbox = Outbox(broker.address, resources().worker)

        first, second = [await publish(outbox, placed(MANY)) for _ in range(2)]

        found = keys_by_partition(broker.address, 2 * MANY)
        await outbox.flush()
    assert all(keys & first for keys in found)
    assert [second for keys in found if keys & second] == [second]
    assert set().union(*found) == first | second
