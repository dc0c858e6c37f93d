"""Answers about dead letters."""

from typing import Any, Literal, NotRequired

from pydantic import AwareDatetime
from typing_extensions import TypedDict

from orderflow.contract.answers.orders import Count
from orderflow.dead_letters.selections import State


class ListedLetter(TypedDict):
    """An event that no function could process, and the last failure."""

    id: Count
    state: State
    event_id: str
    type: str
    order_id: str | None
    item: str | None
    topic: str | None
    partition: Count | None
    offset: Count | None
    sendable: bool
    consumer: str
    destination: str
    error_code: int | None
    error: str
    detail: str
    failures: Count
    first_failed_at: AwareDatetime
    last_failed_at: AwareDatetime


class LetterRedrive(TypedDict):
    """What became of a letter in one redrive or discard."""

    redrive: Count
    action: Literal["redrive", "discard"]
    by: str
    at: AwareDatetime
    send_at: AwareDatetime | None
    sent_at: AwareDatetime | None
    tries: Count
    acknowledged_at: AwareDatetime | None
    error: str | None
    came_back_at: AwareDatetime | None


class OneLetter(ListedLetter):
    """A letter with its event: `data` where it is text or JSON, else `data_base64`."""

    attributes: dict[str, str]
    data: NotRequired[Any]
    data_base64: NotRequired[str]
    data_bytes: Count
    redrives: list[LetterRedrive]


class Kind(TypedDict):
    """How many of the letters have this type and error."""

    type: str
    error: str
    letters: Count


class Redriven(TypedDict):
    """What was scheduled or discarded; of a dry run `kinds` and `first`, and no `redrive`.

    `skipped` were scheduled or discarded before; with `more` there are others: ask again.
    """

    redrive: NotRequired[Count | None]
    matched: Count
    skipped: Count
    cannot_be_sent: Count
    more: bool
    last_send_at: NotRequired[AwareDatetime | None]
    kinds: NotRequired[list[Kind]]
    first: NotRequired[list[ListedLetter]]


class RecordedRedrive(TypedDict):
    """Who had letters sent again or discarded, and what became of them."""

    id: Count
    action: Literal["redrive", "discard"]
    by: str
    at: AwareDatetime
    selection: dict[str, Any]
    rate_per_s: Count | None
    matched: Count
    sent: Count
    waiting: Count
    given_up: Count
    came_back: Count
