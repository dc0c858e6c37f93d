"""The thread of the Kafka consumer, where it cannot even start."""

import asyncio
from typing import Any

from knative_local.kafka_source.consumer import KafkaReader
from knative_local.kafka_source.offsets import Offsets, Partition


class Owner:
    """Waits to hear that the reader failed."""

    def __init__(self) -> None:
        self.failure: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_batch(self, records: list[Any]) -> None: ...
    def on_assigned(self, partitions: list[Partition]) -> None: ...
    def on_committed(self, offsets: Offsets) -> None: ...
    def on_ends(self, ends: Offsets) -> None: ...

    def on_revoked(self, partitions: list[Partition], lost: bool) -> Offsets:
        return {}

    def on_failed(self, reason: str) -> None:
        self.failure.set_result(reason)


async def test_owner_hears_that_the_consumer_failed() -> None:
    owner = Owner()
    reader = KafkaReader(
        {"group.id": "g", "no.such.setting": 1}, ("t",), owner, poll_s=0.1, latest=False
    )

    reader.start()

    assert "no.such.setting" in await asyncio.wait_for(owner.failure, 5)
    await reader.close({}, 5)
