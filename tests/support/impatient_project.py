"""The project with `sweep` called every second, where a user's is called every five.

The README's test and the chaos runs take the manifests as they are.
"""

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = Path("infra", "knative", "base")
TICK = "sweep-source.yaml"
USUAL, OFTEN = 'schedule: "*/5 * * * * *"', 'schedule: "* * * * * *"'

# What an order needs from its acceptance to its outcome: for stacks of which no more is asked,
# because each further function costs half a second of a core to start.
ORDERS_ALONE = ("create-order", "list-orders", "process-order", "keep-dead-letter", "sweep")


def impatient_project(folder: Path, services: Collection[str] | None = None) -> Path:
    """Make that project in a new folder, with all or only some of its Services; return it."""
    base = folder / MANIFESTS
    shutil.copytree(ROOT / MANIFESTS, base)
    (folder / "functions").symlink_to(ROOT / "functions")
    usual = (base / TICK).read_text()
    assert USUAL in usual
    (base / TICK).write_text(usual.replace(USUAL, OFTEN))
    if services is not None:
        for path in base.glob("*.yaml"):
            kept = [
                reduced(document, services) for document in yaml.safe_load_all(path.read_text())
            ]
            path.write_text(yaml.safe_dump_all(document for document in kept if document))
    return folder


def reduced(document: dict[str, Any], services: Collection[str]) -> dict[str, Any] | None:
    """Return a manifest without what leads to other Services; None if nothing is left of it."""
    spec = document.get("spec", {})
    if document["apiVersion"].startswith("serving."):
        return document if document["metadata"]["name"] in services else None
    if "sink" in spec:
        return document if spec["sink"]["ref"]["name"] in services else None
    if "rules" in spec:
        spec["rules"] = [r for r in spec["rules"] if r["backendRefs"][0]["name"] in services]
    return document
