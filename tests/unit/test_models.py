"""What bodies are let in, at and beyond every limit."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orderflow.models import MAX_LINES, Body, ChangeInventory, ChangeOrder, PlaceOrder


def make_body(**overrides: Any) -> dict[str, Any]:
    body = {"order_id": "12345", "item": "Laptop", "quantity": 1} | overrides
    return {name: value for name, value in body.items() if value is not ...}


def make_lines(count: int) -> dict[str, Any]:
    lines = [{"item": f"item {n}", "quantity": 1} for n in range(count)]
    return make_body(item=..., quantity=..., lines=lines)


def order(**overrides: Any) -> PlaceOrder:
    return PlaceOrder.model_validate_json(orjson.dumps(make_body(**overrides)))


def change(**fields: Any) -> ChangeInventory:
    return ChangeInventory.model_validate_json(orjson.dumps({"item": "Laptop"} | fields))


def is_refused(model: type[Body], body: Any) -> bool:
    try:
        model.model_validate_json(orjson.dumps(body))
    except ValidationError:
        return True
    return False


def test_the_seeds_body_is_an_order_of_one_line() -> None:
    assert order().plain_lines() == [{"item": "Laptop", "quantity": 1}]


def test_lines_keep_their_order_and_an_item_may_repeat() -> None:
    lines = [
        {"item": "b", "quantity": 2},
        {"item": "a", "quantity": 1},
        {"item": "b", "quantity": 3},
    ]

    assert order(item=..., quantity=..., lines=lines).plain_lines() == lines


@pytest.mark.parametrize(
    "overrides",
    [
        {"order_id": "x"},
        {"order_id": "x" * 128},
        {"order_id": ...},
        {"order_id": None},
        {"order_id": "a/b?c#d %2F"},
        {"order_id": "日本-Ω-😀"},
        {"order_id": "😀" * 128},
        {"item": "y" * 200},
        {"item": "two  blanks"},
        {"quantity": 1_000_000},
        {"on_shortage": "reject"},
        {"hold_minutes": 1},
        {"hold_minutes": 525_600},
        {"hold_minutes": None},
    ],
    ids=str,
)
def test_an_order_at_a_limit_is_taken(overrides: dict[str, Any]) -> None:
    assert not is_refused(PlaceOrder, make_body(**overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        {"order_id": ""},
        {"order_id": "x" * 129},
        {"order_id": 12345},
        {"order_id": " x"},
        {"order_id": "x "},
        {"order_id": "x\u00a0"},
        {"order_id": "x\u2028"},
        {"order_id": "\u3000x"},
        {"order_id": "a\nb"},
        {"order_id": "a\tb"},
        {"order_id": "a\0b"},
        {"order_id": "a\x7fb"},
        {"order_id": "a\u0085b"},
        {"order_id": "a\u009fb"},
        {"order_id": "x\n"},
        {"item": ""},
        {"item": "y" * 201},
        {"item": None},
        {"item": ...},
        {"item": ["Laptop"]},
        {"quantity": 0},
        {"quantity": -1},
        {"quantity": 1_000_001},
        {"quantity": 1.0},
        {"quantity": "1"},
        {"quantity": True},
        {"quantity": None},
        {"quantity": ...},
        {"quantity": 2**63},
        {"lines": [{"item": "Laptop", "quantity": 1}]},
        {"on_shortage": "wait"},
        {"on_shortage": None},
        {"hold_minutes": 0},
        {"hold_minutes": 525_601},
        {"hold_minutes": 30.0},
        {"hold_minutes": "30"},
        {"hold_minutes": True},
        {"price": 1},
        {"lines": []},
    ],
    ids=str,
)
def test_an_order_beyond_a_limit_is_refused(overrides: dict[str, Any]) -> None:
    if overrides == {"lines": []}:
        overrides = overrides | {"item": ..., "quantity": ...}

    assert is_refused(PlaceOrder, make_body(**overrides))


@pytest.mark.parametrize("count", [1, MAX_LINES])
def test_as_many_lines_as_allowed_are_taken(count: int) -> None:
    assert not is_refused(PlaceOrder, make_lines(count))


@pytest.mark.parametrize("count", [0, MAX_LINES + 1])
def test_another_number_of_lines_is_refused(count: int) -> None:
    assert is_refused(PlaceOrder, make_lines(count))


@pytest.mark.parametrize("line", [{}, {"item": "a"}, {"item": "a", "quantity": 1, "x": 1}, None, 3])
def test_a_line_of_another_shape_is_refused(line: Any) -> None:
    assert is_refused(PlaceOrder, make_body(item=..., quantity=..., lines=[line]))


@pytest.mark.parametrize("body", [None, [], "x", 1, [make_body()]], ids=str)
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert is_refused(PlaceOrder, body)


@given(st.characters(categories=["Cc"]), st.sampled_from(["{}x", "x{}", "x{}x"]))
def test_no_control_character_is_let_in_anywhere(control: str, form: str) -> None:
    assert is_refused(PlaceOrder, make_body(order_id=form.format(control)))


def test_both_forms_of_one_order_have_one_fingerprint() -> None:
    lines = [{"item": "Laptop", "quantity": 1}]

    assert order().fingerprint() == order(item=..., quantity=..., lines=lines).fingerprint()


def test_a_default_given_or_not_makes_no_other_fingerprint() -> None:
    assert order().fingerprint() == order(on_shortage="backorder", lines=...).fingerprint()


def test_an_order_without_a_hold_keeps_the_fingerprint_it_is_stored_with() -> None:
    assert order().fingerprint() == "9d27fa4db268d2651a41899b8712da40"
    assert order(hold_minutes=None).fingerprint() == order().fingerprint()


@pytest.mark.parametrize(
    "other",
    [
        {"order_id": "12346"},
        {"item": "laptop"},
        {"quantity": 2},
        {"on_shortage": "reject"},
        {"hold_minutes": 1},
    ],
    ids=str,
)
def test_another_order_has_another_fingerprint(other: dict[str, Any]) -> None:
    assert order().fingerprint() != order(**other).fingerprint()


def test_an_order_cannot_be_changed_after_it_was_read() -> None:
    with pytest.raises(ValidationError):
        order().quantity = 2  # type: ignore[misc]


@pytest.mark.parametrize("status", ["cancelled", "shipped"])
def test_a_caller_may_cancel_and_ship(status: str) -> None:
    assert not is_refused(ChangeOrder, {"status": status})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": None},
        {"status": "confirmed"},
        {"status": "CANCELLED"},
        {"status": "shipped", "why": "x"},
    ],
    ids=str,
)
def test_a_caller_may_do_nothing_else_to_an_order(body: Any) -> None:
    assert is_refused(ChangeOrder, body)


@pytest.mark.parametrize(
    "fields",
    [
        {"stock": 0},
        {"stock": 1_000_000_000},
        {"adjust": -1_000_000_000},
        {"adjust": 1},
        {"stock": 1, "reason": "r" * 500},
        {"stock": 1, "change_id": "c" * 128},
        {"stock": 1, "occurred_at": "2026-03-01T12:00:00Z"},
        {"stock": 1, "occurred_at": "2026-03-01T12:00:00.123456+14:00"},
    ],
    ids=str,
)
def test_an_inventory_change_at_a_limit_is_taken(fields: dict[str, Any]) -> None:
    assert not is_refused(ChangeInventory, {"item": "Laptop"} | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stock": 1, "adjust": 1},
        {"stock": -1},
        {"stock": 1_000_000_001},
        {"stock": 1.5},
        {"stock": "1"},
        {"adjust": 0},
        {"adjust": 1_000_000_001},
        {"adjust": -1_000_000_001},
        {"stock": 1, "reason": ""},
        {"stock": 1, "reason": "r" * 501},
        {"stock": 1, "change_id": "c" * 129},
        {"stock": 1, "change_id": "a\nb"},
        {"stock": 1, "occurred_at": "2026-03-01T12:00:00"},
        {"stock": 1, "occurred_at": "yesterday"},
        {"stock": 1, "item": None},
        {"stock": 1, "colour": "red"},
    ],
    ids=str,
)
def test_an_inventory_change_beyond_a_limit_is_refused(fields: dict[str, Any]) -> None:
    assert is_refused(ChangeInventory, {"item": "Laptop"} | fields)


@pytest.mark.parametrize("occurred_at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_has_no_date_in_utc_is_refused(occurred_at: str) -> None:
    fields = {"item": "Laptop", "stock": 1, "occurred_at": occurred_at}

    assert is_refused(ChangeInventory, fields)


def test_the_same_instant_in_another_zone_is_the_same_change() -> None:
    here = change(stock=1, occurred_at="2026-03-01T12:00:00Z")
    there = change(stock=1, occurred_at="2026-03-01T14:00:00+02:00")

    assert here.fingerprint() == there.fingerprint()


@pytest.mark.parametrize(
    "other",
    [
        {"stock": 2},
        {"stock": 1, "item": "Phone"},
        {"stock": 1, "reason": "audit"},
        {"adjust": 1},
        {"stock": 1, "occurred_at": "2026-03-01T12:00:00Z"},
    ],
    ids=str,
)
def test_another_change_has_another_fingerprint(other: dict[str, Any]) -> None:
    assert change(stock=1).fingerprint() != change(**other).fingerprint()


def test_the_change_id_is_no_part_of_the_changes_meaning() -> None:
    assert change(stock=1).fingerprint() == change(stock=1, change_id="c").fingerprint()
