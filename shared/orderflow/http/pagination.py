"""Keyset pages: parameters from the query, the opaque cursor, and the `Link` to the next page."""

import base64
import re
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request

from orderflow.errors import InvalidInput
from orderflow.http.faults import invalid_input
from orderflow.http.path import path_to, segments_of

DEFAULT_LIMIT = 50
MAX_LIMIT = 500  # a page stays under a megabyte

Q = TypeVar("Q", bound="Page")


class Page(BaseModel, frozen=True, extra="forbid"):
    """What every list takes: `limit`, and `after`, the cursor of the page before."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    after: str | None = None


def page_of(request: Request, model: type[Q]) -> Q:
    """Return the query's parameters, each given once, as `model`; raises `InvalidInput` (422)."""
    query = request.query_params
    if twice := [name for name in query if len(query.getlist(name)) > 1]:
        raise InvalidInput.of([(name, "give it once") for name in twice])
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        raise invalid_input(error) from error


# Above every position: where the first page of a list that runs downwards starts.
_NEWEST = 2**63 - 1
_POSITION = re.compile("[0-9]{1,19}")


def position_of(page: Page) -> int:
    """Return the position below which the page starts; raises `InvalidInput` (422)."""
    if page.after is None:
        return _NEWEST
    name = name_of(page)
    if not _POSITION.fullmatch(name) or int(name) > _NEWEST:
        raise bad_cursor()
    return int(name)


def name_of(page: Page) -> str:
    """Return the name after which the page starts, empty at first; raises `InvalidInput`."""
    if page.after is None:
        return ""
    try:
        padded = page.after + "=" * (-len(page.after) % 4)
        name = base64.b64decode(padded, b"-_", validate=True).decode()
    except ValueError as error:
        raise bad_cursor() from error
    if "\0" in name:
        raise bad_cursor()
    return name


def bad_cursor() -> InvalidInput:
    """Return the error of a cursor that no list gave."""
    return InvalidInput.of([("after", "take the cursor from a Link header")])


def next_link(request: Request, position: str) -> dict[str, str]:
    """Return the `Link` header (RFC 8288) to the page that follows `position`."""
    cursor = base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")
    query = {**request.query_params, "after": cursor}
    path = path_to(*segments_of(request))
    return {"Link": f'<{path}?{urlencode(query)}>; rel="next"'}
