"""Allocates each order of the topic in a transaction of its own; partitions side by side."""

import asyncio
import os
from collections.abc import Sequence

import asyncpg
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from tests.bench.fastapi_shop.database import open_pool

LOCK = (
    "SELECT item, quantity FROM bench_orders WHERE order_id = $1 AND status = 'pending' FOR UPDATE"
)
RESERVE = """
    UPDATE bench_stock SET reserved = reserved + $2 WHERE item = $1 AND on_hand - reserved >= $2
    RETURNING item
"""
DECIDE = "UPDATE bench_orders SET status = $2 WHERE order_id = $1"


async def allocate(pool: asyncpg.Pool, records: Sequence[ConsumerRecord]) -> None:
    """Decide on the orders of one partition, one after the other; once decided, they stay so."""
    for record in records:
        order_id = orjson.loads(record.value)["order_id"]
        async with pool.acquire() as connection, connection.transaction():
            order = await connection.fetchrow(LOCK, order_id)
            if order is not None:
                got = await connection.fetchval(RESERVE, order["item"], order["quantity"])
                status = "confirmed" if got else "backordered"
                await connection.execute(DECIDE, order_id, status)


async def consume() -> None:
    """Run until the process is ended."""
    pool = await open_pool()
    consumer = AIOKafkaConsumer(
        "bench-fastapi",
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        group_id="bench-fastapi",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6_000,
    )
    await consumer.start()
    while True:
        partitions = await consumer.getmany(timeout_ms=200)
        if partitions:
            await asyncio.gather(*(allocate(pool, records) for records in partitions.values()))
            await consumer.commit()


if __name__ == "__main__":
    uvloop.run(consume())
