"""Delivery rules, against a scripted server that keeps count (WebClientCloudEventSenderTest)."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from knative_local.cloudevents.event import Event
from knative_local.delivery.sender import (
    Dispatcher,
    Sender,
    error_extensions,
    is_retryable,
    wait_ms,
)
from knative_local.delivery.sink import TOKEN_VARIABLE, Target, target
from knative_local.http_client.connection import Response
from knative_local.manifests.base import Destination
from knative_local.manifests.sources import Delivery

NAMED = Target(address="http://127.0.0.1:1", name="http://orders.shop.svc.cluster.local")


class Server:
    """Answers by script (None: closes, a float: waits so long), then 200; keeps what came."""

    def __init__(self, script: list[Any]) -> None:
        self.script, self.requests = script, list[bytes]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._request(reader):
            self.requests.append(head)
            step = self.script.pop(0) if self.script else 200
            if step is None:
                break
            if isinstance(step, float):
                await asyncio.sleep(step)
                step = 200
            status, extra = (
                step if isinstance(step, tuple) else (step, b"content-length: 0\r\n\r\n")
            )
            writer.write(b"HTTP/1.1 %d X\r\n" % status + extra)
        writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


@asynccontextmanager
async def serving(script: list[Any]) -> AsyncIterator[tuple[Server, str]]:
    server = Server(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    try:
        yield server, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    finally:
        listener.close()


def make_delivery(**changes: Any) -> Delivery:
    defaults: dict[str, Any] = {"retry": 5, "backoffPolicy": "linear", "backoffDelay": "PT0.1S"}
    return Delivery.model_validate({**defaults, **changes})


def make_event(**extensions: str) -> Event:
    base = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    return Event({**base, **extensions})


def sender(address: str, delivery: Delivery) -> Sender:
    return Sender(Target(address, address), delivery, "shop", wait_ms=lambda *_: 1)


async def send(script: list[Any], delivery: Delivery) -> tuple[bool, int]:
    async with serving(script) as (server, address):
        sending = sender(address, delivery)
        taken, _ = await sending.send(make_event())
        sending.close()
        return taken, len(server.requests)


@pytest.mark.parametrize(
    ("script", "taken", "requests"),
    [
        ([500, 500, 500, 500], True, 5),
        ([400], False, 1),
        ([422], False, 1),
        ([500] * 9, False, 6),
        ([None, None], True, 3),
        ([301], False, 1),
    ],
)
async def test_status_decides_what_is_tried_again(
    script: list[Any], taken: bool, requests: int
) -> None:
    assert await send(script, make_delivery()) == (taken, requests)


async def test_silent_server_is_given_up_each_time() -> None:
    started = time.monotonic()

    outcome = await send([0.5] * 6, make_delivery(timeout="PT0.1S"))

    assert outcome == (False, 6)
    assert time.monotonic() - started >= 0.6


def test_classes_of_status() -> None:
    retried = {status for status in range(300, 600) if is_retryable(status)}

    assert retried == {404, 408, 409, 429, *range(500, 600)}


@pytest.mark.parametrize(("policy", "millis"), [("linear", 500), ("exponential", 3200)])
def test_fifth_wait(policy: str, millis: int) -> None:
    assert wait_ms(make_delivery(backoffPolicy=policy), 5) == millis


def test_dead_letter_tells_of_the_answer() -> None:
    headers = [(b"KNE-TestError", b"hello"), (b"x-other", b"no")]

    extensions = error_extensions(NAMED, Response(422, headers, b"why"))

    assert extensions == {
        "knativeerrordest": "http://orders.shop.svc.cluster.local",
        "knativeerrorcode": "422",
        "knativeerrordata": base64.b64encode(b"why").decode(),
        "testerror": "hello",
    }


def test_dead_letter_without_an_answer_tells_only_where() -> None:
    assert error_extensions(NAMED, None) == {"knativeerrordest": NAMED.name}


def test_error_header_that_is_no_extension_is_refused() -> None:
    with pytest.raises(ValueError, match="kne-a-b"):
        error_extensions(NAMED, Response(422, [(b"kne-a-b", b"x")], b""))


async def test_long_body_is_cut_at_1024_bytes() -> None:
    refused = (422, b"content-length: 1030\r\n\r\n" + b"x" * 1030)
    async with serving([refused]) as (_, address):
        sending = sender(address, make_delivery())
        _, response = await sending.send(make_event())
        sending.close()

    assert response is not None
    assert response.body == b"x" * 1024


async def test_failed_event_goes_to_the_dead_letter_sink() -> None:
    async with serving([422]) as (_, address), serving([]) as (dead, dead_address):
        delivery = make_delivery()
        dispatcher = Dispatcher(sender(address, delivery), sender(dead_address, delivery))
        await dispatcher.deliver(make_event())
        dispatcher.close()

    assert b"ce-knativeerrorcode: 422\r\n" in dead.requests[0]


@pytest.mark.parametrize("dead_letter_sink", [True, False])
async def test_lost_event_is_logged_as_an_error(
    dead_letter_sink: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving([400]) as (_, address), serving([400]) as (_, dead_address):
        delivery = make_delivery()
        dead = sender(dead_address, delivery) if dead_letter_sink else None
        dispatcher = Dispatcher(sender(address, delivery), dead)
        await dispatcher.deliver(make_event())
        dispatcher.close()

    line = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert (line["level"], line["event"], line["id"]) == ("error", "event.lost", "1")


async def test_control_character_counts_as_a_failed_send() -> None:
    async with serving([]) as (server, address):
        sending = sender(address, make_delivery(retry=1))
        taken, response = await sending.send(make_event(subject="a\nb"))
        sending.close()

    assert (taken, response, server.requests) == (False, None, [])


SERVICE = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "orders"}


@pytest.mark.parametrize(
    ("destination", "shown"),
    [({"ref": SERVICE}, True), ({"uri": "http://127.0.0.1:1/orders"}, False)],
    ids=["a Service", "anyone else"],
)
def test_only_a_service_is_shown_the_token(
    destination: dict[str, Any], shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "e30.e30.e30")

    to = target(Destination.model_validate(destination), "shop", {"orders": "http://127.0.0.1:1"})

    head = to.head("shop", prefer_reply=True)
    assert (b"\r\nAuthorization: Bearer e30.e30.e30\r\n" in head) is shown


def test_without_a_token_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)

    to = target(Destination.model_validate({"ref": SERVICE}), "shop", {"orders": "http://x"})

    assert b"Authorization" not in to.head("shop", prefer_reply=True)
