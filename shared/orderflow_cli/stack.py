"""The whole of OrderFlow on one machine: servers, functions, triggers and gateway.

What runs is what the project's manifests say; only PostgreSQL and the broker are added, unless the
user brings their own.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from knative_local import broker
from knative_local.manifests.loader import Manifests, load_manifests
from knative_local.ports import LOOPBACK, free_port
from knative_local.runtime import Runtime
from knative_local.supervisor.output import LogFormat
from knative_local.supervisor.spec import Command
from knative_local.supervisor.supervisor import Progress, Supervisor
from orderflow.config import trace_settings
from orderflow.database.migrate import migrate
from orderflow_cli.addresses import kafka_servers, own_database, without_password
from orderflow_cli.development_tokens import DevelopmentIssuer, issuer_in_use, new_senders
from orderflow_cli.postgres import server as embedded_postgres
from orderflow_cli.progress import starting
from orderflow_cli.project import MANIFESTS, project_folder, topics_of
from orderflow_cli.roles.grants import NO_ROLES, grant, grants_of, role_of
from orderflow_cli.roles.passwords import role_url
from orderflow_cli.scrape_targets import write_scrape_targets
from orderflow_cli.topics import PARTITIONS, create_topics

BANNER = """
OrderFlow is ready at [bold]{url}[/bold]   (Ctrl-C stops it)
{token}
  curl -X POST {url}/inventory -H 'Content-Type: application/json' {shown}\\
       -d '{{"item": "Laptop", "stock": 100}}'
  curl -X POST {url}/order -H 'Content-Type: application/json' {shown}\\
       -d '{{"order_id": "12345", "item": "Laptop", "quantity": 1}}'
  curl {shown}{url}/orders

The console is at {url}/console, and the API is documented at {url}/docs.
Data and logs are in {data}. For psql, and for a function run alone:

  export HOST=127.0.0.1 ORDERFLOW_AUTH=off ORDERFLOW_EVENTS_AUTH=off
  export DATABASE_URL={postgres}
  export KAFKA_BOOTSTRAP_SERVERS={kafka}
"""
GET_ONE = """
  export TOKEN=$(orderflow token --data {data} --scope "orders:read orders:write inventory:write")
"""
SHOWN = '-H "Authorization: Bearer $TOKEN" '
WITHOUT_TOKENS = {"ORDERFLOW_AUTH": "off", "ORDERFLOW_EVENTS_AUTH": "off"}
STOP_SIGNALS = signal.SIGINT, signal.SIGTERM


class Stack(NamedTuple):
    """A stack that runs: where its gateway, its database and its brokers are.

    Unless its functions have `own_roles`, all of them use that URL of the database.
    """

    url: str
    postgres: str
    kafka: str
    own_roles: bool


@asynccontextmanager
async def open_stack(
    data: Path,
    *,
    project: Path | None = None,
    port: int = 8080,
    postgres: str | None = None,
    kafka: str | None = None,
    watch: bool = False,
    auth: bool = False,
    like_knative: bool = False,
    progress: Progress | None = None,
    log_format: LogFormat | None = None,
) -> AsyncIterator[Stack]:
    """Run a project during the block. `postgres` and `kafka` replace the embedded servers.

    With `watch` a function restarts when its folder changes, and with `auth` callers need a token
    of `orderflow token`, or of the issuer that the environment names. KafkaSources stop
    `like_knative`'s, if asked to. What components print is shown only if there is a `log_format`.
    `data` is absolute. Raises `ConfigurationError` or `LocalRuntimeError` for what the user can put
    right.
    """
    project = project_folder(project)
    manifests = load_manifests([project / MANIFESTS])
    topics = topics_of(manifests.kafka_sources)
    postgres = own_database(postgres)
    kafka = None if kafka is None else kafka_servers(kafka)
    own_roles = postgres is None or await asyncio.to_thread(_prepare, postgres, project)
    async with Supervisor(data, progress=progress, log_format=log_format) as supervisor:
        url, kafka, servers = _servers(data, postgres, kafka, topics)
        told, senders = {"DATABASE_URL": url, "KAFKA_BOOTSTRAP_SERVERS": kafka}, new_senders()
        gateway = f"http://{LOOPBACK}:{port}"
        beside, callers = _callers(data, gateway) if auth else ([], WITHOUT_TOKENS)
        runtime = Runtime(
            manifests=load_manifests([project / MANIFESTS, *beside]),
            paths=[project / MANIFESTS, *beside],
            project_root=project,
            port=port,
            kafka=kafka,
            overrides=told | callers | senders.settings | trace_settings().told,
            own_overrides=_own_urls(url, manifests) if own_roles else {},
            watch=watch,
            token=senders.token,
            like_knative=like_knative,
        )
        for stage in (servers, *runtime.stages()):
            supervisor.add(*stage)
        await supervisor.start(1)
        if postgres is None:
            await asyncio.to_thread(_prepare, url, project)
        await asyncio.to_thread(create_topics, kafka, topics)
        await supervisor.start()
        write_scrape_targets(data, manifests.services)
        yield Stack(gateway, url, kafka, own_roles)


def _callers(data: Path, gateway: str) -> tuple[list[Path], dict[str, str]]:
    # What runs beside the project so that callers have tokens, and what functions are told of it.
    if (told := issuer_in_use()) is not None:
        return [], told
    issuer = DevelopmentIssuer(data)
    return [issuer.open()], issuer.settings(gateway)


def _tokens_told(data: Path, *, auth: bool) -> tuple[str, str]:
    # How to get a token, and how to show it; of an issuer in use the reader knows the former.
    get_one = "" if issuer_in_use() else GET_ONE.format(data=data)
    return (get_one, SHOWN) if auth else ("", "")


def _own_urls(url: str, manifests: Manifests) -> dict[str, dict[str, str]]:
    names = [service.name for service in manifests.services]
    return {name: {"DATABASE_URL": role_url(url, role_of(name))} for name in names}


def _prepare(url: str, project: Path) -> bool:
    migrate(url)
    return grant(url, grants_of(project))


def _servers(
    data: Path, postgres: str | None, kafka: str | None, topics: Collection[str]
) -> tuple[str, str, list[Command]]:
    # Where they are, and the commands of those that are not the user's own.
    commands = []
    if postgres is None:
        postgres = embedded_postgres.url(data / "postgres")
        commands.append(embedded_postgres.postgres_command(data))
    if kafka is None:
        port = free_port()
        kafka = broker.servers(port)
        commands.append(broker.broker_command(port, topics, partitions=PARTITIONS))
    return postgres, kafka, commands


async def serve(data: Path, console: Console, **choices: Any) -> None:
    """Run a stack until SIGINT or SIGTERM, and tell the user where everything is."""
    serving = asyncio.create_task(_serve(data, console, choices))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in STOP_SIGNALS:  # a second Ctrl-C must not interrupt the stopping
            loop.add_signal_handler(number, console.print, "still stopping …")
        serving.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await serving


async def _serve(data: Path, console: Console, choices: dict[str, Any]) -> None:
    async with AsyncExitStack() as until_stopped:
        with starting(console) as progress:
            opening = open_stack(data, progress=progress, **choices)
            stack = await until_stopped.enter_async_context(opening)
        # Not wrapped: a line break inside a command would break the command.
        token, shown = _tokens_told(data, auth=choices["auth"])
        at = stack._replace(postgres=without_password(stack.postgres))._asdict()
        banner = BANNER.format(**at, data=data, token=token, shown=shown)
        console.print(banner, soft_wrap=True, highlight=False)
        if not stack.own_roles:
            console.print(NO_ROLES)
        until_stopped.callback(console.print, "stopping …")
        await asyncio.Event().wait()
