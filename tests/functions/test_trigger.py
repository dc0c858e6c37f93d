"""A function takes the types that it names; what else is on its topic is none of its business."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from orderflow.events.cloudevent import PLAIN_RECORD
from orderflow.events.models import OrderConfirmed, OrderMoved, OrderShipped
from orderflow.events.trigger import event
from tests.support.function_calls import ce_headers

DATA = {"order_id": "x", "lines": [{"item": "Lamp", "quantity": 1}], "cause": "because"}
CONFIRMED, SHIPPED = OrderConfirmed.type, OrderShipped.type
CANCELLED, PLACED = "orderflow.order.cancelled.v1", "orderflow.order.placed.v1"


class Subscriber:
    """A function that takes some types, and what it got."""

    def __init__(self, *models: type[OrderMoved], whole_topic: bool = False) -> None:
        self.got: list[OrderMoved] = []

        async def subscriber(moved: OrderMoved) -> None:
            self.got.append(moved)

        take: Callable[[OrderMoved], Awaitable[None]] = subscriber
        handler = event(*models, whole_topic=whole_topic)(take)
        transport = httpx.ASGITransport(Starlette(routes=[Route("/", handler, methods=["POST"])]))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    async def deliver(self, of_type: str, **attributes: Any) -> httpx.Response:
        headers = ce_headers(of_type, **attributes)
        return await self._client.post("/", content=orjson.dumps(DATA), headers=headers)


async def test_each_of_several_types_comes_as_its_own_model() -> None:
    subscriber = Subscriber(OrderConfirmed, OrderShipped)

    answers = [await subscriber.deliver(of_type) for of_type in (SHIPPED, CONFIRMED)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert [type(moved) for moved in subscriber.got] == [OrderShipped, OrderConfirmed]


@pytest.mark.parametrize(
    ("of_type", "attributes"),
    [(CANCELLED, {}), ("com.example.audited", {"kafkatopic": "order-events"})],
    ids=["of ours", "of another"],
)
async def test_another_type_on_the_same_topic_is_answered_and_not_taken(
    of_type: str, attributes: dict[str, str]
) -> None:
    subscriber = Subscriber(OrderConfirmed)

    answer = await subscriber.deliver(of_type, **attributes)

    assert answer.status_code == 204
    assert subscriber.got == []


@pytest.mark.parametrize(
    ("of_type", "attributes"),
    [
        (PLACED, {}),
        (PLACED, {"kafkatopic": "orders"}),
        ("com.example.audited", {}),
        (PLAIN_RECORD, {"kafkatopic": "order-events"}),
    ],
    ids=["other topic", "other topic, named", "unknown", "no CloudEvent"],
)
async def test_what_is_not_of_the_topic_goes_to_the_dead_letters(
    of_type: str, attributes: dict[str, str]
) -> None:
    subscriber = Subscriber(OrderConfirmed, OrderShipped)

    answer = await subscriber.deliver(of_type, **attributes)

    assert answer.status_code == 422
    assert f"{CONFIRMED} or {SHIPPED}" in answer.json()["detail"]
    assert subscriber.got == []


async def test_who_is_to_take_the_whole_topic_refuses_what_it_does_not_know() -> None:
    subscriber = Subscriber(OrderConfirmed, whole_topic=True)

    answer = await subscriber.deliver(CANCELLED, kafkatopic="order-events")

    assert answer.status_code == 422
    assert f"type is {CANCELLED}" in answer.json()["detail"]
