"""The way to Kafka: who waits for an acknowledgement, and for how long."""

import asyncio

from orderflow.database.connection import Connection
from orderflow.events.messages import order_placed
from orderflow.events.outbox import ACKNOWLEDGED_WITHIN_S
from tests.support.function_calls import kafka_away, reference

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


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
