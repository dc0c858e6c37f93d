"""JSON Schemas (2020-12) of the models, as both documents have them."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

Schema = dict[str, Any]
REF = "#/components/schemas/{model}"

_NULL, _NOT_NULL = {"type": "null"}, {"not": {"type": "null"}}


def _exactly_one(*fields: str) -> Schema:
    """Return what says that one of the fields is given and no other."""
    nothing = dict.fromkeys(fields, _NULL)
    choices = [
        {"required": [field], "properties": nothing | {field: _NOT_NULL}} for field in fields
    ]
    return {"oneOf": choices}


# What validators of the models say about several fields at once.
RULES: dict[str, Schema] = {
    "PlaceOrder": {
        "oneOf": [
            {
                "required": ["item", "quantity"],
                "properties": {"item": _NOT_NULL, "quantity": _NOT_NULL, "lines": False},
            },
            {"required": ["lines"], "properties": {"item": _NULL, "quantity": _NULL}},
        ]
    },
    "ChangeInventory": {
        "oneOf": [
            *_exactly_one("stock", "adjust")["oneOf"],
            {
                "required": ["threshold"],
                "properties": {"stock": _NULL, "adjust": _NULL, "threshold": _NOT_NULL},
            },
        ],
        "not": {"required": ["adjust"], "properties": {"adjust": {"const": 0}}},
    },
    "DiscardLetters": _exactly_one("ids", "filter", "all"),
    "RedriveLetters": _exactly_one("ids", "filter", "all"),
    "LetterFilter": {"minProperties": 1},
}


class _Plain(GenerateJsonSchema):
    """Without a title for each field, which only says its name again, and empty defaults."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> Schema:
        made: Schema = super().default_schema(schema)
        return {name: value for name, value in made.items() if name != "default" or value}


def schemas_of(models: Iterable[Any]) -> tuple[list[Schema], dict[str, Schema]]:
    """Return a schema for each of the types, and the definitions that they refer to by `REF`."""
    mode: JsonSchemaMode = "validation"
    asked = [(number, mode, TypeAdapter(model)) for number, model in enumerate(models)]
    found, definitions = TypeAdapter.json_schemas(asked, ref_template=REF, schema_generator=_Plain)
    named: dict[str, Schema] = definitions.get("$defs", {})
    for name in RULES.keys() & named.keys():
        named[name] |= RULES[name]
    return [found[number, mode] for number, _, _ in asked], dict(sorted(named.items()))


def schema_of_event(model: type[BaseModel]) -> Schema:
    """Return the schema of data as it is sent: all fields are there, and others may be added."""
    schema = TypeAdapter(model).json_schema(schema_generator=_Plain, mode="serialization")
    for definition in schema.get("$defs", {}).values():
        definition.pop("additionalProperties", None)
    return schema
