"""Each way to break those who rely on the contract is noticed, and what breaks nobody is not."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from orderflow_cli.commands.contracts import contracts_command
from orderflow_cli.contracts.files import OPENAPI, breaks, documents, read, write

MADE = documents()
SHIPPED = "events/orderflow.order.shipped.v1.json"

Change = Callable[[Any], object]


def changed(change: Change, name: str = OPENAPI) -> dict[str, Any]:
    """The documents, after a change of one of them."""
    new = deepcopy(MADE)
    change(new[name])
    return new


def found(document: Any, steps: list[str]) -> Any:
    for step in steps:
        document = document[int(step) if step.isdigit() and isinstance(document, list) else step]
    return document


def drop(path: str) -> Change:
    """Take away what is at a path: a field, or an element of a list."""
    *steps, last = path.split()

    def change(document: Any) -> None:
        place = found(document, steps)
        if isinstance(place, list):
            place.remove(last) if last in place else place.pop(int(last))
        else:
            del place[last]

    return change


def put(path: str, value: Any) -> Change:
    """Set a field; to a list add an element, at `-`."""
    *steps, last = path.split()

    def change(document: Any) -> None:
        place = found(document, steps)
        if last == "-":
            place.append(value)
        else:
            place[last] = value

    return change


def both(*changes: Change) -> Change:
    """Make several changes."""

    def change(document: Any) -> None:
        for made in changes:
            made(document)

    return change


POST, LIST = "paths /order post", "paths /orders get"
NAMES = [parameter["name"] for parameter in MADE[OPENAPI]["paths"]["/orders"]["get"]["parameters"]]
LIMIT, STATUS = (f"{LIST} parameters {NAMES.index(name)}" for name in ("limit", "status"))
SCHEMAS, TEXT, TIME = "components schemas", {"type": "string"}, {"format": "date-time"}
ORDER, LINE, ACCEPTED = (f"{SCHEMAS} {name}" for name in ("PlaceOrder", "Line", "OrderAccepted"))
CONFLICTS = "components responses 409 content application/problem+json schema allOf 1 properties"
BREAKS: dict[str, Change] = {
    "GET /orders: is gone": drop(LIST),
    "GET /orders: parameter status: is gone": drop(STATUS),
    "GET /orders: parameter status: 'shipped' on one side": drop(f"{STATUS} schema enum shipped"),
    "GET /orders: parameter limit: maximum differs": put(f"{LIMIT} schema maximum", 100),
    "GET /orders: parameter limit: is required": put(f"{LIMIT} required", True),
    "POST /order: needs the scope operations": put(f"{POST} security 0 bearer -", "operations"),
    "POST /order: body: application/json is gone": put(f"{POST} requestBody content", {}),
    "POST /order: body.hold_minutes: is gone": drop(f"{ORDER} properties hold_minutes"),
    "POST /order: body.order_id: required on one side": put(f"{ORDER} required", ["order_id"]),
    "POST /order: body.on_shortage: 'reject' on one side": drop(
        f"{ORDER} properties on_shortage enum reject"
    ),
    "POST /order: body.lines: maxItems differs": put(f"{ORDER} properties lines maxItems", 9),
    "body.lines[].quantity: type differs": put(f"{LINE} properties quantity", TEXT),
    "POST /order: body.item: pattern differs": put(f"{ORDER} properties item anyOf 0 pattern", "a"),
    "POST /order: body.item: type differs": drop(f"{ORDER} properties item anyOf 1"),
    "POST /order: body: oneOf differs": drop(f"{ORDER} oneOf 1"),
    "body: oneOf differs": both(
        put(f"{ORDER} properties new", TEXT), put(f"{ORDER} oneOf -", {"required": ["item"]})
    ),
    "POST /order: body: dependentRequired differs": put(f"{ORDER} dependentRequired", {"a": []}),
    "POST /order: 200: is gone": drop(f"{POST} responses 200"),
    "POST /order: 409: is gone": drop(f"{POST} responses 409"),
    "POST /order: 201: header Location is gone": drop(f"{POST} responses 201 headers Location"),
    "POST /order: 201.order_id: is gone": drop(f"{ACCEPTED} properties order_id"),
    "POST /order: 201.order_id: required on one side": drop(f"{ACCEPTED} required order_id"),
    "POST /order: 201.status: 'new' on one side": put(
        f"{ACCEPTED} properties status", {"type": "string", "enum": ["pending", "new"]}
    ),
    "GET /orders: 200[].quantity: maximum differs": drop(
        f"{SCHEMAS} ListedOrder properties quantity maximum"
    ),
    "GET /orders: 200[].placed_at: type differs": put(
        f"{SCHEMAS} ListedOrder properties placed_at", {"anyOf": [TEXT | TIME, {"type": "null"}]}
    ),
    "GET /orders: 200: application/x-ndjson is gone": drop(
        f"{LIST} responses 200 content application/x-ndjson"
    ),
}
KEEPS: dict[str, Change] = {
    "another path": put("paths /new", {"get": {}}),
    "another status": put(f"{POST} responses 418", {"description": "teapot"}),
    "another parameter": put(f"{POST} parameters -", {"name": "a", "in": "query", "schema": TEXT}),
    "another field of a body": put(f"{ORDER} properties new", TEXT),
    "another choice, for another field of a body": both(
        put(f"{ORDER} properties new", TEXT), put(f"{ORDER} oneOf -", {"required": ["new"]})
    ),
    "another value of a body": put(f"{ORDER} properties on_shortage enum -", "ask"),
    "more of something": put(f"{ORDER} properties lines maxItems", 200),
    "another field of an answer": put(f"{ACCEPTED} properties new", TEXT),
    "another header of an answer": put(f"{POST} responses 201 headers New", {}),
    "a field that is there always": put(f"{SCHEMAS} OneOrder required -", "waiting"),
    "one value less of an answer": drop(f"{SCHEMAS} Movement properties kind enum repair"),
    "another type of problem": put(f"{CONFLICTS} type x-extensible-enum -", "/problems/new"),
    "other words": put(f"{ORDER} description", "other words"),
    "no scope": put(f"{POST} security", []),
}


@pytest.mark.parametrize("told", BREAKS)
def test_what_breaks_callers_is_told(told: str) -> None:
    lines = [*breaks(MADE, changed(BREAKS[told]))]

    assert [line for line in lines if told in line], lines


@pytest.mark.parametrize("what", KEEPS)
def test_what_breaks_nobody_is_let_pass(what: str) -> None:
    assert [*breaks(MADE, changed(KEEPS[what]))] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (drop("properties cause"), "cause: is gone"),
        (drop("required lines"), "lines: required on one side"),
        (put("properties cause type", "integer"), "cause: type differs"),
        (drop("$defs Line properties item"), "lines[].item: is gone"),
    ],
)
def test_what_breaks_readers_of_an_event_is_told(change: Change, told: str) -> None:
    lines = [*breaks(MADE, changed(change, SHIPPED))]

    assert [line for line in lines if line.startswith(SHIPPED) and told in line]


def test_an_event_that_is_gone_is_told() -> None:
    without = {name: made for name, made in MADE.items() if name != SHIPPED}

    assert [*breaks(MADE, without)] == [f"{SHIPPED}: is gone"]


def test_a_new_first_number_says_that_it_is_meant_so() -> None:
    new = changed(drop("paths /orders"))
    new[OPENAPI]["info"]["version"] = "2.0.0"

    assert [*breaks(MADE, new)] == []


def test_the_command_writes_what_breaks_someone_only_when_told_to(tmp_path: Path) -> None:
    folder = tmp_path / "infra" / "contracts"
    before = changed(put("paths /old", {"get": MADE[OPENAPI]["paths"]["/orders"]["get"]}))
    write(folder, before | {"events/old.json": {}})

    assert not contracts_command(tmp_path, breaking=False)
    assert read(folder)[OPENAPI] == before[OPENAPI]

    assert contracts_command(tmp_path, breaking=True)
    assert read(folder) == MADE
    assert contracts_command(tmp_path, breaking=False)
