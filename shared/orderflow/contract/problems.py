"""Every type of problem: what it means to a caller, and what to do about it."""

from typing import Annotated, NamedTuple, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from orderflow import errors
from orderflow.errors import OrderFlowError


class FieldFault(TypedDict):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(TypedDict):
    """An error (RFC 9457). `type` never changes its meaning; `detail` is for people."""

    type: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    errors: NotRequired[list[FieldFault]]


# By slug: what it means, and what to do.
TOLD = {
    "malformed-json": (
        "The body is not JSON.",
        "Send one JSON object in UTF-8. The detail says where reading it ended.",
    ),
    "bad-request": (
        "The request is not HTTP as it is understood here, or its path can be read in two ways.",
        "Correct what the detail names; percent-encode names in a path.",
    ),
    "malformed-path": (
        "The path can be read in more than one way, or names what can't be.",
        "Percent-encode names as UTF-8; a slash in one is %2F, a percent sign %25.",
    ),
    "unauthorized": (
        "There is no bearer token, or one that is not taken: expired, or of another issuer.",
        "Get a token from your issuer and send it as Authorization: Bearer TOKEN.",
    ),
    "forbidden": (
        "The token is good and lacks a scope; WWW-Authenticate names it.",
        "Ask for a token with that scope. Another try with this one has the same answer.",
    ),
    "not-found": (
        "There is no such thing, or it is someone else's.",
        "Check the id. A slash in a name goes into a path as %2F.",
    ),
    "method-not-allowed": (
        "The path exists, and this method on it doesn't.",
        "Use one of the methods that the header Allow names.",
    ),
    "body-too-slow": (
        "The body did not arrive within 10 seconds, so nothing was done.",
        "Send it again, over a faster line or in smaller parts.",
    ),
    "conflict": (
        "What is stored forbids it: the id is another body's, or the order can't move so; or an "
        "audit runs already.",
        "Read what is stored; the detail says what it can become. Use a new id for a new thing.",
    ),
    "precondition-failed": (
        "A header makes the write depend on a version of the thing, and nothing here has one.",
        "Leave out If-Match, If-None-Match and If-Unmodified-Since; send an Idempotency-Key.",
    ),
    "body-too-large": (
        "The body is over 256 KiB.",
        "Send less at once; an order has at most 100 lines.",
    ),
    "not-json": (
        "The content type says that the body is not JSON.",
        "Send Content-Type: application/json.",
    ),
    "invalid-input": (
        "A field, a parameter or a header is wrong; errors names each, with what is wrong with it.",
        "Correct the fields that are named. The same request will have the same answer.",
    ),
    "given-up": (
        "An event failed too often; only deliveries of events are answered so.",
        "Find out why it failed, mend that, and redrive it from the dead letters.",
    ),
    "internal": (
        "A fault of ours. Whether the request took effect is not known.",
        "Send it again under the same id or Idempotency-Key: what was done is not done twice.",
    ),
    "unavailable": (
        "It can't be answered now.",
        "Send it again after as many seconds as Retry-After says, under the same id.",
    ),
    "queue-full": (
        "More callers wait than one process holds; nothing was done.",
        "Send it again after as many seconds as Retry-After says, and fewer at once.",
    ),
    "too-many-requests": (
        "The caller of this token calls too often; nothing was done.",
        "Send it again after as many seconds as Retry-After says, and fewer in a second.",
    ),
    "keys-away": (
        "The issuer of the tokens can't be asked whether the key of this one is its own.",
        "Send it again after as many seconds as Retry-After says.",
    ),
    "database-away": (
        "PostgreSQL does not answer. Whether the request took effect may not be known.",
        "Send it again after as many seconds as Retry-After says, under the same id.",
    ),
}


class ProblemType(NamedTuple):
    """A type of problem; its URI is `/problems/<slug>`."""

    slug: str
    status: int
    title: str
    meaning: str
    remedy: str

    @property
    def uri(self) -> str:
        """What a problem has as its `type`."""
        return f"/problems/{self.slug}"


# What the gateway answers by itself.
GATEWAY = (
    ProblemType(
        "target-too-long",
        414,
        "Request-URI Too Long",
        "The path with its query is longer than 8 KiB.",
        "Ask with fewer or shorter parameters.",
    ),
    ProblemType(
        "head-too-large",
        431,
        "Request Header Fields Too Large",
        "The request has more than 100 headers or 64 KiB of them.",
        "Send fewer or shorter headers.",
    ),
    ProblemType(
        "function-away",
        503,
        "Service Unavailable",
        "The function is not there; nothing was sent to it, or it ended before it answered.",
        "Send it again after as many seconds as Retry-After says, under the same id.",
    ),
    ProblemType(
        "function-too-slow",
        504,
        "Gateway Timeout",
        "The function did not answer in time. Whether the request took effect is not known.",
        "Send it again after as many seconds as Retry-After says, under the same id.",
    ),
    ProblemType(
        "http-version-too-old",
        505,
        "HTTP Version Not Supported",
        "The answer is streamed, which HTTP/1.0 has no form for.",
        "Ask in HTTP/1.1.",
    ),
)


def problem_types() -> list[ProblemType]:
    """Return a row for each type of `orderflow.errors` and of the gateway, by status."""
    raised = {
        error.slug: (error.status, error.title)
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, OrderFlowError)
    }
    rows = [ProblemType(slug, *raised[slug], *TOLD[slug]) for slug in raised if slug in TOLD]
    return sorted([*rows, *GATEWAY], key=lambda row: (row.status, row.slug))
