"""What a row of the table of operations says."""

from typing import Annotated, Any, NamedTuple

from pydantic import Field

from orderflow.auth.caller import Scope
from orderflow.dead_letters.selections import LetterId
from orderflow.http.pagination import Page
from orderflow.models import ChangeId, Item, OrderId

JSON, NDJSON, HTML = "application/json", "application/x-ndjson", "text/html"
JAVASCRIPT, CSS, SVG = "text/javascript", "text/css", "image/svg+xml"


AuditId = Annotated[int, Field(ge=1, le=10**18 - 1)]


class Answer(NamedTuple):
    """An answer that is no problem: its type, and by media type where it is not JSON alone."""

    status: int
    what: str
    model: Any = None
    headers: tuple[str, ...] = ()
    media: tuple[str, ...] = (JSON,)


class Operation(NamedTuple):
    """A row: what is called, what it takes, and what it answers besides what all of them do.

    `scope` is what a token must have; None: no token is asked for.
    """

    name: str
    call: str
    summary: str
    scope: Scope | None
    answers: tuple[Answer, ...]
    problems: tuple[int, ...] = ()
    body: Any = None
    query: type[Page] | None = None
    headers: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """The method, in capitals."""
        return self.call.split()[0]

    @property
    def path(self) -> str:
        """The path, with its parameters in braces."""
        return self.call.split()[1]


PATH_PARAMETERS: dict[str, Any] = {
    "order_id": OrderId,
    "item": Item,
    "change_id": ChangeId,
    "letter_id": LetterId,
    "audit_id": AuditId,
    "type": Annotated[str, Field(pattern="^[a-z-]+$")],
    "file": Annotated[str, Field(pattern="^[a-z_]+[.](js|css|svg|html|json)$")],
}
