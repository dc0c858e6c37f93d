"""Which dead letters are asked for, by whom, and what is to become of them."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from orderflow.dead_letters.lists import LetterId, Letters
from orderflow.models import Asker, Body

MAX_IDS = 1_000  # named one by one; beyond it a filter says it better
DEFAULT_RATE_PER_S = 50  # what failed may fail again: a trickle beside a function's thousands
MAX_RATE_PER_S = 1_000  # below what one process_order takes

Selectable = Literal["kept", "redriven"]
Rate = Annotated[int, Field(ge=1, le=MAX_RATE_PER_S)]
LetterIds = Annotated[tuple[LetterId, ...], Field(min_length=1, max_length=MAX_IDS, strict=False)]


class LetterFilter(Letters, Body):
    """The filters of the list, at least one of them."""

    state: Selectable = "kept"

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("give at least one field, or all: true instead of a filter")
        return self


class DiscardLetters(Body):
    """`POST /dead-letters/discard`: which letters, and who asks."""

    action: ClassVar[Literal["redrive", "discard"]] = "discard"

    ids: LetterIds | None = None
    filter: LetterFilter | None = None
    all: Literal[True] | None = None
    by: Asker
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        if [self.ids, self.filter, self.all].count(None) != 2:
            raise ValueError("give exactly one of ids, filter and all: true")
        return self

    @property
    def rate(self) -> int | None:
        """How many letters a second are sent at most; None: none are sent."""
        return None

    def selection(self) -> dict[str, Any]:
        """Return what was asked for, as it was asked."""
        return self.model_dump(mode="json", include={"ids", "filter", "all"}, exclude_unset=True)


class RedriveLetters(DiscardLetters):
    """`POST /dead-letters/redrive`: the same, and how many a second are sent at most."""

    action = "redrive"

    rate_per_s: Rate = DEFAULT_RATE_PER_S

    @property
    def rate(self) -> int | None:
        """How many letters a second are sent at most."""
        return self.rate_per_s
