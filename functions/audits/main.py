"""POST /audits, GET /audits and /audits/{audit_id}: proves now that all adds up; what was found.

Writes audits; an audit itself only reads.
"""

import asyncio
from contextlib import closing
from functools import partial
from operator import itemgetter

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from orderflow.audit.checks import ANSWER_TIMEOUT_S, AuditUnderWay
from orderflow.audit.record import EXAMPLES, Kept, audits_page, one_audit, run_audit
from orderflow.auth.caller import caller_of
from orderflow.config import AuditSettings, read
from orderflow.database.connection import Connection
from orderflow.errors import Later, MethodNotAllowed, NotFound
from orderflow.http.handler import http, json_response
from orderflow.http.pages import page_response, read_rows
from orderflow.http.pagination import Page, page_of
from orderflow.http.path import path_name, segments_of
from orderflow.http.request import no_body_of
from orderflow.logs import bind_log_fields
from orderflow.resources import worker

AUDITS = ("audits",)
TOO_LONG_RETRY_S = 3_600  # the next would take as long
MAX_DIGITS = 18  # of an id: far more audits than are ever run

alone = asyncio.Lock()  # who has it audits; the others need no connection to be told so


@http("GET", "HEAD", "POST", scope="operations")
async def audits(request: Request) -> Response:
    """Answer with a page of audits, one of them, or one that is run now."""
    if segments_of(request) != AUDITS:
        audit_id = path_name(request, *AUDITS)
        if request.method == "POST":
            raise MethodNotAllowed(("GET", "HEAD"))
        return await one(audit_id)
    if request.method == "POST":
        return await audit_now(request)
    page = page_of(request, Page)
    found = partial(read_rows, page.limit, partial(audits_page, page), itemgetter("audit_id"))
    return await page_response(request, found)


async def one(audit_id: str) -> Response:
    """Answer with an audit and what each check found."""
    if not audit_id.isdecimal() or not audit_id.isascii() or len(audit_id) > MAX_DIGITS:
        raise NotFound("there is no such audit; its id is a number")
    return json_response(await worker().submit(partial(one_audit, audit_id=int(audit_id))))


async def audit_now(request: Request) -> Response:
    """Answer with an audit that is run for this call and kept; 409 while another one runs."""
    await no_body_of(request)
    if alone.locked():
        raise AuditUnderWay("another audit is under way; wait for its outcome")
    async with alone:
        kept = await within_limit(request, caller_of(request).subject)
    bind_log_fields(audit_id=kept["audit_id"], differences=kept["differences"])
    return json_response(kept, 201, {"Location": f"/audits/{kept['audit_id']}"})


async def within_limit(request: Request, asked_by: str) -> Kept:
    """Audit while the caller waits and the time is not over; after that nothing runs on."""
    limit_s = read(AuditSettings, "ORDERFLOW_").audit_timeout_s
    connection = worker().connect(answer_timeout_s=ANSWER_TIMEOUT_S)
    auditing = asyncio.create_task(asyncio.to_thread(audit_and_show, connection, asked_by))
    # The body is read: all that can come is that the caller leaves.
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait(
            (auditing, leaving), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
        )
        if auditing.done():
            return auditing.result()
        if leaving.done():
            raise ClientDisconnect
        why = f"the audit was not done within {limit_s} s, and nothing of it is kept"
        raise Later(f"{why}: `orderflow audit` may take longer", retry_after_s=TOO_LONG_RETRY_S)
    finally:
        connection.interrupt()
        leaving.cancel()
        await asyncio.gather(auditing, leaving, return_exceptions=True)


def audit_and_show(connection: Connection, asked_by: str) -> Kept:
    """Audit on a connection of its own, which it closes; return what was kept."""
    with closing(connection):
        done = run_audit(connection, asked_by, shown=EXAMPLES)
        return one_audit(connection, done.audit_id)
