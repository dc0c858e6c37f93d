"""What /metrics of a function says, after calls that are known."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.function_calls import (
    client_of,
    database_away,
    deliver,
    kafka_away,
    make_order,
    ordered,
    patch,
    place,
    process,
    reference,
    using,
)
from tests.support.metrics import Samples, scrape

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/main.py"))
POSTED = {"http_request_method": "POST", "http_route": "/order"}


async def grown(function: str, act: Callable[[], Awaitable[object]]) -> Samples:
    """By how much the samples of a function grew while something was done."""
    before = await scrape(client_of(function))
    await act()
    return (await scrape(client_of(function))).since(before)


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_every_function_has_metrics_in_the_format_that_is_asked_for(function: str) -> None:
    client = client_of(function)
    headers = {"accept": "application/openmetrics-text; version=1.0.0"}

    open_metrics = await client.get("/metrics", headers=headers)
    plain = await client.get("/metrics")

    families = {one.name for one in text_string_to_metric_families(open_metrics.text)}
    assert {"http_server_request_duration_seconds", "orderflow_build"} <= families
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# EOF" not in plain.text


async def test_a_function_says_what_runs_and_since_when() -> None:
    found = await scrape(client_of("create_order"))

    assert found.value("orderflow_build_info", function="create_order", version="dev") == 1
    assert found.value("process_start_time_seconds") > 0
    assert found.value("process_resident_memory_bytes") > 1e6


async def test_a_call_is_counted_by_method_route_and_status() -> None:
    name = "http_server_request_duration_seconds"

    async def calls() -> None:
        body = make_order()
        for expected in (201, 200):
            response = await client_of("create_order").post("/order", json=body)
            assert response.status_code == expected
        await client_of("list_orders").get(f"/order/{body['order_id']}")
        await client_of("list_orders").get("/secret-1/secret-2/secret-3")

    found = await grown("create_order", calls)

    assert found.value(f"{name}_count", **POSTED, http_response_status_code="201") == 1
    assert found.value(f"{name}_count", **POSTED, http_response_status_code="200") == 1
    assert 0 < found.value(f"{name}_sum", **POSTED, http_response_status_code="201") < 10
    assert found.value(f"{name}_bucket", **POSTED, http_response_status_code="201", le="+Inf") == 1
    assert found.value(f"{name}_count", http_route="/order/{order_id}") == 1
    assert found.value(f"{name}_count", http_route="other", http_response_status_code="404") == 1
    assert "secret" not in found.text


async def test_requests_under_way_are_counted_while_they_are() -> None:
    found = await scrape(client_of("create_order"))

    assert found.value("http_server_active_requests", http_request_method="GET") == 1


async def test_no_label_has_what_a_caller_made_up() -> None:
    async def calls() -> None:
        for number in range(300):
            await client_of("create_order").request(f"MADE{number}", f"/order/made-{number}")

    found = await grown("create_order", calls)

    assert found.value("http_server_request_duration_seconds_count") == 300 + 1  # and the scrape
    assert found.value("orderflow_problems_total", type="method-not-allowed") == 300
    assert "made" not in found.text.lower()


async def test_what_is_refused_is_counted_by_its_reason() -> None:
    async def calls() -> None:
        with using(worker=database_away()):
            response = await client_of("create_order").post("/order", json=make_order())
        assert response.status_code == 503
        await client_of("create_order").post("/order", json={})

    found = await grown("create_order", calls)

    away = {"type": "database-away", "http_response_status_code": "503"}
    assert found.value("orderflow_problems_total", **away) == 1
    assert found.value("orderflow_problems_total", type="invalid-input") == 1


async def test_a_transaction_is_counted_with_the_calls_it_served() -> None:
    found = await grown("create_order", place)

    of_orders = {"transaction": "place_orders"}
    assert found.value("orderflow_batch_calls_count", **of_orders) == 1
    assert found.value("orderflow_batch_calls_bucket", **of_orders, le="1.0") == 1
    assert found.value("orderflow_batch_duration_seconds_count", **of_orders) == 1


async def test_outcomes_of_orders_are_counted_once_they_are_committed() -> None:
    async def outcomes() -> None:
        shipped = await ordered("confirmed")
        await process(shipped)  # again, which changes nothing
        await patch(shipped, "shipped")
        await patch(await ordered("backordered"), "cancelled")
        await ordered("rejected", on_shortage="reject")

    found = await grown("process_order", outcomes)

    counted = {"placed": 3, "confirmed": 1, "backordered": 1, "rejected": 1}
    for outcome, number in (counted | {"shipped": 1, "cancelled": 1}).items():
        event = f"orderflow.order.{outcome}.v1"
        assert found.value("orderflow_events_recorded_total", type=event) == number, outcome


async def test_deliveries_are_counted_by_what_became_of_them() -> None:
    async def deliveries() -> None:
        await ordered("confirmed")  # two: a count of the item, and the order
        await process(reference())  # there is no such order
        with using(worker=database_away()):
            await process(reference())

    found = await grown("process_order", deliveries)

    counted = {"done": 2, "refused": 1, "failed": 1}
    assert {k: found.value("orderflow_events_taken_total", outcome=k) for k in counted} == counted


async def test_kafkas_reports_are_timed_by_their_outcome() -> None:
    async def publish() -> None:
        await place()
        with using(outbox=kafka_away()):
            await place()

    found = await grown("create_order", publish)

    name = "orderflow_outbox_acknowledgement_seconds_count"
    assert found.value(name, outcome="acknowledged") == 1


async def test_dead_letters_are_counted_by_a_type_that_is_known() -> None:
    async def keep() -> None:
        for of_type in ("orderflow.order.placed.v1", "made.up"):
            assert (await deliver("keep_dead_letter", of_type, {})).status_code == 204

    found = await grown("keep_dead_letter", keep)

    name = "orderflow_dead_letters_kept_total"
    assert found.value(name, type="orderflow.order.placed.v1") == 1
    assert found.value(name, type="other") == 1
