"""A path, read once: whatever decides on one looks at its decoded segments and nothing else."""

import re
from collections.abc import Sequence
from typing import cast
from urllib.parse import quote, unquote_to_bytes

from starlette.requests import Request

from orderflow.errors import MalformedPath, MethodNotAllowed, NotFound

_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")  # no name has one


def segments_of(request: Request) -> tuple[str, ...]:
    """Return the segments of the request's path; raises `MalformedPath` (400).

    They are split at the slashes that are written as such, then percent-decoded once: `%2F` is part
    of a name. An empty one stays, so that `//` is no `/`. `.` and `..` are refused, because others
    would resolve them; `%2E%2E` is a name.
    """
    if "segments" not in request.scope:
        request.scope["segments"] = tuple(map(_decoded, request.scope["raw_path"].split(b"/")[1:]))
    return cast(tuple[str, ...], request.scope["segments"])


def path_name(
    request: Request, *prefix: str, others: Sequence[str] = (), actions: Sequence[str] = ()
) -> str:
    """Return the one segment that follows these in the path; raises `NotFound` (404).

    `others` are the methods of the path without it, where there are some, and `actions` what can be
    posted beneath it; then that is 405.
    """
    *before, name = segments_of(request)
    if others and (*before, name) == prefix:
        raise MethodNotAllowed(others)
    if name in actions and tuple(before[:-1]) == prefix:
        raise MethodNotAllowed(("POST",))
    if tuple(before) != prefix or not name:
        raise NotFound(f"no such path; use {path_to(*prefix)}/NAME")
    return name


def path_to(*segments: str) -> str:
    """Return the path of these segments, percent-encoded."""
    return "".join(f"/{_encoded(segment)}" for segment in segments)


def _encoded(segment: str) -> str:
    return segment.replace(".", "%2E") if segment in {".", ".."} else quote(segment, safe="")


def _decoded(raw: bytes) -> str:
    if raw in {b".", b".."} or _NO_ESCAPE.search(raw):
        raise MalformedPath("a path has no dot segments, and a % is written %25")
    try:
        segment = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise MalformedPath("a path is percent-encoded UTF-8") from error
    if _CONTROL.search(segment):
        raise MalformedPath("a path has no control characters")
    return segment
