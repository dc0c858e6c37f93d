"""The HTTP API as OpenAPI 3.1, from the table of operations."""

from itertools import chain
from typing import Any

from orderflow.contract.examples import EXAMPLES, PATH_EXAMPLES
from orderflow.contract.operation import NDJSON, PATH_PARAMETERS, Answer, Operation
from orderflow.contract.operations import EVERY, OPERATIONS, TOKEN
from orderflow.contract.problems import Problem, problem_types
from orderflow.contract.schemas import Schema, schemas_of
from orderflow.models import IdempotencyKey

VERSION = "1.0.0"  # a change that breaks callers needs another first number

_TEXT: Schema = {"type": "string"}
_DESCRIPTION = """\
Orders come in over HTTP, get their stock exactly once, and every move is an event on Kafka.

Every write may be sent again under its id or Idempotency-Key; what was done is not done twice. \
Errors are problems of RFC 9457, each type with a page. Where the server was started without \
authentication, as on a laptop, no token is asked for. HEAD works wherever GET does."""

# Of answers.
_HEADERS: dict[str, tuple[str, Schema]] = {
    "Location": ("Where what was created is.", {"type": "string", "format": "uri-reference"}),
    "Link": ('The next page, as rel="next" (RFC 8288); not there on the last one.', _TEXT),
    "Idempotent-Replayed": ("There on the answer to what was done before.", {"const": "true"}),
    "Retry-After": ("Seconds after which to try again.", {"type": "string", "pattern": "^[0-9]+$"}),
    "RateLimit": ("How many calls are left, and for how many seconds.", _TEXT),
    "RateLimit-Policy": ("How many calls a second a caller has.", _TEXT),
    "WWW-Authenticate": ("What is missing (RFC 6750).", _TEXT),
}
_PROBLEM_HEADERS = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
    504: ("Retry-After",),
}
# Of requests.
_PARAMETERS: dict[str, tuple[str, Any]] = {
    "Idempotency-Key": ("Makes the call safe to repeat; a key is a caller's own.", IdempotencyKey),
    "traceparent": ("The trace to continue (W3C Trace Context); another one is ignored.", str),
}


def openapi() -> dict[str, Any]:
    """Return the document."""
    known, definitions = _schemas()
    paths: dict[str, Any] = {}
    for row in OPERATIONS:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, known, definitions)
    queries = {row.query.__name__ for row in OPERATIONS if row.query}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OrderFlow",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {
            "schemas": {name: definitions[name] for name in definitions if name not in queries},
            "responses": {str(status): _problem(status) for status in _problem_statuses()},
            "headers": {
                name: {"description": what, "schema": schema}
                for name, (what, schema) in _HEADERS.items()
            },
            "securitySchemes": {"bearer": _bearer()},
        },
    }


def _schemas() -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return the schemas of all types by their `repr`, and the definitions they refer to."""
    rows = [[row.body, row.query, *(answer.model for answer in row.answers)] for row in OPERATIONS]
    texts = [*PATH_PARAMETERS.values(), *(model for _, model in _PARAMETERS.values())]
    models = [model for model in chain(*rows, texts, [Problem]) if model is not None]
    schemas, definitions = schemas_of(models)
    return dict(zip(map(repr, models), schemas, strict=True)), definitions


def _bearer() -> Schema:
    scopes = sorted({row.scope for row in OPERATIONS if row.scope})
    told = f"A JWT; its scopes are of {', '.join(scopes)}."
    return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": told}


def _operation(row: Operation, known: dict[str, Schema], definitions: dict[str, Schema]) -> Schema:
    example = EXAMPLES[row.name]
    problems = {*row.problems, *EVERY, *(TOKEN if row.scope else ())}
    answers = {str(answer.status): _answer(answer, row, known) for answer in row.answers}
    operation = {
        "operationId": row.name,
        "summary": row.summary,
        "parameters": [*_path(row, known), *_query(row, definitions), *_headers(row, known)],
        "responses": answers
        | {
            str(status): {"$ref": f"#/components/responses/{status}"}
            for status in _problem_statuses()
            if status in problems
        },
        "security": [{"bearer": [row.scope]}] if row.scope else [],
    }
    if row.body:
        content = {"schema": known[repr(row.body)], "example": example.body}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    return operation


def _answer(answer: Answer, row: Operation, known: dict[str, Schema]) -> Schema:
    schema, example = known[repr(answer.model)], EXAMPLES[row.name].answer
    content = {media: {"schema": schema, "example": example} for media in answer.media}
    if NDJSON in content:  # its schema is that of a line
        content[NDJSON] = {"schema": schema["items"], "example": example[0]}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in answer.headers}
    return {"description": answer.what, "content": content} | (
        {"headers": headers} if headers else {}
    )


def _path(row: Operation, known: dict[str, Schema]) -> list[Schema]:
    return [
        _parameter("path", name, known[repr(model)], required=True, example=PATH_EXAMPLES[name])
        for name, model in PATH_PARAMETERS.items()
        if f"{{{name}}}" in row.path
    ]


def _query(row: Operation, definitions: dict[str, Schema]) -> list[Schema]:
    if row.query is None:
        return []
    return [
        _parameter("query", name, _without_null(schema))
        for name, schema in definitions[row.query.__name__]["properties"].items()
    ]


def _headers(row: Operation, known: dict[str, Schema]) -> list[Schema]:
    return [
        _parameter("header", name, known[repr(model)], description=what)
        for name, (what, model) in _PARAMETERS.items()
        if name in row.headers
    ]


def _parameter(place: str, name: str, schema: Schema, **more: Any) -> Schema:
    return {"name": name, "in": place, "schema": schema} | more


def _without_null(schema: Schema) -> Schema:
    """Return the schema of a parameter that is left out rather than null."""
    given = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    return given[0] if given else schema


def _problem_statuses() -> list[int]:
    asked = {*EVERY, *TOKEN, *chain.from_iterable(row.problems for row in OPERATIONS)}
    return sorted(asked & {row.status for row in problem_types()})


def _problem(status: int) -> Schema:
    """Return the response of a status: each type of problem that has it."""
    rows = [row for row in problem_types() if row.status == status and row.slug != "given-up"]
    types = [row.uri for row in rows]
    told = [f"`{row.uri}`: {row.meaning}" for row in rows]
    # Types may be added: who does not know one goes by the status.
    members = {"type": {"x-extensible-enum": types}, "status": {"const": status}}
    schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": members}]}
    example = {"type": types[0], "title": rows[0].title, "status": status}
    content = {"schema": schema, "example": example | {"detail": "what is wrong here"}}
    response: Schema = {
        "description": "\n\n".join(told),
        "content": {"application/problem+json": content},
    }
    if headers := _PROBLEM_HEADERS.get(status):
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
    return response
