"""Delivery of one event: attempts, waits, and the dead letter sink.

The rules are those of eventing-kafka-broker 1.23, WebClientCloudEventSender (what is retried,
the waits) and RecordDispatcherImpl (the dead letter and its extensions). An event ends
delivered, in the dead letter sink, or lost; where it is lost a line of level error says so.
"""

import asyncio
import base64
import re
from collections.abc import Callable
from time import monotonic

from knative_local.cloudevents.event import Event, HeaderRefusedError
from knative_local.delivery.sink import Target
from knative_local.http_client.client import Client
from knative_local.http_client.connection import KEPT_BODY_BYTES, Response, TransportError
from knative_local.json_log import log
from knative_local.manifests.sources import Delivery
from knative_local.metrics import Answered, Outcome

_RETRIED_BELOW_500 = frozenset({404, 408, 409, 429})
_EXTENSION = re.compile(r"[a-z0-9]+")
_ERROR_HEADER = b"kne-"


def is_success(status: int) -> bool:
    """Whether a status ends the delivery well; a 1xx that is final counts, as in Vert.x."""
    return status < 300


def is_retryable(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status >= 500 or status in _RETRIED_BELOW_500


def wait_ms(delivery: Delivery, retry: int) -> int:
    """The wait before retry 1, 2, ...: delay x 2^n or delay x n; the first is not the base."""
    factor = retry if delivery.backoff_policy == "linear" else 1 << retry
    return delivery.backoff_delay_ms * factor


def error_extensions(target: Target, response: Response | None) -> dict[str, str]:
    """What a dead letter tells of the last answer; ValueError for a name Knative chokes on."""
    extensions = {"knativeerrordest": target.name}
    if response is None:
        return extensions
    extensions["knativeerrorcode"] = str(response.status)
    if response.body:
        extensions["knativeerrordata"] = base64.b64encode(response.body[:KEPT_BODY_BYTES]).decode()
    for name, value in response.headers:
        if name[: len(_ERROR_HEADER)].lower() == _ERROR_HEADER:
            extension = name[len(_ERROR_HEADER) :].lower().decode("latin-1")
            if not _EXTENSION.fullmatch(extension):
                raise ValueError(f"kne-{extension} is no name of an extension")
            extensions[extension] = value.decode("latin-1")
    return extensions


class Sender:
    """Sends events to one target, again and again as the delivery says.

    `answered` is told of each attempt.
    """

    def __init__(
        self,
        target: Target,
        delivery: Delivery,
        namespace: str,
        *,
        wait_ms: Callable[[Delivery, int], int] = wait_ms,
        is_retryable: Callable[[int], bool] = is_retryable,
        prefer_reply: bool = True,
    ) -> None:
        self.target, self._delivery = target, delivery
        self._wait_ms, self._is_retryable = wait_ms, is_retryable
        self.answered: Answered = lambda status, before: None
        self._head = target.head(namespace, prefer_reply=prefer_reply)
        self._client = Client(target.address, timeout_s=delivery.timeout_ms / 1000)

    async def send(self, event: Event) -> tuple[bool, Response | None]:
        """Whether it was taken, and the last attempt's answer (None if there was none)."""
        response = None
        for retry in range(self._delivery.retry + 1):
            if retry:
                await asyncio.sleep(self._wait_ms(self._delivery, retry) / 1000)
            try:
                response = await self._client.post(event.request(self._head))
            except (TransportError, HeaderRefusedError) as error:
                log("warning", "delivery.failed", sink=self.target.address, reason=str(error))
                response = None
            self.answered(None if response is None else response.status, retry)
            if response is not None and not self._is_retryable(response.status):
                return is_success(response.status), response
        return False, response

    def close(self) -> None:
        """Drop all connections."""
        self._client.close()


class Dispatcher:
    """Delivers events to a sink and, when that fails, to the dead letter sink if there is one."""

    def __init__(
        self,
        sink: Sender,
        dead_letter_sink: Sender | None,
        ended: Callable[[Outcome, float], None] = lambda outcome, took_s: None,
    ) -> None:
        self._sink, self._dead_letter_sink, self._ended = sink, dead_letter_sink, ended

    async def deliver(self, event: Event) -> None:
        """Return when nothing more is done for the event, whatever became of it."""
        began_s = monotonic()
        outcome = await self._deliver(event)
        self._ended(outcome, monotonic() - began_s)

    async def _deliver(self, event: Event) -> Outcome:
        taken, response = await self._sink.send(event)
        if taken:
            return "delivered"
        if self._dead_letter_sink is None:
            return _lost(event, "the sink failed and there is no dead letter sink", response)
        try:
            letter = event.with_extensions(error_extensions(self._sink.target, response))
        except ValueError as error:
            return _lost(event, f"{error}; Knative would block the partition here", response)
        taken, response = await self._dead_letter_sink.send(letter)
        if taken:
            return "dead_letter"
        return _lost(event, "the sink and the dead letter sink failed", response)

    def close(self) -> None:
        """Drop all connections."""
        self._sink.close()
        if self._dead_letter_sink is not None:
            self._dead_letter_sink.close()


def _lost(event: Event, reason: str, response: Response | None) -> Outcome:
    status = response.status if response else None
    names = ("id", "source", "type", "knativekafkapartition", "knativekafkaoffset")
    identity = {name: event.attributes.get(name) for name in names}
    log("error", "event.lost", reason=reason, status=status, **identity)
    return "lost"
