"""Dead letters: found by filters, what failed last first, and shown one by one."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from orderflow.database.connection import Connection, statement
from orderflow.dead_letters.selections import LetterPage, Letters, State
from orderflow.errors import NotFound
from orderflow.http.pagination import Page, bad_cursor, name_of

FIND_LETTERS = statement(__file__, "find_letters.sql")
SELECT_LETTERS = statement(__file__, "select_letters.sql")
SELECT_LETTER = statement(__file__, "select_letter.sql")

# A page is read in the order of its index, and no further: a bitmap would be of every match.
IN_ORDER = "SET LOCAL enable_bitmapscan = off"
MAX_REDRIVES_SHOWN = 100  # of one letter, the newest

Letter = dict[str, Any]


class Place(NamedTuple):
    """A letter's place in the list."""

    last_failed_at: datetime
    position: int


# Before every letter: where the first page starts.
TOP = Place(datetime.max.replace(tzinfo=UTC), 2**63 - 1)


def cursor_after(letter: Letter) -> str:
    """Return what the page that follows this letter starts after."""
    return f"{letter['last_failed_at']} {letter['id']}"


def find_letters(
    connection: Connection,
    wanted: Letters,
    state: State,
    *,
    count: int,
    below: Place = TOP,
    sendable: bool = False,
) -> list[int]:
    """Return the ids of at most `count` letters of a state, what failed last first.

    To be called in a transaction. `sendable` leaves out those that can't be sent again.
    """
    if wanted.failed_before is not None:
        below = min(below, Place(wanted.failed_before, 0))
    parameters = wanted.parameters() | {"state": state, "sendable": sendable, "count": count}
    del parameters["failed_before"]
    connection.script(IN_ORDER)
    place = {"below_at": below.last_failed_at, "below": below.position}
    ids: list[int] = connection.value(FIND_LETTERS, **parameters, **place)
    return ids


def letters_of(connection: Connection, ids: Sequence[int]) -> list[Letter]:
    """Return these letters as lists show them, what failed last first."""
    letters: list[Letter] = connection.value(SELECT_LETTERS, ids=ids)
    return letters


def letters_page(page: LetterPage, connection: Connection) -> list[Letter]:
    """Return a page of letters; raises `InvalidInput` when its cursor is none."""
    below = _place_of(page)
    with connection.transaction():
        ids = find_letters(connection, page, page.state, below=below, count=page.limit)
        return letters_of(connection, ids)


def one_letter(letter_id: int, connection: Connection) -> Letter:
    """Return everything about a letter; raises `NotFound`.

    Its data is `data` where it is JSON or else text, and otherwise `data_base64`, as in the JSON
    form of CloudEvents (section 3.1 of that format).
    """
    letter: Letter | None
    letter = connection.value(SELECT_LETTER, id=letter_id, redrives=MAX_REDRIVES_SHOWN)
    if letter is None:
        raise NotFound(f"there is no dead letter {letter_id}")
    try:
        data = base64.b64decode(letter["data_base64"]).decode()
    except UnicodeDecodeError:
        return letter
    del letter["data_base64"]
    try:
        return letter | {"data": orjson.loads(data)}
    except orjson.JSONDecodeError:
        return letter | {"data": data}


def _place_of(page: Page) -> Place:
    if page.after is None:
        return TOP
    at, _, position = name_of(page).rpartition(" ")
    try:
        place = Place(datetime.fromisoformat(at), int(position))
    except ValueError as error:
        raise bad_cursor() from error
    if place.last_failed_at.tzinfo is None or not 0 < place.position <= TOP.position:
        raise bad_cursor()
    return place
