"""Where Prometheus finds what runs: DATA/prometheus.json, as its `file_sd_configs` read it."""

import json
from collections.abc import Iterable
from pathlib import Path

from knative_local.manifests.service import Service
from knative_local.ports import LOOPBACK
from knative_local.private_files import replace_private
from knative_local.supervisor.state_file import read_state

FILE = "prometheus.json"


def write_scrape_targets(data: Path, functions: Iterable[Service]) -> None:
    """Name where each of these functions answers, and each process of the runtime."""
    names, groups = {function.name for function in functions}, []
    for component in read_state(data)["components"]:
        name, kind, port = component["name"], component["kind"], component["metrics_port"]
        if kind == "Service":
            port = component["port"] if name in names else None
        elif kind != "Gateway":  # a source may have the name of its function
            name = f"{name}-source"
        if port is not None:
            labels = {"service": name}
            groups.append({"targets": [f"{LOOPBACK}:{port}"], "labels": labels})
    replace_private(data / FILE, json.dumps(groups, indent=1))
