"""GET /dead-letters, POST /dead-letters/redrive and /discard: what failed, and what is done to it.

Writes redrives, redriven_letters and dead_letters; sweep sends what is redriven, under the id that
it always had.
"""

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from orderflow.auth.caller import LOCAL, caller_of
from orderflow.database.connection import Connection
from orderflow.dead_letters.lists import cursor_after, letters_page, one_letter
from orderflow.dead_letters.redrives import redrive as redrive_letters
from orderflow.dead_letters.redrives import redrives_page
from orderflow.dead_letters.selections import (
    DiscardLetters,
    LetterPage,
    RedriveLetters,
    RedrivePage,
    Selection,
)
from orderflow.errors import InvalidInput, MethodNotAllowed, NotFound
from orderflow.http.handler import http, json_response, replay_header
from orderflow.http.idempotency import keyed_call_of
from orderflow.http.pages import Found, found_rows, page_response
from orderflow.http.pagination import page_of
from orderflow.http.path import path_name, segments_of
from orderflow.http.request import body_of
from orderflow.logs import bind_log_fields
from orderflow.resources import worker

LETTERS = ("dead-letters",)
ACTIONS: dict[tuple[str, ...], type[Selection]] = {
    (*LETTERS, "redrive"): RedriveLetters,
    (*LETTERS, "discard"): DiscardLetters,
}
MAX_DIGITS = 18  # of an id: far more letters than a disk holds

Rows = list[dict[str, Any]]


@http("GET", "HEAD", "POST", scope="operations")
async def redrive(request: Request) -> Response:
    """Answer with a page of letters, one letter or the record, or do what is asked."""
    path = segments_of(request)
    if path[:1] != LETTERS:
        raise NotFound("no such path; use /dead-letters")
    if request.method == "POST":
        return await act(request, path)
    if path in ACTIONS:
        raise MethodNotAllowed(("POST",))
    if path == LETTERS:
        letters = page_of(request, LetterPage)
        read = partial(letters_page, letters)
        return await page_response(request, partial(read_rows, letters.limit, read, cursor_after))
    if path == (*LETTERS, "redrives"):
        page = page_of(request, RedrivePage)
        read = partial(redrives_page, page)
        return await page_response(request, partial(read_rows, page.limit, read, itemgetter("id")))
    return await one(path_name(request, *LETTERS))


async def act(request: Request, path: tuple[str, ...]) -> Response:
    """Schedule or discard; 202 when something is to be sent, 200 when all is done."""
    if path not in ACTIONS:
        raise MethodNotAllowed(("GET", "HEAD"))
    asked = await body_of(request, ACTIONS[path])
    call, subject = keyed_call_of(request, asked), caller_of(request).subject
    if subject != LOCAL.subject:  # who asks is whose token it is, whatever the body says
        asked = asked.model_copy(update={"by": subject})
    elif asked.by is None:
        raise InvalidInput.of([("by", "say who asks")])
    done, is_new = await worker().submit(partial(redrive_letters, asked, call=call))
    bind_log_fields(
        by=asked.by, dry_run=asked.dry_run, redrive=done.get("redrive"), matched=done["matched"]
    )
    status = 202 if done.get("last_send_at") else 200
    return json_response(done, status, replay_header(is_new))


def read_rows(
    limit: int,
    read: Callable[[Connection], Rows],
    cursor: Callable[[dict[str, Any]], int | str],
    connection: Connection,
) -> Found:
    """Return a page, and the cursor of its last row where there may be more."""
    return found_rows(((cursor(row), orjson.dumps(row)) for row in read(connection)), limit)


async def one(letter_id: str) -> Response:
    """Answer with everything about one letter."""
    if not letter_id.isdecimal() or not letter_id.isascii() or len(letter_id) > MAX_DIGITS:
        raise NotFound("there is no such dead letter; its id is a number")
    return json_response(await worker().submit(partial(one_letter, int(letter_id))))
