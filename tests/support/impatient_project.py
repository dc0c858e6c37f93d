"""The project with `sweep` called every second, where a user's is called every ten.

The README's test and the chaos runs take the manifests as they are.
"""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANIFESTS = Path("infra", "knative")
TICK = MANIFESTS / "base" / "sweep-source.yaml"
USUAL, OFTEN = 'schedule: "*/10 * * * * *"', 'schedule: "* * * * * *"'


def impatient_project(folder: Path) -> Path:
    """Make that project in a new folder; return the folder."""
    shutil.copytree(ROOT / MANIFESTS, folder / MANIFESTS)
    (folder / "functions").symlink_to(ROOT / "functions")
    usual = (folder / TICK).read_text()
    assert USUAL in usual
    (folder / TICK).write_text(usual.replace(USUAL, OFTEN))
    return folder
