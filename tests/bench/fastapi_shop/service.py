"""POST /order: an insert, then a message that the broker has acknowledged, then the answer."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field

from tests.bench.fastapi_shop.database import open_pool

INSERT = """
    INSERT INTO bench_orders (order_id, item, quantity) VALUES ($1, $2, $3)
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
"""


class PlaceOrder(BaseModel):
    """An order of one line."""

    order_id: Annotated[str, Field(min_length=1, max_length=255)]
    item: Annotated[str, Field(min_length=1, max_length=255)]
    quantity: Annotated[int, Field(gt=0)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool and the producer while the service runs."""
    app.state.pool = await open_pool()
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    app.state.producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", linger_ms=1)
    await app.state.producer.start()
    yield
    await app.state.producer.stop()
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan)


@app.post("/order", status_code=201)
async def place(order: PlaceOrder, request: Request, response: Response) -> dict[str, Any]:
    """Answer 201 for a new order, 200 for a repeat."""
    state = request.app.state
    if await state.pool.fetchval(INSERT, order.order_id, order.item, order.quantity) is None:
        response.status_code = 200
    message, key = order.model_dump_json().encode(), order.order_id.encode()
    await state.producer.send_and_wait("bench-fastapi", message, key=key)
    return {
        "message": "Order received, stored in DB, and sent to Kafka",
        "order_id": order.order_id,
        "status": "pending",
    }
