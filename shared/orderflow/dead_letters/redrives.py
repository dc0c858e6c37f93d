"""Redriving and discarding dead letters: what is chosen, scheduled and recorded.

A redrive only says in the database when each letter may be sent; `resending` sends.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import Field

from orderflow.database.connection import Connection, Json, statement
from orderflow.dead_letters.lists import find_letters, letters_of, parameters_of
from orderflow.dead_letters.selections import DiscardLetters, LetterFilter, RedriveLetters
from orderflow.errors import Conflict, NotFound
from orderflow.http.pagination import Page, position_of

_HERE = Path(__file__).parent
LOCK_LETTERS = statement(_HERE / "lock_letters.sql")
EXAMINE_LETTERS = statement(_HERE / "examine_letters.sql")
COUNT_LETTERS = statement(_HERE / "count_letters.sql")
COUNT_UNSENDABLE = statement(_HERE / "count_unsendable.sql")
RECORD_REDRIVE = statement(_HERE / "record_redrive.sql")
SELECT_REDRIVES = statement(_HERE / "select_redrives.sql")

MAX_LETTERS = 10_000  # of one redrive, which locks and writes them in one transaction of a second
MAX_COUNTED = 50_000  # of a dry run, so that it too takes a second
MAX_KINDS_SHOWN = 100  # of a dry run: types and errors
MAX_LETTERS_SHOWN = 20  # of a dry run, as examples
MAX_NAMED = 10  # ids in an error: a line of text


class RedrivePage(Page):
    """`GET /dead-letters/redrives`: each of a page counts up to `MAX_LETTERS`."""

    limit: Annotated[int, Field(ge=1, le=50)] = 50


class Chosen(NamedTuple):
    """The letters that are to be redriven or discarded, and how many can't be or are more."""

    ids: list[int]
    skipped: int = 0
    cannot_be_sent: int = 0
    more: bool = False


def redrive(asked: DiscardLetters, connection: Connection) -> dict[str, Any]:
    """Schedule (`RedriveLetters`) or discard letters, and record who asked; or tell which.

    Returns `redrive` (the record's id, None when nothing matched), `matched`, `skipped` (scheduled
    or discarded before), `cannot_be_sent`, `more` (there are others: ask again) and
    `last_send_at`; of a dry run `kinds` and `first` instead of an id. Raises `NotFound` for
    unknown ids and `Conflict` for ids of letters that can't be sent.
    """
    with connection.transaction():
        if asked.dry_run:
            chosen = _chosen(connection, asked, MAX_COUNTED)
            return _counts(chosen) | _described(connection, chosen.ids)
        chosen = _chosen(connection, asked, MAX_LETTERS)
        return _counts(chosen) | _recorded(connection, asked, chosen.ids)


def redrives_page(page: Page, connection: Connection) -> list[dict[str, Any]]:
    """Return a page of the record, newest first: who, when, what, and what became of it."""
    below = position_of(page)
    ((redrives,),) = connection.run(SELECT_REDRIVES, below=below, count=page.limit)
    found: list[dict[str, Any]] = orjson.loads(redrives)
    return found


def _chosen(connection: Connection, asked: DiscardLetters, limit: int) -> Chosen:
    sends = isinstance(asked, RedriveLetters)
    if asked.ids is not None:
        ids = [*dict.fromkeys(asked.ids)]
        letters = _examined(connection, asked, ids)
        _refuse(ids, letters, sends=sends)
        allowed = {"kept", "redriven", "settled"} | ({"discarded"} if sends else set())
        taken = [letter.id for letter in letters if letter.state in allowed and not letter.waits]
        return Chosen(taken, skipped=len(ids) - len(taken))
    wanted = asked.wanted()
    find = partial(find_letters, connection, wanted, wanted.state)
    ids = find(count=limit + 1, sendable=sends)
    letters = _examined(connection, asked, ids[:limit])
    taken = [letter.id for letter in letters if letter.state == wanted.state and not letter.waits]
    return Chosen(
        taken,
        skipped=len(letters) - len(taken),
        cannot_be_sent=_unsendable(connection, wanted) if sends else 0,
        more=len(ids) > limit,
    )


class _Letter(NamedTuple):
    id: int
    state: str
    sendable: bool
    topic: str | None
    partition: int | None
    offset: int | None
    waits: bool


def _examined(connection: Connection, asked: DiscardLetters, ids: list[int]) -> list[_Letter]:
    if not asked.dry_run:
        connection.run(LOCK_LETTERS, ids=ids)
    ((letters,),) = connection.run(EXAMINE_LETTERS, ids=ids)
    return [_Letter(*letter) for letter in orjson.loads(letters)]


def _refuse(ids: list[int], letters: list[_Letter], *, sends: bool) -> None:
    if unknown := [*dict.fromkeys(ids).keys() - {letter.id for letter in letters}]:
        raise NotFound(f"there is no dead letter {_named(sorted(unknown))}")
    if sends and (lacking := [letter for letter in letters if not letter.sendable]):
        whys = "; ".join(map(_why_not, lacking[:MAX_NAMED]))
        raise Conflict(f"{len(lacking)} can't be sent again: {whys}")


def _named(ids: list[int]) -> str:
    more = f" and {len(ids) - MAX_NAMED} more" if len(ids) > MAX_NAMED else ""
    return ", ".join(map(str, ids[:MAX_NAMED])) + more


def _why_not(letter: _Letter) -> str:
    if letter.topic is None:
        return f"{letter.id} does not say which topic it came from"
    where = f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"
    return f"{letter.id} is kept without the end of its data; the record is in topic {where}"


def _unsendable(connection: Connection, wanted: LetterFilter) -> int:
    parameters = parameters_of(wanted, wanted.state)
    ((count,),) = connection.run(COUNT_UNSENDABLE, **parameters, count=MAX_COUNTED)
    return int(count)


def _counts(chosen: Chosen) -> dict[str, Any]:
    counts = chosen._asdict()
    return {"matched": len(counts.pop("ids")), **counts}


def _described(connection: Connection, ids: list[int]) -> dict[str, Any]:
    ((kinds,),) = connection.run(COUNT_LETTERS, ids=ids, count=MAX_KINDS_SHOWN)
    first = letters_of(connection, ids[:MAX_LETTERS_SHOWN])
    return {"kinds": orjson.loads(kinds), "first": first[::-1]}


def _recorded(connection: Connection, asked: DiscardLetters, ids: list[int]) -> dict[str, Any]:
    if not ids:
        return {"redrive": None, "last_send_at": None}
    rate = asked.rate_per_s if isinstance(asked, RedriveLetters) else None
    parameters = {"by": asked.by, "selection": Json(asked.selection()), "rate_per_s": rate}
    ((recorded,),) = connection.run(RECORD_REDRIVE, ids=ids, **parameters)
    found: dict[str, Any] = orjson.loads(recorded)
    return found
