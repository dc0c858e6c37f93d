"""infra/README.md names files, commands and settings that there are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from orderflow_cli.app import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "infra/README.md").read_text()
BASE = ROOT / "infra/knative/base"


def services() -> list[dict[str, Any]]:
    documents = [d for p in BASE.glob("*.yaml") for d in yaml.safe_load_all(p.read_text())]
    return [d for d in documents if d["apiVersion"].startswith("serving.")]


def test_it_can_be_read_in_one_sitting() -> None:
    assert len(PAGE.splitlines()) < 200


def test_every_path_it_names_exists() -> None:
    named = re.findall(r"`?((?:infra|shared|tests|functions)/[\w./-]+\w)", PAGE)

    assert len(named) >= 10
    assert [path for path in named if not (ROOT / path.removesuffix("/jobs")).exists()] == []


@pytest.mark.parametrize("line", sorted(set(re.findall(r"\borderflow ([a-z][^`\n#|]*)", PAGE))))
def test_every_command_of_ours_is_one(line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = line.split()
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]

    options = {option for parameter in command.params for option in parameter.opts}
    assert not hasattr(command, "commands")
    assert {word for word in words if word.startswith("--")} <= options


def test_every_make_command_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"\bmake ([a-z]+)\b(?= ARGS|`)", PAGE)) <= targets


def test_groups_and_topics_are_those_of_the_sources() -> None:
    sources = [
        yaml.safe_load((BASE / f"{n}-source.yaml").read_text()) for n in ("orders", "inventory")
    ]
    read = {(s["spec"]["consumerGroup"], *s["spec"]["topics"]) for s in sources}

    told = set(re.findall(r"--group (\S+) \\\n\s+--topic (\S+)", PAGE))

    assert told == read


def test_connections_are_the_replicas_of_what_has_a_database() -> None:
    with_database = [json.dumps(s) for s in services() if "DATABASE_URL" in json.dumps(s)]
    most = [int(re.findall(r'max-scale": "(\d+)"', s)[0]) for s in with_database]

    assert f"one connection: {sum(most)} if every function" in PAGE
