"""Every query of the dashboards and of the rules, on a Prometheus that scrapes a shop that runs."""

import json
import time
from collections.abc import Iterator

import pytest

from knative_local.manifests.loader import load_manifests
from orderflow_cli.scrape_targets import FILE
from tests.support.function_calls import FUNCTIONS
from tests.support.prometheus import (
    SCRAPE_EVERY_S,
    Prometheus,
    needs_prometheus,
    queries,
    running_prometheus,
)
from tests.support.shop import ROOT, NewShop, Shop, reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.any_broker

ORDERS = 12
MANIFESTS = load_manifests([ROOT / "infra" / "knative" / "base"])
SOURCES = [*MANIFESTS.kafka_sources, *MANIFESTS.ping_sources]
RUNTIME = {"gateway", *(f"{source.name}-source" for source in SOURCES)}
# What is not there while all is well.
NOTHING_YET = {
    "shop: Acceptance to decision A": "of whole minutes",
}


@pytest.fixture(scope="module")
def shop(new_shop: NewShop) -> Iterator[Shop]:
    """A shop of its own, since its figures are counted."""
    needs_prometheus()
    with new_shop() as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It has scraped the shop before, while and after orders came."""
    folder = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder, shop.data / FILE) as scraping:
        eventually(lambda: len(scraping.query("up == 1")) == len(targets(shop)))
        item = reference("item")
        shop.stock(item, ORDERS)
        for number in range(ORDERS):
            if number == ORDERS // 2:  # a rate is of what was counted between two scrapes
                time.sleep(2 * SCRAPE_EVERY_S)
            shop.placed("confirmed", item=item, quantity=1)
        assert shop.call("POST", "/order", {"item": item}).status_code == 422
        counted = "sum(increase(orderflow_event_age_seconds_count[1m])) > 0"
        eventually(lambda: scraping.query(counted))
        yield scraping


def targets(shop: Shop) -> set[str]:
    """The names of what is to be scraped."""
    groups = json.loads((shop.data / FILE).read_text())
    return {group["labels"]["service"] for group in groups}


def test_everything_that_runs_is_scraped(shop: Shop, prometheus: Prometheus) -> None:
    functions = {path.parent.name.replace("_", "-") for path in FUNCTIONS.glob("*/main.py")}

    assert targets(shop) == functions | RUNTIME
    assert {one["metric"]["service"] for one in prometheus.query("up == 1")} == targets(shop)


@pytest.mark.parametrize("name", sorted(queries()))
def test_a_query_of_a_dashboard_has_data(name: str, prometheus: Prometheus) -> None:
    expression = queries()[name]

    if name in NOTHING_YET:
        prometheus.query(expression)
    else:
        eventually(lambda: prometheus.query(expression), what=name)


def test_every_rule_is_evaluated_and_no_alert_fires(prometheus: Prometheus) -> None:
    def evaluated() -> bool:
        groups = prometheus.get("rules")["groups"]
        return all(rule["health"] == "ok" for group in groups for rule in group["rules"])

    eventually(evaluated)
    assert [alert["labels"] for alert in prometheus.get("alerts")["alerts"]] == []


def test_every_objective_has_an_error_ratio(prometheus: Prometheus) -> None:
    def told() -> dict[str, float]:
        found = prometheus.query("orderflow:slo_errors:ratio5m")
        return {one["metric"]["slo"]: float(one["value"][1]) for one in found}

    wanted = {"acceptance", "acceptance_latency", "allocation", "freshness"}
    eventually(lambda: told().keys() == wanted)
    assert told()["acceptance"] == 0


def test_what_happened_is_counted_as_it_happened(prometheus: Prometheus) -> None:
    counted = 'sum(orderflow_events_recorded_total{type="orderflow.order.confirmed.v1"})'
    kept = 'orderflow_orders{status="confirmed"}'
    delivered = 'sum(knative_local_events_total{source="orders", outcome="delivered"})'

    def total(expression: str) -> float:
        return sum(float(sample["value"][1]) for sample in prometheus.query(expression))

    eventually(lambda: [total(counted), total(kept), total(delivered)] == [ORDERS] * 3)
