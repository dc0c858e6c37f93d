"""OrderFlow as its users run it: `orderflow up` as a process of its own, called over HTTP."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import httpx

from knative_local.delivery.sink import TOKEN_VARIABLE
from knative_local.ports import LOOPBACK, free_port
from knative_local.supervisor.state_file import ComponentState, read_state
from orderflow.database.connection import Connection
from orderflow_cli.addresses import kafka_address
from orderflow_cli.audit.proof import Proof, pending, prove
from orderflow_cli.postgres import server as postgres
from tests.support.impatient_project import impatient_project
from tests.support.waiting import DEADLINE_S, POLL_S, eventually

NewShop = Callable[[], AbstractContextManager["Shop"]]

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/main.py"))
STOPPED_WITHIN_S = 20.0  # what a person waits for after Ctrl-C


class Call(NamedTuple):
    """A request to make."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    headers: dict[str, str] | None = None


@dataclass(frozen=True)
class Shop:
    """One running OrderFlow. `postgres` and `kafka` are the user's own servers, if any."""

    process: subprocess.Popen[str]
    data: Path
    port: int
    printed: Path
    postgres: str | None = None
    kafka: str | None = None

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def servers(self) -> tuple[str, str]:
        """The database's URL, of one who may do everything, and the address of the brokers."""
        own = postgres.url(self.data / "postgres")
        return self.postgres or own, kafka_address(self.data, self.kafka)

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Make one request on a connection of its own."""
        asked = httpx.HTTPTransport(verify=False)
        with httpx.Client(transport=asked, base_url=self.url, timeout=DEADLINE_S) as client:
            return client.request(method, path, json=body, headers=headers)

    def place(self, headers: dict[str, str] | None = None, **order: Any) -> str:
        """Place an order that is new; return its id."""
        body = {"order_id": reference()} | order
        answer = self.call("POST", "/order", body, headers)
        assert answer.status_code == 201, answer.text
        return str(body["order_id"])

    def placed(self, status: str, **order: Any) -> str:
        """Place an order and wait until it has this status; return its id."""
        order_id = self.place(**order)
        self.await_status(order_id, status)
        return order_id

    def stock(self, item: str, units: int) -> None:
        """Count an item and wait until that is what is on hand."""
        assert self.call("POST", "/inventory", {"item": item, "stock": units}).status_code == 202
        eventually(lambda: self.shelf(item)["on_hand"] == units)

    def shelf(self, item: str) -> dict[str, Any]:
        """What GET /inventory/{item} says; of an unknown item, that there is none."""
        answer = self.call("GET", f"/inventory/{item}")
        found: dict[str, Any] = {"on_hand": 0, "reserved": 0, "available": 0}
        return answer.json() if answer.status_code == 200 else found

    def order(self, order_id: str) -> dict[str, Any]:
        """What GET /order/{order_id} says."""
        found: dict[str, Any] = self.call("GET", f"/order/{quote(order_id, safe='')}").json()
        return found

    def status(self, order_id: str) -> str:
        """The order's status."""
        return str(self.order(order_id)["status"])

    def history(self, order_id: str) -> list[str]:
        """Every status that the order has had."""
        return [entry["status"] for entry in self.order(order_id)["history"]]

    def await_status(self, order_id: str, status: str, within_s: float = DEADLINE_S) -> None:
        """Wait until the order has this status."""
        eventually(lambda: self.status(order_id) == status, within_s=within_s)

    def patch(self, order_id: str, status: str) -> httpx.Response:
        """Cancel or ship an order."""
        return self.call("PATCH", f"/order/{order_id}", {"status": status})

    def query(self, sql: str, **parameters: object) -> list[list[Any]]:
        """Look behind the functions."""
        with closing(Connection(self.servers[0])) as connection:
            return connection.run(sql, **parameters)

    def answers(self, component: str, text: str) -> int:
        """How many calls to a function, whose log line has this text, it has answered."""
        lines = (self.data / "logs" / f"{component}.log").read_text().splitlines()
        return sum(text in line and '"answered"' in line for line in lines)

    def proof(self, accepted: Sequence[str]) -> Proof:
        """The promises, counted over the whole database once no order is left pending."""
        with closing(Connection(self.servers[0])) as connection:
            eventually(lambda: pending(connection) == 0, within_s=60)
            return prove(connection, accepted)

    def components(self) -> list[ComponentState]:
        """What `ps` lists."""
        return read_state(self.data)["components"]

    def component(self, name: str, kind: str) -> ComponentState:
        """What `ps` says of one component."""
        return next(c for c in self.components() if (c["name"], c["kind"]) == (name, kind))

    def sender_token(self) -> str:
        """The token that sources send with every event, which only their processes know."""
        pid = next(c["pid"] for c in self.components() if c["kind"] == "KafkaSource")
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        told = dict(variable.split(b"=", 1) for variable in variables if variable)
        return told[TOKEN_VARIABLE.encode()].decode()

    def is_ready(self) -> bool:
        """Whether all is there, the sources included, which come last."""
        components = self.components()
        has_sources = any(c["kind"] == "KafkaSource" for c in components)
        return has_sources and all(c["state"] == "ready" for c in components)

    def groups(self) -> list[int]:
        """The process groups of the components that are processes."""
        own = self.process.pid
        return [c["pid"] for c in self.components() if c["pid"] and c["pid"] != own]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask the whole to stop; return its exit status."""
        self.process.send_signal(how)
        return self.process.wait(STOPPED_WITHIN_S)


def start(
    data: Path,
    *,
    port: int | None = None,
    postgres: str | None = None,
    kafka: str | None = None,
    options: Sequence[str] = (),
) -> Shop:
    """Start `orderflow up` without waiting for it."""
    port = port or free_port()
    printed = data.with_name(f"{data.name}-{port}.log")
    command = ["up", "--port", str(port), "--data", str(data), *options]
    environment = clean_environment()
    if postgres is not None and urlsplit(postgres).password:
        environment["ORDERFLOW_POSTGRES_URL"] = postgres
    elif postgres is not None:
        command += ["--postgres", postgres]
    command += ["--kafka", kafka] if kafka else []
    with printed.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "orderflow_cli", *command],
            cwd=data.parent,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    return Shop(process, data, port, printed, postgres, kafka)


def await_ready(shop: Shop) -> Shop:
    """Wait until all components are ready."""
    eventually(lambda: shop.process.poll() is not None or shop.is_ready(), within_s=90)
    assert shop.process.poll() is None, shop.printed.read_text()
    return shop


@contextmanager
def open_shop(
    data: Path,
    *,
    postgres: str | None = None,
    kafka: str | None = None,
    options: Sequence[str] = (),
    services: Collection[str] | None = None,
) -> Iterator[Shop]:
    """OrderFlow during the block; stopped at the end as a user stops it, unless it has ended.

    Without other `options` it is the impatient one, with all or only some of its Services.
    """
    if not options:
        options = ["--project", str(impatient_project(data.with_name("project"), services))]
    shop = start(data, postgres=postgres, kafka=kafka, options=options)
    try:
        yield await_ready(shop)
    finally:
        if shop.process.poll() is None:
            shop.process.send_signal(signal.SIGTERM)
        shop.process.wait(DEADLINE_S * 2)


def clean_environment() -> dict[str, str]:
    """This environment without what tells a function where its servers are."""
    told = {"DATABASE_URL", "ORDERFLOW_POSTGRES_URL", "KAFKA_BOOTSTRAP_SERVERS"}
    return {name: value for name, value in os.environ.items() if name not in told}


async def at_once(shop: Shop, calls: Sequence[Call]) -> list[httpx.Response]:
    """Make all calls at the same instant, each on a connection of its own."""
    opened = [await asyncio.open_connection(LOOPBACK, shop.port) for _ in calls]
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.gather(
            *(exchange(call, *streams) for call, streams in zip(calls, opened, strict=True))
        )


async def insist(shop: Shop, calls: Sequence[Call], *, callers: int = 16) -> list[httpx.Response]:
    """Make the calls as callers do who need an answer: again and again until there is one."""
    answers: list[httpx.Response] = []
    left = iter(calls)

    async def caller() -> None:
        for call in left:
            while (answer := await attempt(shop, call)) is None:  # noqa: ASYNC110 (of a server)
                await asyncio.sleep(POLL_S)
            answers.append(answer)

    async with asyncio.timeout(DEADLINE_S * 2):
        await asyncio.gather(*(caller() for _ in range(callers)))
    return answers


async def attempt(shop: Shop, call: Call) -> httpx.Response | None:
    """Make one call; None if another attempt may help."""
    try:
        answer = await exchange(call, *await asyncio.open_connection(LOOPBACK, shop.port))
    except OSError:
        return None
    return None if answer.status_code in {502, 503, 504} else answer


async def exchange(
    call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> httpx.Response:
    """Send one request and read its answer to the end of the connection."""
    body = json.dumps(call.body).encode()
    further = "".join(f"{name}: {value}\r\n" for name, value in (call.headers or {}).items())
    head = (
        f"{call.method} {call.path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{further}\r\n"
    )
    writer.write(head.encode() + body)
    try:
        received = await reader.read()
    finally:
        writer.close()
    fields, complete, content = received.partition(b"\r\n\r\n")
    status_line, *lines = fields.decode().split("\r\n")
    headers = httpx.Headers([line.partition(": ")[::2] for line in lines])
    if not complete or len(content) != int(headers["Content-Length"]):
        raise ConnectionResetError("the answer was cut short")
    return httpx.Response(int(status_line.split()[1]), headers=headers, content=content)


def reference(what: str = "order") -> str:
    """Return a name that no other test has."""
    return f"{what}-{uuid.uuid4().hex[:12]}"
