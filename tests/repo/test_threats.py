"""The page of threats names tests that there are, and leaves out no attack that has one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "infra/THREATS.md").read_text()
ROWS = re.findall(r"^\| (.+) \| (.+) \| `(\S+)::(\w+)` \|$", PAGE, re.MULTILINE)
LEAST = 35  # attacks that were made when the page was written


def test_it_tells_of_every_attack_that_was_made() -> None:
    told = PAGE.partition("## What was tried")[2]
    lines = [line for line in told.splitlines() if line.startswith("| ")]
    assert len(ROWS) == len(lines) - 1  # but for the table's head: each row names its test
    assert len(ROWS) >= LEAST


def test_every_test_that_it_names_is_there() -> None:
    missing = [
        f"{path}::{name}"
        for _, _, path, name in ROWS
        if not re.search(rf"def {name}\(", (ROOT / path).read_text())
    ]

    assert missing == []


def test_no_attack_is_told_twice() -> None:
    attacks = [attack for attack, *_ in ROWS]

    assert len(attacks) == len(set(attacks))
