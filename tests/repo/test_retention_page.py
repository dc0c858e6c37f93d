"""infra/RETENTION.md names every setting of what is kept, with its default."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from orderflow.config import RetentionSettings
from orderflow_cli.app import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "infra/RETENTION.md").read_text()


def test_the_settings_are_those_that_are_read_with_their_defaults() -> None:
    told = dict(re.findall(r"\| `(ORDERFLOW_KEEP_\w+)`, (\d+) \|", PAGE))

    fields = RetentionSettings.model_fields.items()
    assert told == {f"ORDERFLOW_{name.upper()}": str(field.default) for name, field in fields}


def test_every_path_it_names_exists() -> None:
    named = re.findall(r"`((?:infra|shared|tests|functions)/[\w./-]+\w)", PAGE)

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_it_is_one_page() -> None:
    assert len(PAGE.splitlines()) < 120


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^orderflow ([^\n#]*)", PAGE, re.M))))
def test_every_command_of_ours_is_one(line: str) -> None:
    command: Any = typer.main.get_command(app)
    name, *words = line.split()
    options = {option for parameter in command.commands[name].params for option in parameter.opts}

    assert {word for word in words if word.startswith("--")} <= options
