"""`knative-local invoke`: one event to a Service, or one record on a topic."""

import argparse
import json
import sys
import uuid
from http import HTTPStatus

from confluent_kafka import KafkaError, Message, Producer

from knative_local.cloudevents.event import Event
from knative_local.delivery.sender import is_success
from knative_local.delivery.sink import Target, own_token
from knative_local.errors import LocalRuntimeError
from knative_local.http_client.client import Client
from knative_local.http_client.connection import TransportError
from knative_local.ports import LOOPBACK
from knative_local.printable import printable
from knative_local.supervisor.state_file import read_state

EVENT_TYPE = "dev.knative.local.invoked"
ANSWER_WITHIN_S = 60.0
STORED_WITHIN_S = 10.0


async def invoke(given: argparse.Namespace) -> int:
    """Send what the command line says; returns the exit status."""
    kind = "Broker" if given.topic else "Service"
    components = read_state(given.data)["components"]
    ports = {found["name"]: found["port"] for found in components if found["kind"] == kind}
    if given.topic:
        if not (given.kafka or ports):
            raise LocalRuntimeError(f"no broker runs in {given.data}: give --kafka SERVERS")
        _produce(given.kafka or f"{LOOPBACK}:{ports['broker']}", given)
        return 0
    if given.target not in ports:
        known = f"there is {', '.join(ports)}" if ports else f"nothing runs in {given.data}"
        raise LocalRuntimeError(f"no Service {given.target} runs: {known}")
    return await _post(f"http://{LOOPBACK}:{ports[given.target]}", given)


async def _post(address: str, given: argparse.Namespace) -> int:
    to = Target(address, address, own_token())
    request = _event(given).request(to.head("default", prefer_reply=False))
    client = Client(address, timeout_s=ANSWER_WITHIN_S)
    try:
        answer = await client.post(request)
    except TransportError as error:
        raise LocalRuntimeError(f"{given.target}: {error}") from error
    finally:
        client.close()
    body = answer.body.decode(errors="replace").split("\n")
    lines = [f"{answer.status} {HTTPStatus(answer.status).phrase}", *map(printable, body)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0 if is_success(answer.status) else 1


def _produce(servers: str, given: argparse.Namespace) -> None:
    event = _event(given)
    headers: dict[str, str | bytes | None] = {}
    if given.type:
        headers = {f"ce_{name}": value for name, value in event.attributes.items()}
        headers["content-type"] = event.content_type
    answers: list[tuple[KafkaError | None, Message]] = []
    limits = {"message.timeout.ms": int(STORED_WITHIN_S * 1000), "log_level": 0}
    producer = Producer({"bootstrap.servers": servers, **limits})
    record = {"key": given.key, "headers": headers}
    producer.produce(given.target, event.data, **record, on_delivery=lambda *a: answers.append(a))
    producer.flush(STORED_WITHIN_S + 1.0)
    error, message = answers[0] if answers else ("no answer", None)
    if error or message is None:
        raise LocalRuntimeError(f"{servers} took nothing: {error}")
    place = f"partition {message.partition()}, offset {message.offset()}"
    sys.stdout.write(f"{given.target}: {place}\n")


def _event(given: argparse.Namespace) -> Event:
    attributes = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/knative-local/invoke",
        "type": given.type or EVENT_TYPE,
        **({"partitionkey": given.key} if given.key else {}),
    }
    try:
        json.loads(given.event_data)
        content_type = "application/json"
    except ValueError:
        content_type = "text/plain"
    return Event(attributes, content_type, given.event_data.encode())
