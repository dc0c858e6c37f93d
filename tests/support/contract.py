"""The contract as tests use it: what an operation may answer, and whether it did."""

from functools import cache
from typing import Any

import httpx
import jsonschema_rs
from pydantic import TypeAdapter

from orderflow.contract.openapi import openapi
from orderflow.contract.operation import JSON, Operation
from orderflow.contract.operations import OPERATIONS

ROWS = {row.name: row for row in OPERATIONS}
DOCUMENT = openapi()
Validator = jsonschema_rs.Draft202012Validator


def validator(schema: dict[str, Any]) -> Validator:
    """Return what checks a value against a schema of the document, formats included."""
    components = {"components": DOCUMENT["components"]}
    return Validator(components | schema, validate_formats=True)


@cache
def response_schema(name: str, status: int, media: str) -> Validator:
    """Return what checks an answer of an operation."""
    return validator(response_of(ROWS[name], status)["content"][media]["schema"])


def response_of(row: Operation, status: int) -> dict[str, Any]:
    """Return what the document says of a status of an operation."""
    responses = DOCUMENT["paths"][row.path][row.method.lower()]["responses"]
    assert str(status) in responses, f"{row.call} does not say that it answers {status}"
    found: dict[str, Any] = responses[str(status)]
    if "$ref" in found:
        found = DOCUMENT["components"]["responses"][found["$ref"].rpartition("/")[2]]
    return found


def check_answer(name: str, response: httpx.Response) -> None:
    """Fail unless the answer is one that the contract documents for the operation, to the field."""
    row, status = ROWS[name], response.status_code
    media = response.headers["content-type"].partition(";")[0]
    told = response_of(row, status)
    assert media in told["content"], f"{row.call} does not say that it answers {media}"
    lines = response.text.splitlines() if media.endswith("ndjson") else [response.text]
    for line in lines if "json" in media else ():
        response_schema(name, status, media).validate(TypeAdapter(Any).validate_json(line))
    (model,) = [answer.model for answer in row.answers if answer.status == status] or [None]
    if media == JSON and model is not None:  # fields that it does not know would be drift, too
        TypeAdapter(model).validate_json(response.content, extra="forbid")
    if media == "application/problem+json":
        (_, members) = told["content"][media]["schema"]["allOf"]
        assert response.json()["type"] in members["properties"]["type"]["x-extensible-enum"]
    named = {"location", "link", "idempotent-replayed"} & response.headers.keys()
    assert named <= {header.lower() for header in told.get("headers", {})}
