"""Whatever comes as an event is done, refused or kept; it is never a fault, and moves no stock."""

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orderflow.database.connection import Connection
from tests.support.function_calls import ce_headers, client_of, reference

PLACED, CHANGED = "orderflow.order.placed.v1", "orderflow.inventory.changed.v1"
# What a call may change: what is read again after each, so that nothing hides in a count.
TRUTH = """SELECT (SELECT json_agg(stock ORDER BY item) FROM stock)::text,
  (SELECT json_agg(orders ORDER BY position) FROM orders)::text,
  (SELECT count(*) FROM stock_ledger), (SELECT count(*) FROM order_history)"""
NOT_DONE = {400, 408, 413, 422}  # to Knative each means: not again

REQUIRED = ("specversion", "id", "source", "type")
OTHERS = ("subject", "time", "traceparent", "kafkatopic", "knativekafkaoffset")
ERRORS = ("knativeerrordest", "knativeerrorcode", "knativeerrordata")
NAMES = st.sampled_from([*REQUIRED, *OTHERS, *ERRORS])
TELLING = ("1.0", "0.3", PLACED, CHANGED, "orders", "inventory", "%", "%00", "%ff", "\xb2")
# A header is any bytes but those that end it.
BYTES = st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n")
VALUES = st.text(BYTES, max_size=300) | st.sampled_from(TELLING)
STRUCTURED = ("application/cloudevents+json", "application/cloudevents-batch+json")
CONTENT_TYPES = st.sampled_from([*STRUCTURED, "text/plain", "application/json;charset=x", "\xff"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=9) | st.sampled_from(["order_id", "item", "data"]), inner
        )
    ),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(max_size=600),
    JSON.map(lambda value: orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)),
    st.sampled_from([b"[" * 5_000, b"x" * 300_000, b'{"order_id": "\\ud800"}']),
)


@st.composite
def heads(draw: st.DrawFn, of_type: str) -> httpx.Headers:
    """Headers of an event of the type, mostly whole, some of them left out or made anew."""
    made = ce_headers(of_type, kafkatopic="orders", id=reference("event"))
    for name in draw(st.lists(NAMES, max_size=2)):
        made.pop(f"ce-{name}", None)
    for name, value in draw(st.dictionaries(NAMES, VALUES, max_size=3)).items():
        made[f"ce-{name}"] = value
    if draw(st.booleans()):
        made["content-type"] = draw(CONTENT_TYPES)
    return httpx.Headers(made, encoding="latin-1")


@pytest.fixture
def truth(database: Connection) -> Callable[[], Any]:
    """Reads stock and orders."""
    return lambda: database.run(TRUTH)


async def post(function: str, body: bytes, headers: httpx.Headers) -> int:
    response = await client_of(function).post("/", content=body, headers=headers)
    return response.status_code


MANY = hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    ("function", "of_type"), [("process_order", PLACED), ("apply_inventory", CHANGED)]
)
@MANY
@given(body=BODIES, more=st.data())
async def test_what_is_no_event_is_refused_and_changes_nothing(
    truth: Callable[[], Any], function: str, of_type: str, body: bytes, more: st.DataObject
) -> None:
    before = truth()

    status = await post(function, body, more.draw(heads(of_type)))

    # 204: of a type that the function leaves alone, or of an item that has nothing to do.
    assert status in NOT_DONE | {204}
    assert truth() == before


@MANY
@given(body=BODIES, headers=heads(PLACED))
async def test_whatever_fails_is_kept_and_changes_nothing_else(
    truth: Callable[[], Any], body: bytes, headers: httpx.Headers
) -> None:
    before = truth()

    assert await post("keep_dead_letter", body, headers) in {204, 422}
    assert truth() == before
