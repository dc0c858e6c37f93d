"""What /metrics of a function says, after calls that are known."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from orderflow.overview import exposition as overview_exposition
from orderflow.overview.kept import Kept
from tests.support.function_calls import (
    ce_headers,
    client_of,
    database_away,
    deliver,
    kafka_away,
    make_order,
    module_of,
    ordered,
    patch,
    place,
    process,
    reference,
    tick,
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


async def test_the_age_of_an_order_is_counted_when_it_is_decided_on() -> None:
    placed = "orderflow.order.placed.v1"

    async def decide(**attributes: str) -> None:
        headers = ce_headers(placed, **attributes)
        body = {"order_id": await place()}
        response = await client_of("process_order").post("/", json=body, headers=headers)
        assert response.status_code == 204

    async def deliveries() -> None:
        await decide(time=(datetime.now(UTC) - timedelta(seconds=20)).isoformat())
        await decide(time="yesterday")
        await decide(time="2026-11-27T10:00:00")  # of no zone: it can't be compared
        await decide()

    found = await grown("process_order", deliveries)

    name = "orderflow_event_age_seconds"
    assert found.value(f"{name}_count", type=placed) == 1
    assert 20 <= found.value(f"{name}_sum", type=placed) < 30


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


async def told_by_overview() -> Samples:
    """The overview's metrics, with nothing kept from before."""
    module = module_of("overview")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("figures", "items", "behind", "bytes_on_disk"):
            patch.setattr(module, name, Kept(getattr(module, name)._make))
        return await scrape(client_of("overview"))


async def test_the_overview_tells_the_business() -> None:
    before = await told_by_overview()
    await ordered("confirmed")
    await ordered("backordered")
    await tick()

    found = await told_by_overview()

    grown = found.since(before)
    assert grown.value("orderflow_orders", status="confirmed") == 1
    assert grown.value("orderflow_orders", status="backordered") == 1
    assert found.value("orderflow_overview_up") == 1
    assert 0 <= found.value("orderflow_last_sweep_age_seconds") < 60
    assert found.value("orderflow_database_size_bytes") > 1e6
    for name in ("oldest_pending_seconds", "outbox_waiting", "attention", "dead_letters", "items"):
        assert f"\norderflow_{name}" in found.text


async def test_without_its_database_the_overview_tells_that_and_all_the_rest() -> None:
    with using(worker=database_away()):
        found = await told_by_overview()

    assert (found.value("orderflow_overview_up"), "orderflow_orders{" in found.text) == (0, False)
    assert found.value("orderflow_build_info", function="overview") == 1


async def test_a_database_that_hangs_holds_up_no_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> dict[str, object]:
        hanging: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        return await hanging

    monkeypatch.setattr(overview_exposition, "READ_WITHIN_S", 0.05)
    async with asyncio.timeout(5):
        (up,) = await overview_exposition.business_families(never)

    assert [sample.value for sample in up.samples] == [0]


def test_what_the_overview_does_not_know_is_left_out() -> None:
    told = overview_figures(allocation_ms=None, oldest_pending=None, consumer_lag=None)

    found = {family.name: family.samples for family in overview_exposition.families(told)}

    assert found["orderflow_consumer_lag"] == found["orderflow_allocation_recent_seconds"] == []
    assert [sample.value for sample in found["orderflow_oldest_pending_seconds"]] == [0]
    assert "orderflow_last_sweep_age_seconds" not in found
    assert "orderflow_last_audit_passed" not in found


def test_figures_are_told_in_the_units_of_their_names() -> None:
    at = datetime(2026, 11, 27, 12, tzinfo=UTC)
    audit = {"at": (at - timedelta(hours=2)).isoformat(), "passed": False, "differences": 3}
    told = overview_figures(
        allocation_ms={"p50": 50.0, "p95": 80.0, "p99": 250.0},
        oldest_pending={"age_s": 12.5},
        consumer_lag=[{"group": "process-order", "topic": "orders", "lag": 7}],
        last_sweep={"age_s": 4.0},
        last_audit={"audit_id": 1, **audit},
        at=at.isoformat(),
    )

    samples = [s for family in overview_exposition.families(told) for s in family.samples]

    found = {(s.name.removeprefix("orderflow_"), *s.labels.values()): s.value for s in samples}
    assert found["allocation_recent_seconds", "0.99"] == 0.25
    assert found["consumer_lag", "process-order", "orders"] == 7
    assert found["oldest_pending_seconds",] == 12.5
    assert found["last_audit_age_seconds",] == 7200
    assert (found["last_audit_passed",], found["last_audit_differences",]) == (0, 3)


def overview_figures(**overrides: object) -> dict[str, object]:
    """What an overview of nothing tells."""
    return {
        "at": "2026-11-27T12:00:00+00:00",
        "orders": {"pending": 0},
        "outbox": {"waiting": 0, "oldest_s": None},
        "attention": {"orders": 0},
        "dead_letters": {"kept": 0},
        "short_items": {"count": 0, "items": []},
        "low_items": {"count": 0, "items": []},
        "last_sweep": None,
        "last_audit": None,
        **overrides,
    }
