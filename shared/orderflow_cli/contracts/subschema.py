"""Whether one JSON Schema takes all that another one takes, as far as our documents go."""

from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]

_LOWER = ("minimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")
_WORDS = ("title", "description", "default", "example", "examples", "x-extensible-enum")
_NAMES = ("$schema", "$id", "$defs")
_PARTS = ("type", "const", "enum", "properties", "required", "additionalProperties", "items")
_COMPARED = {
    *_LOWER,
    *_UPPER,
    *_WORDS,
    *_NAMES,
    *_PARTS,
}  # of all else it is asked that it is the same


class Part(NamedTuple):
    """Something in a document."""

    document: Any
    content: Any

    def of(self, content: Any) -> "Part":
        """Return another part of the same document, whatever it refers to."""
        while isinstance(content, dict) and "$ref" in content:
            found = self.document
            for step in content["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            content = found
        return Part(self.document, content)

    def choices(self) -> list["Part"]:
        """Return what this schema is one of, with `allOf` put together."""
        schema = self.of(self.content).content
        if isinstance(schema, bool):
            return [Part(self.document, {} if schema else {"enum": []})]
        if "anyOf" in schema:
            return [part for choice in schema["anyOf"] for part in self.of(choice).choices()]
        merged = {name: value for name, value in schema.items() if name != "allOf"}
        for each in schema.get("allOf", ()):
            (part,) = self.of(each).choices()
            properties = merged.get("properties", {})
            both = {
                name: properties.get(name, {}) | part.content["properties"].get(name, {})
                for name in properties | part.content.get("properties", {})
            }
            required = {*merged.get("required", ()), *part.content.get("required", ())}
            merged = part.content | merged | {"properties": both, "required": sorted(required)}
        return [Part(self.document, merged)]


def refusals(where: str, narrow: Part, wide: Part) -> Iterator[str]:
    """Yield what `narrow` takes and `wide` does not; nothing if wide takes it all.

    Where an object is open, as answers are, it counts too that it lacks a field that wide has.
    """
    for choice in narrow.choices():
        tries = [[*_refused(where, choice, other)] for other in wide.choices()]
        yield from min(tries, key=len)


def _refused(where: str, narrow: Part, wide: Part) -> Iterator[str]:
    takes, has = wide.content, narrow.content
    if "type" in takes and has.get("type") != takes["type"] and "const" not in has:
        yield f"{where}: type differs"
        return
    yield from _refused_values(where, has, takes)
    for name in takes.keys() - _COMPARED:
        if has.get(name) != takes[name] and not (name == "oneOf" and _adds_choices(has, takes)):
            yield f"{where}: {name} differs"
    if "properties" in takes:
        yield from _refused_fields(where, narrow, wide)
    if "items" in takes:
        items = narrow.of(has.get("items", True)), wide.of(takes["items"])
        yield from refusals(f"{where}[]", *items)


def _adds_choices(has: Schema, takes: Schema) -> bool:
    # What was one of the choices is still: the new ones are for a field that it can't have.
    added = [choice for choice in takes["oneOf"] if choice not in has.get("oneOf", ())]
    kept = [choice for choice in takes["oneOf"] if choice not in added]
    known = has.get("properties", {}).keys()
    return (
        kept == has.get("oneOf")
        and has.get("additionalProperties") is False
        and all(set(choice.get("required", ())) - known for choice in added)
    )


def _refused_values(where: str, has: Schema, takes: Schema) -> Iterator[str]:
    values, taken = _values(has), _values(takes)
    if taken is not None and values is None:
        yield f"{where}: only some values on one side"
    elif taken is not None and values is not None:
        yield from (
            f"{where}: {value!r} on one side only" for value in values if value not in taken
        )
    for name in _LOWER:
        if name in takes and has.get(name, float("-inf")) < takes[name]:
            yield f"{where}: {name} differs"
    for name in _UPPER:
        if name in takes and has.get(name, float("inf")) > takes[name]:
            yield f"{where}: {name} differs"


def _refused_fields(where: str, narrow: Part, wide: Part) -> Iterator[str]:
    has, takes = narrow.content.get("properties", {}), wide.content["properties"]
    is_open = narrow.content.get("additionalProperties") is not False
    takes_others = wide.content.get("additionalProperties") is not False
    for name in has:
        if name in takes:
            yield from refusals(f"{where}.{name}", narrow.of(has[name]), wide.of(takes[name]))
        elif not takes_others:
            yield f"{where}.{name}: is gone"
    if is_open:
        yield from (f"{where}.{name}: is gone" for name in takes if name not in has)
        if not takes_others:
            yield f"{where}: other fields are refused"
    required = set(wide.content.get("required", ())) - set(narrow.content.get("required", ()))
    yield from (f"{where}.{name}: required on one side only" for name in sorted(required))


def _values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")
