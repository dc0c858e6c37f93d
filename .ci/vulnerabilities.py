"""Looks what the lock file names up in an advisory database.

Exit status 0: nothing is known; 1: something is; 3: not all was checked.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements.lock"
TIMEOUT_S = 300.0  # for some hundred packages, one question each
FOUND, NOT_CHECKED = 1, 3


def verdict(report: str) -> tuple[int, list[str]]:
    """Return the exit status for what pip-audit printed, and the lines that say why."""
    try:
        packages: list[dict[str, Any]] = list(json.loads(report)["dependencies"])
    except (ValueError, KeyError, TypeError):
        return NOT_CHECKED, ["not checked: no advisory database can be reached"]
    known = [
        f"{package['name']} {package['version']}: {advisory['id']}, fixed in "
        f"{', '.join(advisory['fix_versions']) or 'no version yet'}"
        for package in packages
        for advisory in package.get("vulns", ())
    ]
    skipped = sum("skip_reason" in package for package in packages)
    if known:
        return FOUND, known
    if skipped or not packages:
        told = f"not checked: the advisory database does not know {skipped} of {len(packages)}"
        return NOT_CHECKED, [f"{told} packages"]
    return 0, [f"none of {len(packages)} packages has a known vulnerability"]


def main() -> int:
    """Ask, and print what came of it."""
    audit = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes"]
    audit += ["--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(  # noqa: S603 (a program of the lock file's own)
            audit, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        report = done.stdout
    except subprocess.TimeoutExpired:
        report = ""
    status, lines = verdict(report)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return status


if __name__ == "__main__":
    sys.exit(main())
