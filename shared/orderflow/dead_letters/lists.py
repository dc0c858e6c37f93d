"""Dead letters: found by filters, what failed last first, and shown one by one."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import orjson
from pydantic import BaseModel, Field

from orderflow.database.connection import Connection, statement
from orderflow.errors import NotFound
from orderflow.http.pagination import Page, bad_cursor, name_of
from orderflow.models import Instant
from orderflow.text import MAX_FILTERED

_HERE = Path(__file__).parent
FIND_LETTERS = statement(_HERE / "find_letters.sql")
SELECT_LETTERS = statement(_HERE / "select_letters.sql")
SELECT_LETTER = statement(_HERE / "select_letter.sql")

# A page is read in the order of its index, and no further: a bitmap would be of every match.
IN_ORDER = "SET LOCAL enable_bitmapscan = off"
MAX_REDRIVES_SHOWN = 100  # of one letter, the newest

State = Literal["kept", "redriving", "redriven", "settled", "discarded"]
LetterId = Annotated[int, Field(ge=1, le=2**63 - 1)]
# Any text that the database can hold: what is looked for may be as broken as what came.
Filter = Annotated[str, Field(min_length=1, max_length=MAX_FILTERED, pattern=r"^[^\x00]*$")]

Letter = dict[str, Any]


class Letters(BaseModel):
    """What letters are found by; all that is given must hold.

    `error` is the last segment of the problem's type, as `invalid-input`; of an answer that was
    no problem its status, as `500`; or `no-answer`. The times are those of the last failure.
    """

    type: Filter | None = None
    item: Filter | None = None
    order_id: Filter | None = None
    error: Filter | None = None
    failed_after: Instant | None = None
    failed_before: Instant | None = None


class LetterPage(Letters, Page):
    """`GET /dead-letters`: filters that may be combined."""

    state: State = "kept"


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
    place = {"below_at": below.last_failed_at, "below": below.position}
    parameters = {**parameters_of(wanted, state), **place, "sendable": sendable, "count": count}
    del parameters["failed_before"]
    connection.script(IN_ORDER)
    ((ids,),) = connection.run(FIND_LETTERS, **parameters)
    found: list[int] = orjson.loads(ids)
    return found


def parameters_of(wanted: Letters, state: State) -> dict[str, object]:
    """Return the filter as a statement's parameters."""
    return {
        **wanted.model_dump(include=set(Letters.model_fields)),
        "failed_after": wanted.failed_after or "-infinity",
        "failed_before": wanted.failed_before or "infinity",
        "state": state,
    }


def letters_of(connection: Connection, ids: Sequence[int]) -> list[Letter]:
    """Return these letters as lists show them, what failed last first."""
    ((letters,),) = connection.run(SELECT_LETTERS, ids=ids)
    found: list[Letter] = orjson.loads(letters)
    return found


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
    rows = connection.run(SELECT_LETTER, id=letter_id, redrives=MAX_REDRIVES_SHOWN)
    if not rows:
        raise NotFound(f"there is no dead letter {letter_id}")
    letter: Letter = orjson.loads(rows[0][0])
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
