"""Debian's prometheus and promtool: one is run on a loopback port, the other checks files."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from knative_local.ports import LOOPBACK, free_port
from tests.support.server_process import running

FOLDER = Path(__file__).parents[2] / "infra" / "observability"
SCRAPE_EVERY_S = 2  # above the second by which the workers of a function may be apart
RATE_OVER = "30s"  # what Grafana's $__rate_interval is here: many scrapes

Sample = dict[str, Any]


def needs_prometheus() -> None:
    """Skip the test where prometheus or promtool is missing; where CI is set, fail it."""
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    if missing:
        told = f"not installed: {', '.join(missing)}"
        (pytest.fail if "CI" in os.environ else pytest.skip)(told)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it on files of infra/observability."""
    command = ["promtool", *arguments]
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)


def rules() -> list[dict[str, Any]]:
    """Every rule of rules.yml."""
    groups = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> dict[str, str]:
    """Every query of the dashboards, by dashboard and title."""
    found = {}
    for path in sorted(FOLDER.glob("dashboards/*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                name = f"{path.stem}: {panel['title']} {target['refId']}"
                found[name] = target["expr"].replace("$__rate_interval", RATE_OVER)
    return found


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    port: int

    def get(self, path: str, **parameters: str) -> Any:
        """Ask its API; fail with its own words where it refuses."""
        url = f"http://{LOOPBACK}:{self.port}/api/v1/{path}"
        answer = httpx.get(url, params=parameters, timeout=20).json()
        assert answer["status"] == "success", f"{parameters}: {answer['error']}"
        return answer["data"]

    def query(self, expression: str) -> list[Sample]:
        """Return what an expression has now, numbers only."""
        found: list[Sample] = self.get("query", query=expression)["result"]
        return [sample for sample in found if sample["value"][1] != "NaN"]

    def is_ready(self) -> bool:
        """Whether it answers."""
        with suppress(httpx.TransportError):
            return httpx.get(f"http://{LOOPBACK}:{self.port}/-/ready").status_code == 200
        return False


@contextmanager
def running_prometheus(folder: Path, targets: Path) -> Iterator[Prometheus]:
    """Scrape what a file names, by the rules and the configuration of infra/observability."""
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    every = f"{SCRAPE_EVERY_S}s"
    told["global"] = {"scrape_interval": every, "evaluation_interval": every}
    told["rule_files"] = [str(FOLDER / "rules.yml")]
    (found,) = told["scrape_configs"][0]["file_sd_configs"]
    found["files"] = [str(targets)]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    started = Prometheus(free_port())
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--web.listen-address={LOOPBACK}:{started.port}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", "--storage.tsdb.retention.time=1h"]
    with running(
        command,
        started.is_ready,
        log_path=folder / "prometheus.log",
        stop_signals=[signal.SIGTERM],
    ):
        yield started
