"""One trace from the caller's request to the last event of the order, told to a real receiver."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from knative_local.ports import LOOPBACK, free_port
from tests.support.kafka_topics import records
from tests.support.otlp import Collector, Span, collector
from tests.support.shop import Call, NewShop, Shop, at_once, reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.any_broker

OF_AN_ORDER = {"create_order", "place_orders", "send orders"}
OF_ITS_ALLOCATION = {"process_order", "decide_orders", "send order-events"}
TOGETHER = 60  # orders at the same instant, so that some are of one commit


@pytest.fixture(scope="module")
def told() -> Iterator[Collector]:
    with collector() as listening:
        yield listening


@pytest.fixture(scope="module")
def traced_shop(told: Collector, new_shop: NewShop) -> Iterator[Shop]:
    """One whose traces go to the collector if their callers say so, and else never."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", told.endpoint)
        patch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
        with new_shop() as running:
            yield running


class Caller:
    """Whoever calls, in a trace of its own."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.trace, self.span = secrets.token_hex(16), secrets.token_hex(8)
        self.headers = {"traceparent": f"00-{self.trace}-{self.span}-{int(sampled):02}"}


def whole_trace(told: Collector, trace: str) -> dict[str, Span]:
    """The spans of an order and its allocation by name, once all have been told."""

    def found() -> dict[str, Span] | None:
        spans = {span.name: span for span in told.of_trace(trace)}
        return spans if spans.keys() >= OF_AN_ORDER | OF_ITS_ALLOCATION else None

    return eventually(lambda: found() or {}, what="the whole trace")


def test_an_order_is_one_trace_from_its_caller_to_its_last_event(
    traced_shop: Shop, told: Collector
) -> None:
    item, caller = reference("item"), Caller()
    traced_shop.stock(item, 1)

    order_id = traced_shop.place(caller.headers, item=item, quantity=1)
    traced_shop.await_status(order_id, "confirmed")
    spans = whole_trace(told, caller.trace)

    print(*told.tree(caller.trace, caller.span), sep="\n")
    parents = {name: span.parent for name, span in spans.items()}
    created, processed = spans["create_order"].id, spans["process_order"].id
    assert parents == {
        "create_order": caller.span,
        "place_orders": created,
        "send orders": created,
        "process_order": created,
        "decide_orders": processed,
        "send order-events": processed,
    }
    assert {name: span.kind for name, span in spans.items()} == {
        "create_order": "SERVER",
        "place_orders": "CLIENT",
        "send orders": "PRODUCER",
        "process_order": "CONSUMER",
        "decide_orders": "CLIENT",
        "send order-events": "PRODUCER",
    }
    assert {span.service for span in spans.values()} == {"create-order", "process-order"}
    assert spans["create_order"].attributes["orderflow.order_id"] == order_id
    assert spans["create_order"].attributes["http.response.status_code"] == 201
    assert not any(span.failed for span in spans.values())
    assert spans["process_order"].links, "what delivered it has a span of its own"


def test_each_part_lasts_within_what_it_is_part_of(traced_shop: Shop, told: Collector) -> None:
    caller = Caller()

    traced_shop.place(caller.headers, item=reference("item"), quantity=1)
    spans = whole_trace(told, caller.trace)

    created, committed = spans["create_order"], spans["place_orders"]
    assert created.begun <= committed.begun < committed.ended <= created.ended
    assert committed.ended <= spans["send orders"].ended <= created.ended
    assert spans["process_order"].begun >= committed.ended


async def test_a_commit_that_serves_many_links_them(traced_shop: Shop, told: Collector) -> None:
    callers = [Caller() for _ in range(TOGETHER)]
    body = {"item": reference("item"), "quantity": 1}

    calls = [Call("POST", "/order", body, caller.headers) for caller in callers]
    answers = await at_once(traced_shop, calls)
    commits = [whole_trace(told, caller.trace)["place_orders"] for caller in callers]

    assert {answer.status_code for answer in answers} == {201}
    shared = [span for span in commits if span.attributes["orderflow.calls"] > 1]
    assert shared
    known = {span.id for span in told.spans}
    assert all(span.links and known.issuperset(span.links) for span in shared)


def test_what_a_caller_does_not_want_traced_is_not(traced_shop: Shop, told: Collector) -> None:
    caller, wanted = Caller(sampled=False), Caller()

    order_id = traced_shop.place(caller.headers, item=reference("item"), quantity=1)
    traced_shop.place(wanted.headers, item=reference("item"), quantity=1)
    whole_trace(told, wanted.trace)

    (placed,) = records(traced_shop.servers[1], "orders", order_id, 1)
    assert placed.attributes()["traceparent"].startswith(f"00-{caller.trace}-")
    assert placed.attributes()["traceparent"].endswith("-00")
    assert told.of_trace(caller.trace) == []
    assert traced_shop.answers("create-order", caller.trace) == 1


def test_without_a_collector_orders_are_taken_all_the_same(
    new_shop: NewShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{LOOPBACK}:{free_port()}")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "1")
    with new_shop() as shop:
        order_id = shop.place(item=reference("item"), quantity=1)
        shop.await_status(order_id, "backordered")
        log: Path = shop.data / "logs" / "create-order.log"
        eventually(lambda: "traces are not exported" in log.read_text())

    assert "Traceback" not in log.read_text()
