"""The files of the contract: made from the models, compared with what is there, written."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from orderflow.contract.asyncapi import asyncapi, event_schema
from orderflow.contract.openapi import openapi
from orderflow.events.models import EVENTS
from orderflow_cli.contracts.compatibility import broken_calls, broken_event

Documents = dict[str, Any]
OPENAPI, ASYNCAPI = "openapi.json", "asyncapi.json"
_READABLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


def documents() -> Documents:
    """Return every document by its path in the folder of the contract."""
    schemas = {f"events/{model.type}.json": event_schema(model) for model in EVENTS}
    return {OPENAPI: openapi(), ASYNCAPI: asyncapi(), **schemas}


def read(folder: Path) -> Documents:
    """Return the documents that are there."""
    return {
        str(path.relative_to(folder)): orjson.loads(path.read_bytes())
        for path in sorted(folder.rglob("*.json"))
    }


def write(folder: Path, made: Documents) -> None:
    """Make the folder hold these documents and no others."""
    for name in read(folder).keys() - made.keys():
        (folder / name).unlink()
    for name, document in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(orjson.dumps(document, option=_READABLE))


def breaks(old: Documents, new: Documents) -> Iterator[str]:
    """Yield what readers of the old documents could not rely on any more.

    A new first number of a document's version says that it is meant so.
    """
    if _is_one_version(OPENAPI, old, new):
        yield from broken_calls(old[OPENAPI], new[OPENAPI])
    if _is_one_version(ASYNCAPI, old, new):
        for name in old.keys() - {OPENAPI, ASYNCAPI}:
            if name in new:
                yield from broken_event(name, old[name], new[name])
            else:
                yield f"{name}: is gone"


def _is_one_version(name: str, old: Documents, new: Documents) -> bool:
    return name in old and name in new and _number(old[name]) == _number(new[name])


def _number(document: Any) -> str:
    return str(document["info"]["version"]).partition(".")[0]
