"""kustomize, as `.ci/run` builds it or as it is installed: renders what a cluster is given."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KNATIVE = ROOT / "infra" / "knative"
WITHIN_S = 60


def tool(name: str) -> str:
    """Return where a program is; without it the test is skipped, in CI it fails."""
    found = shutil.which(name, path=f"{ROOT / 'build' / 'tools'}:{os.environ['PATH']}")
    if found is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"{name} is not installed")
    return found


@cache
def rendered_text(folder: str) -> str:
    """Return what kustomize makes of a folder of infra."""
    command = [tool("kustomize"), "build", str(ROOT / "infra" / folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # such as of a field that kustomize is about to give up
    return done.stdout


def rendered(folder: str) -> list[dict[str, Any]]:
    """Return the objects that kustomize makes of a folder of infra."""
    return [document for document in yaml.safe_load_all(rendered_text(folder)) if document]
