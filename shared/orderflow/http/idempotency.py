"""What a caller says about repeating a call: its idempotency key, and preconditions."""

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request

from orderflow.auth.caller import caller_of
from orderflow.database.first_answers import KeyedCall
from orderflow.errors import InvalidInput, PreconditionFailed
from orderflow.models import IdempotencyKey, digest

_IDEMPOTENCY_KEY: TypeAdapter[str] = TypeAdapter(IdempotencyKey)
_PRECONDITIONS = {b"if-match", b"if-none-match", b"if-unmodified-since"}


def idempotency_key_of(request: Request) -> str | None:
    """Return the `Idempotency-Key` header, if there is one; raises `InvalidInput` (422)."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise InvalidInput.of([("Idempotency-Key", "give it once")])
    try:
        return _IDEMPOTENCY_KEY.validate_python(keys[0]) if keys else None
    except ValidationError as error:
        raise InvalidInput.of([("Idempotency-Key", error.errors()[0]["msg"])]) from error


def keyed_call_of(request: Request, body: BaseModel) -> KeyedCall | None:
    """Return the call with its key, if it has one; raises `InvalidInput` (422)."""
    key = idempotency_key_of(request)
    if key is None:
        return None
    asked = [request.method, request.scope["path"], body.model_dump(mode="json")]
    return KeyedCall(caller_of(request).subject, key, digest(asked))


def refuse_preconditions(request: Request) -> None:
    """Raise `PreconditionFailed` (412) where a write depends on what is not kept here.

    Nothing here has an entity tag, so none can match, and a write that is to happen only if it does
    must not happen (RFC 9110, section 13.1). `If-Modified-Since` is of reads alone.
    """
    if given := _PRECONDITIONS.intersection(name for name, _ in request.headers.raw):
        name = min(given).decode().title()
        raise PreconditionFailed(f"send no {name}: no write here depends on a version")
