"""Alerts that fire when they are to, and are known to the runbook; what Prometheus is told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from orderflow.metrics.process import Metrics
from tests.support.prometheus import FOLDER, needs_prometheus, promtool, queries, rules

ROOT = Path(__file__).parents[2]
README = (FOLDER / "README.md").read_text()
TESTS = sorted(path.name for path in FOLDER.glob("*_test.yml"))
ALERTS = [rule for rule in rules() if "alert" in rule]
NAMES = [alert["alert"] for alert in ALERTS]


def alert_tests() -> list[dict[str, Any]]:
    files = [yaml.safe_load((FOLDER / name).read_text()) for name in TESTS]
    return [one for file in files for test in file["tests"] for one in test["alert_rule_test"]]


def test_alerts_do_in_their_tests_what_is_expected() -> None:
    needs_prometheus()

    done = promtool("test", "rules", *TESTS)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_fires_in_one_test_and_is_quiet_in_another(name: str) -> None:
    expected = [bool(one["exp_alerts"]) for one in alert_tests() if one["alertname"] == name]

    assert set(expected) == {True, False}


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_an_alert_leads_to_its_part_of_the_runbook(alert: dict[str, Any]) -> None:
    name, severity = alert["alert"], alert["labels"]["severity"]
    part = re.search(rf"^### {name}\n(\w+)\. (.*)$", README, re.M)

    assert alert["annotations"]["runbook_url"] == (f"infra/observability/README.md#{name.lower()}")
    assert part is not None
    assert part[1] == severity
    assert "`" in part[2], "a runbook names the command"


def test_the_runbook_has_no_part_of_an_alert_that_there_is_not() -> None:
    assert sorted(re.findall(r"^### (\w+)$", README, re.M)) == sorted(NAMES)


@pytest.mark.parametrize("name", [*Metrics().families, *Metrics().gauges])
def test_the_page_names_what_every_function_counts(name: str) -> None:
    assert re.search(rf"`{name}(_total)?`", README)


@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml", "kubernetes.yml"])
def test_prometheus_takes_its_configuration(name: str, tmp_path: Path) -> None:
    needs_prometheus()
    told = yaml.safe_load((FOLDER / name).read_text())
    for scraped in told["scrape_configs"]:
        # Debian's is built without the part that asks Kubernetes.
        if scraped.pop("kubernetes_sd_configs", None):
            scraped["static_configs"] = [{"targets": ["pod:8080"]}]
    told["rule_files"] = [str(FOLDER / file) for file in told["rule_files"]]
    (tmp_path / name).write_text(yaml.safe_dump(told))

    done = promtool("check", "config", str(tmp_path / name))

    assert done.returncode == 0, done.stdout + done.stderr


def test_in_containers_every_function_and_process_of_the_runtime_is_scraped() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    built = {n: one["build"].get("target") for n, one in compose.items() if "build" in one}
    (scraped,) = yaml.safe_load((FOLDER / "compose.yml").read_text())["scrape_configs"]
    (told,) = scraped["static_configs"]

    functions = {f"{name}:8080" for name, target in built.items() if target == "function"}
    runtime = {f"{name}:9090" for name, target in built.items() if target == "runtime"}
    assert set(told["targets"]) == functions | runtime
    assert all("9090" in compose[name.partition(":")[0]]["command"] for name in runtime)


def test_the_dashboards_have_ids_and_read_the_data_source_that_is_set_up() -> None:
    sources = yaml.safe_load((FOLDER / "grafana/datasources.yml").read_text())["datasources"]
    boards = [json.loads(path.read_text()) for path in FOLDER.glob("dashboards/*.json")]

    assert len({board["uid"] for board in boards}) == len(boards) == 2
    assert len(queries()) > 20
    used = {panel["datasource"]["uid"] for board in boards for panel in board["panels"]}
    assert used == {source["uid"] for source in sources}
