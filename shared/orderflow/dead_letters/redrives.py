"""Redriving and discarding dead letters: what is chosen, scheduled and recorded.

A redrive only says in the database when each letter may be sent; `resending` sends.
"""

from typing import Any, NamedTuple

from orderflow.database.connection import Connection, Json, statement
from orderflow.database.first_answers import FirstAnswers, KeyedCall
from orderflow.dead_letters.lists import find_letters, letters_of
from orderflow.dead_letters.selections import LetterFilter, Selection
from orderflow.errors import Conflict, InvalidInput, NotFound
from orderflow.http.pagination import Page, position_of

LOCK_LETTERS = statement(__file__, "lock_letters.sql")
EXAMINE_LETTERS = statement(__file__, "examine_letters.sql")
COUNT_LETTERS = statement(__file__, "count_letters.sql")
COUNT_UNSENDABLE = statement(__file__, "count_unsendable.sql")
RECORD_REDRIVE = statement(__file__, "record_redrive.sql")
SELECT_REDRIVES = statement(__file__, "select_redrives.sql")

MAX_LETTERS = 10_000  # of one redrive, which locks and writes them in one transaction of a second
MAX_COUNTED = 50_000  # of a dry run, so that it too takes a second
MAX_KINDS_SHOWN = 100  # of a dry run: types and errors
MAX_LETTERS_SHOWN = 20  # of a dry run, as examples
MAX_NAMED = 10  # ids in an error: a line of text


class Chosen(NamedTuple):
    """The letters that are to be redriven or discarded, and how many can't be or are more."""

    ids: list[int]
    skipped: int
    cannot_be_sent: int = 0
    more: bool = False


class Redriven(NamedTuple):
    """What a call came to; not new if it was made before, under the same idempotency key."""

    answer: dict[str, Any]
    is_new: bool = True


def redrive(asked: Selection, connection: Connection, *, call: KeyedCall | None = None) -> Redriven:
    """Schedule letters or, where no rate is given, discard them, and record who asked.

    Answers with `redrive` (the record's id, None when nothing matched), `matched`, `skipped`
    (scheduled or discarded before), `cannot_be_sent`, `more` (there are others: ask again) and
    `last_send_at`; of a dry run `kinds` and `first` instead of an id. Raises `NotFound` for
    unknown ids and `Conflict` for ids of letters that can't be sent.
    """
    with connection.transaction():
        first = FirstAnswers(connection, [call])
        before = first.get(call)
        if isinstance(before, InvalidInput):
            raise before
        if before is not None:
            return Redriven(before, is_new=False)
        answer = _redrive(asked, connection)
        if not asked.dry_run:
            first.add(call, answer)
            first.store()
    return Redriven(answer)


def redrives_page(page: Page, connection: Connection) -> list[dict[str, Any]]:
    """Return a page of the record, newest first: who, when, what, and what became of it."""
    found: list[dict[str, Any]]
    found = connection.value(SELECT_REDRIVES, below=position_of(page), count=page.limit)
    return found


def _redrive(asked: Selection, connection: Connection) -> dict[str, Any]:
    chosen = _by_ids(connection, asked) if asked.ids else _by_filter(connection, asked)
    ids, counts = chosen.ids, chosen._asdict()
    counts["matched"] = len(counts.pop("ids"))
    if asked.dry_run:
        kinds = connection.value(COUNT_LETTERS, ids=ids, count=MAX_KINDS_SHOWN)
        first = letters_of(connection, ids[:MAX_LETTERS_SHOWN])
        return counts | {"kinds": kinds, "first": first[::-1]}
    if not ids:
        return counts | {"redrive": None, "last_send_at": None}
    selection = asked.model_dump(mode="json", include={"ids", "filter", "all"}, exclude_unset=True)
    asker = {"by": asked.by, "selection": Json(selection), "rate_per_s": asked.rate_per_s}
    counts |= connection.value(RECORD_REDRIVE, ids=ids, **asker)
    return counts


class _Letter(NamedTuple):
    id: int
    state: str
    sendable: bool
    type: str
    consumer: str
    topic: str | None
    partition: int | None
    offset: int | None
    whole: bool
    waits: bool

    def why_not(self) -> str:
        if self.topic is None:
            return f"{self.id} does not say which topic it came from"
        if self.whole:
            what = f"{self.type} from {self.topic} to {self.consumer}"
            return f"{self.id} is {what}, which no source here delivers"
        where = f"{self.topic}, partition {self.partition}, offset {self.offset}"
        return f"{self.id} is kept without the end of its data; the record is in topic {where}"


def _by_ids(connection: Connection, asked: Selection) -> Chosen:
    ids = [*dict.fromkeys(asked.ids or ())]
    letters = _examined(connection, asked, ids)
    if unknown := [str(i) for i in sorted(set(ids) - {letter.id for letter in letters})]:
        more = f" and {len(unknown) - MAX_NAMED} more" if len(unknown) > MAX_NAMED else ""
        raise NotFound(f"there is no dead letter {', '.join(unknown[:MAX_NAMED])}{more}")
    allowed = {"kept", "redriven", "settled"}
    if asked.rate_per_s is not None:
        allowed |= {"discarded"}
        if whys := [letter.why_not() for letter in letters if not letter.sendable]:
            raise Conflict(f"{len(whys)} can't be sent again: {'; '.join(whys[:MAX_NAMED])}")
    taken = [letter.id for letter in letters if letter.state in allowed and not letter.waits]
    return Chosen(taken, skipped=len(ids) - len(taken))


def _by_filter(connection: Connection, asked: Selection) -> Chosen:
    limit = MAX_COUNTED if asked.dry_run else MAX_LETTERS
    wanted, sends = asked.filter or LetterFilter(state="kept"), asked.rate_per_s is not None
    ids = find_letters(connection, wanted, wanted.state, count=limit + 1, sendable=sends)
    letters = _examined(connection, asked, ids[:limit])
    taken = [letter.id for letter in letters if letter.state == wanted.state and not letter.waits]
    unsendable = 0
    if sends:
        parameters = wanted.parameters() | {"state": wanted.state, "count": MAX_COUNTED}
        ((unsendable,),) = connection.run(COUNT_UNSENDABLE, **parameters)
    return Chosen(taken, len(letters) - len(taken), unsendable, more=len(ids) > limit)


def _examined(connection: Connection, asked: Selection, ids: list[int]) -> list[_Letter]:
    if not asked.dry_run:
        connection.run(LOCK_LETTERS, ids=ids)
    return [_Letter(*letter) for letter in connection.value(EXAMINE_LETTERS, ids=ids)]
