"""`orderflow dead-letters`: what no function could process, straight from the database."""

import getpass
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import orjson
import typer

from orderflow.database.connection import Connection, retrying
from orderflow.dead_letters.lists import letters_page, one_letter
from orderflow.dead_letters.redrives import redrive, redrives_page
from orderflow.dead_letters.selections import (
    DEFAULT_RATE_PER_S,
    DiscardLetters,
    LetterPage,
    RedriveLetters,
    RedrivePage,
    Selection,
)
from orderflow.errors import ConfigurationError
from orderflow.http.pagination import DEFAULT_LIMIT
from orderflow.http.request import parsed
from orderflow_cli.addresses import database_address
from orderflow_cli.commands.dead_letter_tables import show_letters, show_outcome, show_redrives
from orderflow_cli.database import open_database
from orderflow_cli.options import DATA, AsJson, Data, Postgres
from orderflow_cli.output import say, say_json

R = TypeVar("R")

app = typer.Typer(help="What no function could process: look, send again, discard.")

Ids = Annotated[list[int] | None, typer.Argument(metavar="ID", help="As `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="Every letter that is kept.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who asks; else the login name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Rate = Annotated[int, typer.Option("--rate", help="Events a second at most.")]
Limit = Annotated[int, typer.Option(help="How many to show.")]

# The filters, which `list`, `redrive` and `discard` have in common.
FILTERS = "type", "item", "order_id", "error", "consumer", "state", "failed_after", "failed_before"
Type = Annotated[str | None, typer.Option("--type", help="Events of this type.")]
Item = Annotated[str | None, typer.Option(help="Events of this item.")]
OrderId = Annotated[str | None, typer.Option(help="Events of this order.")]
Error = Annotated[
    str | None, typer.Option(help="As `list` shows it: invalid-input, no-answer, 500.")
]
Consumer = Annotated[str | None, typer.Option(help="Who could not take them: process-order.")]
State = Annotated[
    str | None,
    typer.Option(help="kept (the default), redriving, redriven, settled or discarded."),
]
FailedAfter = Annotated[
    str | None, typer.Option(help="Last failed after, as 2026-01-31T12:00:00Z.")
]
FailedBefore = Annotated[str | None, typer.Option(help="Last failed before.")]


@app.command("list")
def list_letters(
    event_type: Type = None,
    item: Item = None,
    order_id: OrderId = None,
    error: Error = None,
    consumer: Consumer = None,
    state: State = None,
    failed_after: FailedAfter = None,
    failed_before: FailedBefore = None,
    limit: Limit = DEFAULT_LIMIT,
    data: Data = DATA,
    postgres: Postgres = None,
    as_json: AsJson = False,
) -> None:
    """List what is kept, what failed last first."""
    filters = _filters(
        event_type, item, order_id, error, consumer, state, failed_after, failed_before
    )
    page = parsed(orjson.dumps({**filters, "limit": limit}), LetterPage)
    letters = _with(database_address(data, postgres), partial(letters_page, page))
    (say_json if as_json else show_letters)(letters)
    if len(letters) == limit:
        more = f"there may be more than these {limit}: narrow it with a filter, or give --limit"
        say(more, stderr=True)


@app.command()
def show(
    letter_id: Annotated[int, typer.Argument(metavar="ID")],
    data: Data = DATA,
    postgres: Postgres = None,
) -> None:
    """Print everything about one letter, as JSON."""
    say_json(_with(database_address(data, postgres), partial(one_letter, letter_id)))


@app.command("redrive")
def redrive_letters(
    ids: Ids = None,
    event_type: Type = None,
    item: Item = None,
    order_id: OrderId = None,
    error: Error = None,
    consumer: Consumer = None,
    state: State = None,
    failed_after: FailedAfter = None,
    failed_before: FailedBefore = None,
    all_kept: All = False,
    rate: Rate = DEFAULT_RATE_PER_S,
    by: By = None,
    dry_run: DryRun = False,
    data: Data = DATA,
    postgres: Postgres = None,
    as_json: AsJson = False,
) -> None:
    """Send letters to their topics again, each as the event that it was."""
    filters = _filters(
        event_type, item, order_id, error, consumer, state, failed_after, failed_before
    )
    command = _selection(ids, filters, all_kept=all_kept)
    command |= {"rate_per_s": rate, "by": by or _login_name(), "dry_run": dry_run}
    _act(database_address(data, postgres), parsed(orjson.dumps(command), RedriveLetters), as_json)


@app.command("discard")
def discard_letters(
    ids: Ids = None,
    event_type: Type = None,
    item: Item = None,
    order_id: OrderId = None,
    error: Error = None,
    consumer: Consumer = None,
    state: State = None,
    failed_after: FailedAfter = None,
    failed_before: FailedBefore = None,
    all_kept: All = False,
    by: By = None,
    dry_run: DryRun = False,
    data: Data = DATA,
    postgres: Postgres = None,
    as_json: AsJson = False,
) -> None:
    """Settle letters without sending them; they are forgotten 30 days after they failed."""
    filters = _filters(
        event_type, item, order_id, error, consumer, state, failed_after, failed_before
    )
    command = _selection(ids, filters, all_kept=all_kept)
    command |= {"by": by or _login_name(), "dry_run": dry_run}
    _act(database_address(data, postgres), parsed(orjson.dumps(command), DiscardLetters), as_json)


@app.command()
def redrives(
    limit: Annotated[int, typer.Option(help="How many to show, at most 50.")] = 20,
    data: Data = DATA,
    postgres: Postgres = None,
    as_json: AsJson = False,
) -> None:
    """List who had letters sent again or discarded, and what became of them, newest first."""
    page = parsed(orjson.dumps({"limit": limit}), RedrivePage)
    rows = _with(database_address(data, postgres), partial(redrives_page, page))
    (say_json if as_json else show_redrives)(rows)


def _filters(*given: str | None) -> dict[str, str]:
    return {name: value for name, value in zip(FILTERS, given, strict=True) if value}


def _selection(ids: list[int] | None, filters: dict[str, str], *, all_kept: bool) -> dict[str, Any]:
    given = {"ids": ids, "filter": filters, "all": all_kept}
    selection = {name: value for name, value in given.items() if value}
    if len(selection) != 1:
        raise ConfigurationError("give one of these: ids of letters; filters, as --type; --all")
    return selection


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # as in a container
        raise ConfigurationError("you have no login name here: say who asks with --by") from error


def _act(url: str, command: Selection, as_json: bool) -> None:
    done = _with(url, partial(redrive, command)).answer
    if as_json:
        say_json(done)
    else:
        show_outcome(command, done)


def _with(url: str, work: Callable[[Connection], R]) -> R:
    with open_database(url) as connection:
        return retrying(partial(work, connection))
