"""Failed attempts to process an event, counted in the database.

What delivers events forgets how often it tried when it scales or rebalances (Knative's Kafka
dispatcher keeps the count in memory), so the function that fails counts for itself. Only failures
cost a statement; an event that is processed at once is never looked up.
"""

from collections.abc import Awaitable, Iterable
from urllib.parse import unquote

from orderflow import errors
from orderflow.database.connection import Connection, statement
from orderflow.logs import bind_log_fields
from orderflow.models import digest
from orderflow.resources import worker
from orderflow.text import MAX_FILTERED, sanitize_text

COUNT_ATTEMPT = statement(__file__, "count_attempt.sql")
FORGET_ATTEMPTS = statement(__file__, "forget_attempts.sql")

# Two rounds of retries of the sources (retry: 10), each over 200 s: one such round ends in the dead
# letters by itself, so more than one means that the count was forgotten or the event
# republished; after two rounds another try is not what is missing.
MAX_ATTEMPTS = 20
MAX_ERROR = 500  # characters: a dead letter's share of an answer holds no more

# What fails for good is not tried again; the others say nothing about the event.
_NOT_COUNTED = (errors.Never, errors.DatabaseAway, errors.QueueFull, errors.ConfigurationError)


async def count_failures(
    attempt: Awaitable[None], function: str, source: str, event_id: str
) -> None:
    """Await an attempt of `function` at the event of that source and id, and count its failure.

    Raises the attempt's own error, and `GivenUp` instead of the `MAX_ATTEMPTS`th and any further
    one. While the database is away nothing is counted.
    """
    try:
        await attempt
    except _NOT_COUNTED:
        raise
    except Exception as error:  # whatever it is: the count must not depend on what went wrong
        kind = "" if isinstance(error, errors.OrderFlowError) else f"{type(error).__name__}: "
        message = sanitize_text(f"{kind}{error}", MAX_ERROR)
        failures = await _count(function, source, event_id, message)
        bind_log_fields(failures=failures)
        if failures >= MAX_ATTEMPTS:
            detail = f"given up after {failures} failed attempts; the last error: {message}"
            raise errors.GivenUp(detail) from error
        raise


def forget_attempts(connection: Connection, event_ids: Iterable[str]) -> None:
    """Let these events be tried as often as new ones.

    The ids are those of `dead_letters`: as they go over HTTP, at most 256 characters of each.
    """
    ids = {form for event_id in event_ids for form in (event_id, unquote(event_id))}
    connection.run(FORGET_ATTEMPTS, event_ids=sorted(ids))


async def _count(function: str, source: str, event_id: str, error: str) -> int:
    row = {
        "identity": digest([function, sanitize_text(source), sanitize_text(event_id)]),
        "function": function,
        "event_id": sanitize_text(event_id, MAX_FILTERED),
        "error": error,
    }
    try:
        ((failures,),) = await worker().submit(lambda c: c.run(COUNT_ATTEMPT, **row))
    except errors.Later:  # the answer is 5xx all the same, and the event comes again
        return 0
    return int(failures)
