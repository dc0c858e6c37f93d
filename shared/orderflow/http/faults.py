"""What is wrong with an input, field by field and in words for people."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orderflow.errors import InvalidInput
from orderflow.models import PLAIN_TEXT

_WORDS = {
    "extra_forbidden": "there is no such field",
    "too_long": "at most {max_length} items",
    "too_short": "at least {min_length} item",
    "tuple_type": "must be a list",
}
_PLAIN_WORDS = "must not be empty, start or end with a blank, or contain control characters"


def invalid_input(error: ValidationError) -> InvalidInput:
    """Return the errors of a model as one that names each field."""
    return InvalidInput.of([(_field(fault), _message(fault)) for fault in error.errors()])


def _field(fault: ErrorDetails) -> str:
    # A rule for the whole model says itself which field is to be mended.
    named = fault.get("ctx", {}).get("field")
    return str(named or ".".join(map(str, fault["loc"])) or "(body)")


def _message(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    if context.get("pattern") == PLAIN_TEXT:
        return _PLAIN_WORDS
    words = _WORDS.get(fault["type"])
    return words.format_map(context) if words else fault["msg"].removeprefix("Value error, ")
