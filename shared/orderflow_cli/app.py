"""The `orderflow` command: runs the whole on a laptop, and looks after any installation."""

import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from confluent_kafka import KafkaException
from rich.console import Console

from knative_local.child import LIKE_KNATIVE
from knative_local.errors import LocalRuntimeError
from knative_local.supervisor.output import LogFormat
from orderflow.config import CommandSettings, read
from orderflow.database import migrate as migrations
from orderflow.database.connection import statement
from orderflow.errors import ConfigurationError, OrderFlowError
from orderflow.text import printable
from orderflow_cli.addresses import (
    addresses,
    command_target,
    database_address,
    gateway_address,
    kafka_address,
    kafka_security,
    running,
)
from orderflow_cli.audit.repair import signed
from orderflow_cli.commands.archive import archive_command
from orderflow_cli.commands.audit import audit_command
from orderflow_cli.commands.contracts import contracts_command
from orderflow_cli.commands.dead_letters import app as dead_letters
from orderflow_cli.commands.explain import explain_command
from orderflow_cli.commands.restore import restore_command
from orderflow_cli.commands.retry import retry_command
from orderflow_cli.commands.secrets import secrets_command
from orderflow_cli.commands.top import top_command
from orderflow_cli.database import open_database
from orderflow_cli.demo.run import demo as run_demo
from orderflow_cli.development_tokens import DevelopmentIssuer, shared_secret, shared_secret_token
from orderflow_cli.options import DATA, AsJson, Data, Kafka, Port, Postgres, Project
from orderflow_cli.output import say, say_json, say_table
from orderflow_cli.postgres.server import SUPERUSER
from orderflow_cli.project import groups_of, kafka_sources, project_folder, topics_of
from orderflow_cli.roles.grants import NO_ROLES, grant, grants_of
from orderflow_cli.stack import serve
from orderflow_cli.top.source import Gateway
from orderflow_cli.topics import create_topics, lag

SHOW_STATUS = statement(__file__, "status.sql")

SOMEBODY = "command line"  # who asks for an audit and gives no name

app = typer.Typer(
    help="Order processing: nothing lost, nothing oversold, nothing hanging.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dead_letters, name="dead-letters", no_args_is_help=True)


@app.command()
def up(
    port: Port = 8080,
    data: Data = DATA,
    project: Project = None,
    postgres: Postgres = None,
    kafka: Kafka = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Restart a function when its folder changes.")
    ] = False,
    auth: Annotated[
        bool,
        typer.Option(
            "--auth",
            help="Ask for tokens: your issuer's, or `orderflow token`'s.",
        ),
    ] = False,
    like_knative: Annotated[bool, typer.Option("--like-knative", help=LIKE_KNATIVE)] = False,
    log_format: Annotated[LogFormat, typer.Option(help="Readable lines, or JSON.")] = "people",
) -> None:
    """Run everything until Ctrl-C: PostgreSQL, broker, functions, triggers, gateway."""
    servers = {"postgres": postgres, "kafka": kafka}
    choices = {"port": port, "project": project, "auth": auth, "watch": watch, **servers}
    # Where lines are JSON, what people read goes beside them.
    console = Console(stderr=log_format == "json")
    told = {"like_knative": like_knative, "log_format": log_format}
    asyncio.run(serve(data.absolute(), console, **choices, **told))


@app.command()
def token(
    scope: Annotated[str, typer.Option(metavar="SCOPES", help="With blanks between them.")],
    subject: Annotated[str, typer.Option(help="Whose token it is.")] = "developer",
    expires_in: Annotated[int, typer.Option(min=1, metavar="SECONDS")] = 3600,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Have this and later tokens signed with a new key.")
    ] = False,
    data: Data = DATA,
) -> None:
    """Print a token for the stack that was started with --auth in this folder.

    In containers, where ORDERFLOW_JWT_SECRET says how functions check tokens, one for those.
    """
    if (shared := shared_secret()) is not None:
        say(shared_secret_token(shared, subject, scope.split(), expires_in_s=expires_in))
        return
    issuer = DevelopmentIssuer(data.absolute())
    if new_key:
        issuer.new_key()
    say(issuer.token(subject, scope.split(), expires_in_s=expires_in))


@app.command()
def secrets(
    project: Project = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Else infra/docker/secrets.")
    ] = None,
    server: Annotated[
        str, typer.Option(metavar="HOST:PORT/NAME", help="Where PostgreSQL is.")
    ] = "postgres:5432/orderflow",
) -> None:
    """Make the passwords and keys that docker-compose.yml names, at random. Keeps what is there."""
    root = project_folder(project)
    folder = folder or root / "infra" / "docker" / "secrets"
    made = secrets_command(folder, grants_of(root), server=server)
    say(*([f"made {name}" for name in made] or ["nothing to make"]))


@app.command()
def ps(data: Data = DATA, as_json: AsJson = False) -> None:
    """List what runs: every component with its state, process and port."""
    components = running(data)
    columns = "name", "kind", "state", "pid", "port", "restarts"
    if as_json:
        say_json(components)
    elif components:
        say_table(columns, [[dict(c)[name] for name in columns] for c in components])
    else:
        say(f"nothing runs in {data}")


@app.command()
def demo() -> None:
    """Place 5,000 orders and prove from the database that none went wrong."""
    if not run_demo(Console()):
        raise typer.Exit(1)


@app.command()
def migrate(data: Data = DATA, project: Project = None, postgres: Postgres = None) -> None:
    """Bring the database to this version's schema and roles. Safe to run twice.

    Each function gets a role with the rights that its grants.sql names. Its password follows from
    that of the URL, each time; if the URL has none, give the role one yourself. The URL's user
    needs CREATEROLE, and the schema's ownership; without, all functions have to use one user's URL.
    """
    url = database_address(data, postgres, role=SUPERUSER)
    applied = migrations.migrate(url)
    say(*([f"applied {name}" for name in applied] or ["nothing to apply"]))
    if not grant(url, grants_of(project_folder(project))):
        say(NO_ROLES, stderr=True)


@app.command()
def topics(
    data: Data = DATA,
    project: Project = None,
    kafka: Kafka = None,
    replicas: Annotated[int, typer.Option(min=1, help="Copies of each partition.")] = 1,
) -> None:
    """Create the topics that are missing. Safe to run twice."""
    servers, wanted = kafka_address(data, kafka), topics_of(kafka_sources(project))
    security = kafka_security(data, kafka)
    created = create_topics(servers, wanted, replicas=replicas, security=security)
    say(*([f"created {name}" for name in created] or ["nothing to create"]))


@app.command()
def status(
    data: Data = DATA, project: Project = None, postgres: Postgres = None, kafka: Kafka = None
) -> None:
    """Show orders by state, the oldest open one, the outbox's backlog and the lag of each group.

    The consumer groups are those of the KafkaSources in the project's manifests.
    """
    url, servers = addresses(data, postgres, kafka)
    groups = groups_of(kafka_sources(project))
    if not groups:
        say("whose lag? name the folder of the manifests with --project", stderr=True)
    with open_database(url) as connection:
        ((found,),) = connection.run(SHOW_STATUS)
    behind = lag(servers, groups, security=kafka_security(data, kafka))
    say_json({**orjson.loads(found), "consumer_lag": behind})


@app.command()
def top(
    url: Annotated[str | None, typer.Option(metavar="URL", help="Of a gateway elsewhere.")] = None,
    data: Data = DATA,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end.")] = False,
) -> None:
    """Watch how the whole does: rates, latencies, backlogs, and what needs a person.

    Where a token is asked for, ORDERFLOW_TOKEN is to be one with the scope operations.
    """
    token = read(CommandSettings, "ORDERFLOW_").token.get_secret_value()
    top_command(Gateway(gateway_address(data, url), token), once=once)


@app.command()
def audit(
    data: Data = DATA,
    postgres: Postgres = None,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be repaired.")] = False,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who asks, and answers for repairs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove from the database, while it is in use, that all adds up; exit 1 if it does not.

    What is found is kept: GET /audits lists it.
    """
    asker = SOMEBODY if by is None and not repair else signed(by)
    url = database_address(data, postgres)
    if not audit_command(url, asker, repairs=repair, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def contracts(
    project: Project = None,
    breaking: Annotated[
        bool, typer.Option("--breaking", help="Also what breaks callers or readers.")
    ] = False,
) -> None:
    """Write OpenAPI, AsyncAPI and the events' JSON Schemas from the models."""
    if not contracts_command(project_folder(project), breaking=breaking):
        raise typer.Exit(1)


@app.command()
def explain(
    order_id: str,
    data: Data = DATA,
    postgres: Postgres = None,
    gateway: Annotated[str | None, typer.Option(metavar="URL", help="What commands call.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell why an order waits, when that ends, and the command that moves it."""
    url, target = database_address(data, postgres), command_target(data, postgres, gateway)
    explain_command(url, order_id, target, as_json=as_json)


@app.command()
def retry(
    order_ids: Annotated[list[str] | None, typer.Argument(metavar="ORDER_ID")] = None,
    attention: Annotated[bool, typer.Option("--attention", help="All that need a person.")] = False,
    data: Data = DATA,
    postgres: Postgres = None,
) -> None:
    """Have pending orders announced again now, as if for the first time."""
    if attention == bool(order_ids):
        raise ConfigurationError("give either the ids of orders or --attention")
    if not retry_command(database_address(data, postgres), order_ids or [], marked=attention):
        raise typer.Exit(1)


@app.command()
def archive(
    before: Annotated[datetime, typer.Option(metavar="DATE", help="In UTC; of the last change.")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", file_okay=False, help="An empty one.")],
    data: Data = DATA,
    postgres: Postgres = None,
) -> None:
    """Move rejected, cancelled and shipped orders from before DATE to files, beside writers.

    With them go applied inventory changes; the stock that they moved becomes an opening balance.
    What was killed is finished by the same command again.
    """
    archive_command(database_address(data, postgres), before, to)


@app.command()
def restore(
    folders: Annotated[
        list[Path], typer.Option("--from", metavar="FOLDER", help="Again for each archive.")
    ],
    postgres: Postgres = None,
    data: Data = DATA,
) -> None:
    """Read archives back into an empty, migrated database, as its owner: all of it or nothing."""
    restore_command(database_address(data, postgres, role=SUPERUSER), folders)


def main() -> None:
    """Run the command line; a fault that has a name is one line on standard error."""
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:  # an option or argument is wrong
        _refuse(error.format_message(), error.exit_code)
    except (ConfigurationError, LocalRuntimeError) as error:
        _refuse(str(error))
    except OrderFlowError as error:
        _refuse(error.detail)
    except KafkaException as error:
        _refuse(f"Kafka does not answer: {error.args[0].str()}")
    except OSError as error:
        if error.filename is None:
            raise
        _refuse(f"{error.filename}: {error.strerror}")


def _refuse(reason: str, status: int = 1) -> None:
    sys.stderr.write(f"orderflow: {printable(reason)}\n")
    sys.exit(status)
