"""Which changes of the contract break those who rely on the one before.

A request may be asked for less and never for more; an answer or event may have more and never
less. Whatever can't be compared counts as a break.
"""

from collections.abc import Iterator
from typing import Any

from orderflow_cli.contracts.subschema import Part, refusals

METHODS = {"get", "post", "put", "patch", "delete"}


def broken_calls(old: Any, new: Any) -> Iterator[str]:
    """Yield a line for each break between two OpenAPI documents."""
    for path, item in old["paths"].items():
        for method in sorted(item.keys() & METHODS):
            call = f"{method.upper()} {path}"
            changed = new["paths"].get(path, {}).get(method)
            if changed is None:
                yield f"{call}: is gone"
                continue
            before, after = Part(old, item[method]), Part(new, changed)
            yield from _broken_parameters(call, before, after)
            yield from _broken_body(f"{call}: body", before, after)
            yield from _broken_answers(call, before, after)


def broken_event(name: str, old: Any, new: Any) -> Iterator[str]:
    """Yield a line for each break between two JSON Schemas of an event."""
    yield from refusals(name, Part(new, new), Part(old, old))


def _broken_parameters(call: str, old: Part, new: Part) -> Iterator[str]:
    before, after = ({(p["in"], p["name"]): p for p in o.content["parameters"]} for o in (old, new))
    for key, parameter in before.items():
        where = f"{call}: parameter {key[1]}"
        if key in after:
            schemas = old.of(parameter["schema"]), new.of(after[key]["schema"])
            yield from refusals(where, *schemas)
        else:
            yield f"{where}: is gone"
    for key, parameter in after.items():
        if parameter.get("required") and not before.get(key, {}).get("required"):
            yield f"{call}: parameter {key[1]}: is required"
    if scopes := _scopes(new) - _scopes(old):
        yield f"{call}: needs the scope {', '.join(sorted(scopes))}"


def _broken_body(where: str, old: Part, new: Part) -> Iterator[str]:
    before, after = (o.content.get("requestBody", {}) for o in (old, new))
    if after.get("required") and not before.get("required"):
        yield f"{where}: is required"
    for media, part in _content(old.of(before)).items():
        taken = _content(new.of(after))
        if media in taken:
            yield from refusals(where, part, taken[media])
        else:
            yield f"{where}: {media} is gone"


def _broken_answers(call: str, old: Part, new: Part) -> Iterator[str]:
    for status, response in old.content["responses"].items():
        where = f"{call}: {status}"
        if status not in new.content["responses"]:
            yield f"{where}: is gone"
            continue
        before, after = old.of(response), new.of(new.content["responses"][status])
        for header in before.content.get("headers", {}):
            if header not in after.content.get("headers", {}):
                yield f"{where}: header {header} is gone"
        given = _content(after)
        for media, part in _content(before).items():
            if media in given:
                yield from refusals(where, given[media], part)
            else:
                yield f"{where}: {media} is gone"


def _content(of: Part) -> dict[str, Part]:
    kinds = of.content.get("content", {})
    return {media: of.of(kind["schema"]) for media, kind in kinds.items()}


def _scopes(operation: Part) -> set[str]:
    ways = operation.content.get("security", ())
    return {scope for way in ways for scopes in way.values() for scope in scopes}
