"""The contract says what the models, the routes and the functions say, and is committed."""

import ast
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from schemathesis.specs.openapi import definitions

from orderflow import errors
from orderflow.contract.asyncapi import asyncapi, event_schema, urn_of
from orderflow.contract.examples import EXAMPLES, event_example
from orderflow.contract.operations import OPERATIONS
from orderflow.contract.problems import TOLD
from orderflow.database.event import Event
from orderflow.dead_letters.selections import DiscardLetters, RedriveLetters
from orderflow.events.messages import inventory_changed, make_event, order_placed, to_kafka
from orderflow.events.models import EVENTS, MOVED, KafkaEventData
from orderflow.models import ChangeInventory, ChangeOrder, PlaceOrder
from orderflow_cli.contracts.files import breaks, documents, read
from tests.support.contract import DOCUMENT, ROWS, response_schema, validator

ROOT = Path(__file__).parents[2]
COMMITTED = read(ROOT / "infra" / "contracts")
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def test_what_is_committed_is_what_the_models_say() -> None:
    assert documents() == COMMITTED, "run: make contracts"


def test_no_change_since_the_commit_breaks_anyone() -> None:
    assert [*breaks(COMMITTED, documents())] == []


def test_it_is_openapi() -> None:
    checker = jsonschema_rs.Draft202012Validator(definitions.OPENAPI_31)

    assert [error.message for error in checker.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize("name", ROWS)
def test_each_operation_has_an_example_that_its_schemas_take(name: str) -> None:
    row, example = ROWS[name], EXAMPLES[name]

    for answer in row.answers:
        response_schema(name, answer.status, answer.media[0]).validate(example.answer)
    if row.body is not None:
        body = DOCUMENT["paths"][row.path][row.method.lower()]["requestBody"]["content"]
        validator(body["application/json"]["schema"]).validate(example.body)
        row.body.model_validate(example.body)


def test_every_example_of_a_response_is_valid() -> None:
    for response in DOCUMENT["components"]["responses"].values():
        content = response["content"]["application/problem+json"]
        validator(content["schema"]).validate(content["example"])


(ROUTES,) = yaml.safe_load_all((ROOT / "infra/knative/base/routes.yaml").read_text())
MATCHES = [
    (match, rule["backendRefs"][0]["name"].replace("-", "_"))
    for rule in ROUTES["spec"]["rules"]
    for match in rule["matches"]
]


def routes_of(method: str, path: str) -> list[tuple[dict[str, Any], str]]:
    """The matches that lead a path of the contract on, each with its function.

    An exact one comes before any prefix.
    """
    found = [
        (match, function)
        for match, function in MATCHES
        if match["method"] == method
        and (match["path"]["type"] == "PathPrefix" or path == match["path"]["value"])
        and f"{path}/".startswith(match["path"]["value"].rstrip("/") + "/")
    ]
    exact = [(match, function) for match, function in found if match["path"]["type"] == "Exact"]
    return exact or found


def test_every_operation_has_a_route_and_every_route_an_operation() -> None:
    led = [routes_of(row.method, row.path) for row in OPERATIONS]

    assert all(led)
    found = {id(match) for matches in led for match, _ in matches}
    others = [match for match, _ in MATCHES if id(match) not in found and match["method"] != "HEAD"]
    assert [match["path"]["value"] for match in others] == ["/"]  # which leads to the documentation


def test_head_is_routed_wherever_get_is() -> None:
    got, head = (
        [(match["path"], function) for match, function in MATCHES if match["method"] == method]
        for method in ("GET", "HEAD")
    )

    assert got == head


@pytest.mark.parametrize("name", ROWS)
def test_the_scope_of_an_operation_is_what_its_function_asks_for(name: str) -> None:
    row = ROWS[name]
    ((_, function),) = routes_of(row.method, row.path)
    (asked,) = [
        keyword.value
        for node in ast.walk(ast.parse((ROOT / "functions" / function / "main.py").read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "http"
        for keyword in node.keywords
        if keyword.arg == "scope"
    ]

    assert ast.literal_eval(asked) == row.scope


def test_every_type_of_problem_is_explained() -> None:
    raised = {
        error.slug
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.OrderFlowError)
    }

    assert raised == TOLD.keys()


# Bodies near the edge: known and unknown fields, right and wrong values.
TEXT = st.sampled_from(
    ["a", "", " a", "a ", "a\n", "\x85", "a\u200b", "é" * 200, "b" * 129, "c" * 201]
)
# Not 1.0, which is an integer to JSON Schema and none here.
NUMBER = st.sampled_from([0, 1, -1, 1.5, 10**6, 10**6 + 1, 10**9, 10**9 + 1, True])
TIME = st.sampled_from(["2026-11-26T18:15:00Z", "2026-11-26T18:15:00+01:00", "2026", "-5", ""])
WORD = st.sampled_from(["backorder", "reject", "cancelled", "shipped", "pending", "kept"])
LINE = st.fixed_dictionaries({"item": TEXT, "quantity": NUMBER})
FILTER = st.fixed_dictionaries({}, optional={"error": TEXT, "state": WORD})
LISTS = st.lists(LINE, max_size=2) | st.lists(NUMBER, max_size=2)
VALUE = st.one_of(st.none(), st.booleans(), TEXT, NUMBER, TIME, WORD, FILTER, LISTS)


def bodies(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of the model's fields, each mostly of a kind that it could be."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys([*model.model_fields, "other"], VALUE))


@pytest.mark.parametrize(
    "model", [PlaceOrder, ChangeOrder, ChangeInventory, RedriveLetters, DiscardLetters]
)
def test_the_schema_of_a_body_takes_what_its_model_takes(model: type[BaseModel]) -> None:
    checker = validator({"$ref": f"#/components/schemas/{model.__name__}"})

    @given(bodies(model))
    def agree(body: dict[str, Any]) -> None:
        try:
            model.model_validate_json(orjson.dumps(body))
        except ValidationError:
            assert not checker.is_valid(body)
        else:
            assert checker.is_valid(body)

    agree()


@pytest.mark.parametrize("model", EVENTS)
def test_the_schema_of_an_event_takes_its_example(model: type[KafkaEventData]) -> None:
    schema = jsonschema_rs.Draft202012Validator(event_schema(model))

    schema.validate(event_example(model))
    model.model_validate(event_example(model))


def made_events() -> list[Event]:
    """One event of each type, made as functions make them."""
    moved = [
        make_event(
            model, event_example(model), sequence=2, source="/orderflow/t", traceparent=TRACE
        )
        for model in MOVED.values()
    ]
    placed = order_placed("a%é", [{"item": "b", "quantity": 1}], "reject", TRACE)
    return [placed, inventory_changed("日本", "c", TRACE), *moved]


@pytest.mark.parametrize("event", made_events(), ids=lambda event: str(event.type))
def test_a_message_on_kafka_is_one_that_the_contract_describes(event: Event) -> None:
    message = to_kafka(event)
    told = asyncapi()["components"]["messages"][event.type]
    (payload,) = [event_schema(model) for model in EVENTS if model.type == event.type]
    headers = {name: value.decode() for name, value in message.headers.items()}

    closed = told["headers"] | {"additionalProperties": False}
    jsonschema_rs.Draft202012Validator(closed, validate_formats=True).validate(headers)
    jsonschema_rs.Draft202012Validator(payload).validate(orjson.loads(message.value))
    assert headers["ce_dataschema"] == payload["$id"] == urn_of(event.type)


def test_every_reference_of_the_events_document_leads_somewhere() -> None:
    document = asyncapi()
    references = set(re.findall(r"'\$ref': '([^']+)'", str(document)))

    assert references
    for reference in references:
        if reference.startswith("events/"):
            assert reference in COMMITTED
            continue
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
