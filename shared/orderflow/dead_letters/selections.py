"""Which dead letters are asked for, by whom, and what is to become of them."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from orderflow.http.pagination import Page
from orderflow.models import Asker, Body, Instant
from orderflow.text import MAX_FILTERED

MAX_IDS = 1_000  # named one by one; beyond it a filter says it better
DEFAULT_RATE_PER_S = 50  # what failed may fail again: a trickle beside a function's thousands
MAX_RATE_PER_S = 1_000  # below what one process_order takes

State = Literal["kept", "redriving", "redriven", "settled", "discarded"]
LetterId = Annotated[int, Field(ge=1, le=2**63 - 1)]
LetterIds = Annotated[tuple[LetterId, ...], Field(min_length=1, max_length=MAX_IDS, strict=False)]
# Any text that the database can hold: what is looked for may be as broken as what came.
Filter = Annotated[str, Field(min_length=1, max_length=MAX_FILTERED, pattern=r"^[^\x00]*$")]


def _only_true(given: bool) -> bool:
    if not given:
        raise ValueError("must be true, or not be there")
    return given


OnlyTrue = Annotated[bool, AfterValidator(_only_true), Field(json_schema_extra={"const": True})]


class Letters(BaseModel):
    """What letters are found by; all that is given must hold.

    `consumer` is the function that could not take the event, or the host of another subscriber.
    `error` is the last segment of the problem's type, as `invalid-input`; of an answer that was
    no problem its status, as `500`; or `no-answer`. The times are those of the last failure.
    """

    type: Filter | None = None
    item: Filter | None = None
    order_id: Filter | None = None
    error: Filter | None = None
    consumer: Filter | None = None
    failed_after: Instant | None = None
    failed_before: Instant | None = None

    def parameters(self) -> dict[str, object]:
        """Return the filter as a statement's parameters."""
        return {
            **self.model_dump(include=set(Letters.model_fields)),
            "failed_after": self.failed_after or "-infinity",
            "failed_before": self.failed_before or "infinity",
        }


class LetterPage(Letters, Page):
    """`GET /dead-letters`: filters that may be combined."""

    state: State = "kept"


class RedrivePage(Page):
    """`GET /dead-letters/redrives`: each of a page counts as many letters as it may have had."""

    limit: Annotated[int, Field(ge=1, le=50)] = 50


class LetterFilter(Letters, Body):
    """The filters of the list, at least one of them."""

    state: Literal["kept", "redriven"] = "kept"

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give at least one field, or all: true instead of a filter")
        return self


class Selection(Body):
    """Which letters, who asks, and how many a second are sent at most: None sends none."""

    ids: LetterIds | None = None
    filter: LetterFilter | None = None
    all: OnlyTrue | None = None
    by: Asker | None = None  # of a call with a token it is the subject
    dry_run: bool = False
    rate_per_s: int | None = None

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        if [self.ids, self.filter, self.all].count(None) != 2:
            raise ValueError("give exactly one of ids, filter and all: true")
        return self


class RedriveLetters(Selection):
    """`POST /dead-letters/redrive`."""

    rate_per_s: Annotated[int, Field(ge=1, le=MAX_RATE_PER_S)] = DEFAULT_RATE_PER_S


class DiscardLetters(Selection):
    """`POST /dead-letters/discard`."""

    rate_per_s: None = None
