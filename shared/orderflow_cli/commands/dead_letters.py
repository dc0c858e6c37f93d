"""`orderflow dead-letters`: what no function could process, straight from the database."""

import getpass
import inspect
from collections.abc import Callable
from contextlib import closing
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer

from orderflow.database.connection import Connection, retrying
from orderflow.dead_letters.lists import LetterPage, letters_page, one_letter
from orderflow.dead_letters.redrives import RedrivePage, redrive, redrives_page
from orderflow.dead_letters.selections import DEFAULT_RATE_PER_S, DiscardLetters, RedriveLetters
from orderflow.errors import ConfigurationError
from orderflow.http.pagination import DEFAULT_LIMIT
from orderflow.models import parsed
from orderflow_cli.commands.dead_letter_tables import (
    say,
    show_json,
    show_letters,
    show_outcome,
    show_redrives,
)
from orderflow_cli.options import AsJson, Data, Postgres
from orderflow_cli.stack import database_address

R = TypeVar("R")

app = typer.Typer(help="What no function could process: look, send again, discard.")

Ids = Annotated[list[int] | None, typer.Argument(metavar="ID", help="As `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="Every letter that is kept.")]
By = Annotated[str | None, typer.Option(metavar="NAME", help="Who asks; else the login name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")]
Rate = Annotated[int, typer.Option("--rate", help="Events a second at most.")]
Limit = Annotated[int, typer.Option(help="How many to show.")]

FILTERS = {
    "type": "Events of this type.",
    "item": "Events of this item.",
    "order_id": "Events of this order.",
    "error": "As `list` shows it: invalid-input, no-answer, 500.",
    "state": "kept (the default), redriving, redriven, settled or discarded.",
    "failed_after": "Last failed after, as 2026-01-31T12:00:00Z.",
    "failed_before": "Last failed before.",
}


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command each filter as an option; it gets those that are given as `filters`."""
    own = inspect.signature(command)
    options = {
        name: Annotated[str | None, typer.Option(f"--{name.replace('_', '-')}", help=told)]
        for name, told in FILTERS.items()
    }

    @wraps(command)
    def with_filters(**given: Any) -> None:
        filters = {name: given.pop(name) for name in FILTERS}
        command(filters={name: value for name, value in filters.items() if value}, **given)

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in options.items()
    ]
    kept = [p for p in own.parameters.values() if p.name != "filters"]
    wrapped: Any = with_filters
    wrapped.__signature__ = own.replace(parameters=[*kept, *added])
    wrapped.__annotations__ = {**command.__annotations__, **options}
    return with_filters


@app.command("list")
@filtered
def list_letters(
    *,
    filters: dict[str, str],
    limit: Limit = DEFAULT_LIMIT,
    data: Data = Path(".data"),
    postgres: Postgres = None,
    as_json: AsJson = False,
) -> None:
    """List what is kept, what failed last first."""
    page = parsed(orjson.dumps({**filters, "limit": limit}), LetterPage)
    letters = _with(database_address(data, postgres), partial(letters_page, page))
    (show_json if as_json else show_letters)(letters)
    if len(letters) == limit:
        say(f"there may be more than these {limit}: narrow it with a filter, or give --limit")


@app.command()
def show(
    letter_id: Annotated[int, typer.Argument(metavar="ID")],
    data: Data = Path(".data"),
    postgres: Postgres = None,
) -> None:
    """Print everything about one letter, as JSON."""
    show_json(_with(database_address(data, postgres), partial(one_letter, letter_id)))


@app.command("redrive")
@filtered
def redrive_letters(  # noqa: PLR0913 (a command's options)
    *,
    ids: Ids = None,
    filters: dict[str, str],
    all_kept: All = False,
    rate: Rate = DEFAULT_RATE_PER_S,
    by: By = None,
    dry_run: DryRun = False,
    data: Data = Path(".data"),
    postgres: Postgres = None,
    as_json: AsJson = False,
) -> None:
    """Send letters to their topics again, each as the event that it was."""
    asked = _asked(ids, filters, all_kept=all_kept)
    asked |= {"rate_per_s": rate, "by": by or _login_name(), "dry_run": dry_run}
    _act(database_address(data, postgres), parsed(orjson.dumps(asked), RedriveLetters), as_json)


@app.command("discard")
@filtered
def discard_letters(  # noqa: PLR0913 (a command's options)
    *,
    ids: Ids = None,
    filters: dict[str, str],
    all_kept: All = False,
    by: By = None,
    dry_run: DryRun = False,
    data: Data = Path(".data"),
    postgres: Postgres = None,
    as_json: AsJson = False,
) -> None:
    """Settle letters without sending them; they are forgotten 30 days after they failed."""
    asked = _asked(ids, filters, all_kept=all_kept)
    asked |= {"by": by or _login_name(), "dry_run": dry_run}
    _act(database_address(data, postgres), parsed(orjson.dumps(asked), DiscardLetters), as_json)


@app.command()
def redrives(
    limit: Annotated[int, typer.Option(help="How many to show, at most 50.")] = 20,
    data: Data = Path(".data"),
    postgres: Postgres = None,
    as_json: AsJson = False,
) -> None:
    """List who had letters sent again or discarded, and what became of them, newest first."""
    page = parsed(orjson.dumps({"limit": limit}), RedrivePage)
    rows = _with(database_address(data, postgres), partial(redrives_page, page))
    (show_json if as_json else show_redrives)(rows)


def _asked(ids: list[int] | None, filters: dict[str, str], *, all_kept: bool) -> dict[str, Any]:
    given = {"ids": ids, "filter": filters, "all": all_kept}
    asked = {name: selection for name, selection in given.items() if selection}
    if len(asked) != 1:
        raise ConfigurationError("give one of these: ids of letters; filters, as --type; --all")
    return asked


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # as in a container
        raise ConfigurationError("you have no login name here: say who asks with --by") from error


def _act(url: str, asked: DiscardLetters, as_json: bool) -> None:
    done = _with(url, partial(redrive, asked))
    if as_json:
        show_json(done)
    else:
        show_outcome(asked, done)


def _with(url: str, work: Callable[[Connection], R]) -> R:
    with closing(Connection(url)) as connection:
        return retrying(partial(work, connection))
