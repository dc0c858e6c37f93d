"""The `orderflow` command: runs the whole on a laptop, and looks after any installation."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka import KafkaException
from rich.console import Console

from knative_local.errors import LocalRuntimeError
from orderflow.config import database_url, kafka_servers
from orderflow.database import migrate as migrations
from orderflow.database.connection import Connection, statement
from orderflow.errors import ConfigurationError, OrderFlowError
from orderflow_cli.audit.repair import signed
from orderflow_cli.commands.audit import audit_command
from orderflow_cli.commands.dead_letters import app as dead_letters
from orderflow_cli.commands.orders import explain_command, retry_command
from orderflow_cli.demo.run import demo as run_demo
from orderflow_cli.options import AsJson, Data, Postgres
from orderflow_cli.stack import addresses, database_address, running, serve
from orderflow_cli.topics import create_topics, lag

SHOW_STATUS = statement(Path(__file__).parent / "status.sql")

app = typer.Typer(
    help="Order processing: nothing lost, nothing oversold, nothing hanging.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dead_letters, name="dead-letters", no_args_is_help=True)
Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="SERVERS", help="A Kafka of your own.")
]
Port = Annotated[int, typer.Option("--port", help="Where the gateway listens.")]


@app.command()
def up(
    port: Port = 8080, data: Data = Path(".data"), postgres: Postgres = None, kafka: Kafka = None
) -> None:
    """Run everything until Ctrl-C: PostgreSQL, broker, functions, triggers, gateway."""
    asyncio.run(serve(data, Console(), port=port, postgres=postgres, kafka=kafka))


@app.command()
def ps(data: Data = Path(".data")) -> None:
    """List what runs, as JSON: name, kind, pid, port, state."""
    _say(json.dumps(running(data), indent=2))


@app.command()
def demo() -> None:
    """Place 5,000 orders and prove from the database that none went wrong."""
    if not run_demo(Console()):
        raise typer.Exit(1)


@app.command()
def migrate(postgres: Postgres = None) -> None:
    """Bring the database to this version's schema. Safe to run twice."""
    applied = migrations.migrate(database_url(postgres))
    _say("\n".join(f"applied {name}" for name in applied) or "nothing to apply")


@app.command()
def topics(
    kafka: Kafka = None,
    replicas: Annotated[int, typer.Option(help="Copies of each partition.")] = 1,
) -> None:
    """Create the topics that are missing. Safe to run twice."""
    created = create_topics(kafka_servers(kafka), replicas=replicas)
    _say("\n".join(f"created {name}" for name in created) or "nothing to create")


@app.command()
def status(data: Data = Path(".data"), postgres: Postgres = None, kafka: Kafka = None) -> None:
    """Show orders by state, the oldest open one, the outbox's backlog and the readers' lag."""
    url, servers = addresses(data, postgres, kafka)
    ((found,),) = Connection(url).run(SHOW_STATUS)
    _say(json.dumps({**json.loads(found), "consumer_lag": lag(servers)}, indent=2))


@app.command()
def audit(
    data: Data = Path(".data"),
    postgres: Postgres = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who repairs.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove from the database, while it is in use, that all adds up; exit 1 if it does not."""
    signature = signed(by) if repair else None
    if not audit_command(database_address(data, postgres), by=signature, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def explain(
    order_id: str,
    data: Data = Path(".data"),
    postgres: Postgres = None,
    as_json: AsJson = False,
) -> None:
    """Tell why an order waits, when that ends, and the command that moves it."""
    explain_command(database_address(data, postgres), order_id, as_json=as_json)


@app.command()
def retry(
    order_ids: Annotated[list[str] | None, typer.Argument(metavar="ORDER_ID")] = None,
    attention: Annotated[bool, typer.Option("--attention", help="All that need a person.")] = False,
    data: Data = Path(".data"),
    postgres: Postgres = None,
) -> None:
    """Have pending orders announced again now, as if for the first time."""
    if attention == bool(order_ids):
        raise ConfigurationError("give either the ids of orders or --attention")
    if not retry_command(database_address(data, postgres), order_ids or [], marked=attention):
        raise typer.Exit(1)


def _say(text: str) -> None:
    typer.echo(text)


def main() -> None:
    """Run the command line; a fault that has a name is one line on standard error."""
    try:
        app()
    except (ConfigurationError, LocalRuntimeError) as error:
        sys.exit(f"orderflow: {error}")
    except OrderFlowError as error:
        sys.exit(f"orderflow: {error.detail}")
    except KafkaException as error:
        sys.exit(f"orderflow: Kafka does not answer: {error.args[0].str()}")
