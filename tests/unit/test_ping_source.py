"""PingSource: the event, the schedule, the retries."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest

from knative_local.delivery import ping_source as ping
from knative_local.delivery import sender
from knative_local.delivery.ping_source import ping_event, ping_sender, ticks
from knative_local.http_client.client import Client
from knative_local.http_client.connection import Response, TransportError
from knative_local.manifests.sources import PingSource

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def make_source(**spec: Any) -> PingSource:
    return PingSource.model_validate(
        {
            "apiVersion": "sources.knative.dev/v1",
            "kind": "PingSource",
            "metadata": {"name": "tick", "namespace": "shop"},
            "spec": {"sink": {"uri": "http://sink.example"}, **spec},
        }
    )


class FakeClient(Client):
    """Answers by script."""

    def __init__(self, script: list[int]) -> None:
        self.script: Iterator[int] = iter(script)
        self.posts = 0

    async def post(self, request: bytes) -> Response:
        self.posts += 1
        status = next(self.script)
        if status == 0:
            raise TransportError("refused")
        return Response(status, [], b"")


async def sent(client: FakeClient) -> bool:
    """Whether a tick was taken in the end."""
    sending = ping_sender(make_source(), {})
    sending._client = client
    taken, _ = await sending.send(ping_event(make_source(), "id-1", NOW))
    return taken


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return slept


def test_event_is_that_of_the_adapter() -> None:
    overrides = {"extensions": {"env": "prod"}}
    source = make_source(data='{"a":1}', contentType="application/json", ceOverrides=overrides)

    event = ping_event(source, "id-1", NOW)

    assert event.attributes == {
        "specversion": "1.0",
        "id": "id-1",
        "source": "/apis/v1/namespaces/shop/pingsources/tick",
        "type": "dev.knative.sources.ping",
        "time": "2026-01-01T12:00:00Z",
        "env": "prod",
    }
    assert (event.content_type, event.data) == ("application/json", b'{"a":1}')


def test_source_without_data_sends_no_body() -> None:
    event = ping_event(make_source(), "id-1", NOW)

    assert (event.content_type, event.data) == (None, None)


@pytest.mark.parametrize(
    ("schedule", "zone", "first", "second"),
    [
        ("*/5 * * * *", "UTC", "12:05:00", "12:10:00"),
        ("*/10 * * * * *", "UTC", "12:00:10", "12:00:20"),
        ("30 14 * * *", "Europe/Berlin", "13:30:00", "13:30:00"),
        ("@hourly", "UTC", "13:00:00", "14:00:00"),
    ],
)
def test_schedule(schedule: str, zone: str, first: str, second: str) -> None:
    found = islice(ticks(make_source(schedule=schedule, timezone=zone), NOW), 2)

    assert [tick.astimezone(UTC).strftime("%H:%M:%S") for tick in found] == [first, second]


@pytest.mark.parametrize("status", [0, 404, 413, 425, 429, 502, 503, 504])
async def test_failure_is_retried_five_times(status: int, waits: list[float]) -> None:
    assert not await sent(FakeClient([status] * 6))
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])


@pytest.mark.parametrize("status", [400, 500])
async def test_other_failures_are_final(status: int, waits: list[float]) -> None:
    client = FakeClient([status])

    assert not await sent(client)
    assert (client.posts, waits) == (1, [])


async def test_success_ends_the_retries(waits: list[float]) -> None:
    assert await sent(FakeClient([503, 200]))
    assert len(waits) == 1


async def test_ticks_are_sent_until_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: asyncio.Queue[bytes] = asyncio.Queue()

    class Recorder(FakeClient):
        def __init__(self, url: str, *, timeout_s: float) -> None:
            super().__init__([])

        async def post(self, request: bytes) -> Response:
            requests.put_nowait(request)
            return Response(200, [], b"")

        def close(self) -> None:
            pass

    monkeypatch.setattr(sender, "Client", Recorder)

    running = asyncio.create_task(ping.run(make_source(schedule="* * * * * *"), {}))
    request = await asyncio.wait_for(requests.get(), 5)
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert b"Kn-Namespace: shop\r\n" in request
    assert b"Prefer" not in request
