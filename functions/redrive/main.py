"""GET /dead-letters, POST /dead-letters/redrive and /discard, POST /order/{order_id}/retry: what
failed or came to nothing, and what is done to it.

Writes redrives, redriven_letters, dead_letters, orders and attempts; sweep sends what is redriven
or to be announced again, under the id that it always had.
"""

from functools import partial
from operator import itemgetter

from starlette.requests import Request
from starlette.responses import Response

from orderflow.auth.caller import LOCAL, caller_of
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
from orderflow.http.pages import page_response, read_rows
from orderflow.http.pagination import page_of
from orderflow.http.path import path_name, segments_of
from orderflow.http.request import body_of, no_body_of
from orderflow.logs import bind_log_fields
from orderflow.orders.diagnosis.retry import SOON, retry_orders
from orderflow.resources import worker

LETTERS = ("dead-letters",)
ACTIONS: dict[tuple[str, ...], type[Selection]] = {
    (*LETTERS, "redrive"): RedriveLetters,
    (*LETTERS, "discard"): DiscardLetters,
}
MAX_DIGITS = 18  # of an id: far more letters than a disk holds


@http("GET", "HEAD", "POST", scope="operations")
async def redrive(request: Request) -> Response:
    """Answer with a page of letters, one letter or the record, or do what is asked."""
    path = segments_of(request)
    if path[:1] == ("order",):
        return await retry(request, path)
    if path[:1] != LETTERS:
        raise NotFound("no such path; use /dead-letters")
    if request.method == "POST":
        return await act(request, path)
    if path in ACTIONS:
        raise MethodNotAllowed(("POST",))
    if path == LETTERS:
        letters = page_of(request, LetterPage)
        found = partial(read_rows, letters.limit, partial(letters_page, letters), cursor_after)
        return await page_response(request, found)
    if path == (*LETTERS, "redrives"):
        page = page_of(request, RedrivePage)
        found = partial(read_rows, page.limit, partial(redrives_page, page), itemgetter("id"))
        return await page_response(request, found)
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


async def retry(request: Request, path: tuple[str, ...]) -> Response:
    """Have a pending order announced by sweep's next tick, as if for the first time."""
    if len(path) == len(("order", "ORDER_ID")):
        raise MethodNotAllowed(("GET", "HEAD", "PATCH"))
    if path[2:] != ("retry",) or not path[1]:
        raise NotFound("no such path; use /order/ORDER_ID/retry")
    await no_body_of(request)
    order_id = path[1]
    bind_log_fields(order_id=order_id)
    _, refused = await worker().submit(partial(retry_orders, order_ids=[order_id]))
    for refusal in refused:
        raise refusal
    return json_response({"message": f"Order {SOON}", "order_id": order_id}, 202)


async def one(letter_id: str) -> Response:
    """Answer with everything about one letter."""
    if not letter_id.isdecimal() or not letter_id.isascii() or len(letter_id) > MAX_DIGITS:
        raise NotFound("there is no such dead letter; its id is a number")
    return json_response(await worker().submit(partial(one_letter, int(letter_id))))
