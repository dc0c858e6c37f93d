"""The README says what is there: its commands, its table of functions, its diagram."""

import re
from pathlib import Path

import yaml

from orderflow.orders.states import MOVES
from tests.chaos.faults import KINDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FUNCTIONS = README.partition("## The functions")[2].partition("##")[0]


def test_it_is_short_enough_to_read() -> None:
    assert len(README.splitlines()) < 190


def test_every_make_command_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    named = set(re.findall(r"\bmake ([a-z]+)\b", README))

    assert {"demo", "test", "up", "bench"} <= named
    assert named <= targets


def test_the_table_of_functions_names_every_folder() -> None:
    folders = {path.parent.name for path in ROOT.glob("functions/*/main.py")}

    rows = re.findall(r"^\| `([a-z_]+)` \| (.+?) \|", FUNCTIONS, re.MULTILINE)

    assert {name for name, _ in rows} == folders


def test_the_table_of_functions_names_every_route() -> None:
    (route,) = yaml.safe_load_all((ROOT / "infra/knative/base/routes.yaml").read_text())
    routed = {
        (rule["backendRefs"][0]["name"].replace("-", "_"), match["method"])
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    }

    rows = re.findall(r"^\| `([a-z_]+)` \| (.+?) \|", FUNCTIONS, re.MULTILINE)
    told = {(name, m) for name, when in rows for m in re.findall(r"`([A-Z]+) /", when)}

    assert told == {(name, method) for name, method in routed if method != "HEAD"}


def test_the_diagram_is_the_table_of_moves() -> None:
    drawn = set(re.findall(r"^ {4}(\w+) --> (\w+)$", README, re.MULTILINE))

    assert drawn == {(leaves, enters) for leaves, to in MOVES.items() for enters in to}


def test_the_map_of_the_code_names_every_folder() -> None:
    told = README.partition("## How it works")[2].partition("\n## ")[0]
    places = ["shared/orderflow", "shared/orderflow_cli", "infra", "tests"]
    folders = [path for place in places for path in (ROOT / place).iterdir() if path.is_dir()]

    unnamed = {path.name for path in folders if f"{path.name}`" not in told}
    assert unnamed <= {"__pycache__"}


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", README)

    assert len(links) >= 2
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_every_path_it_names_exists() -> None:
    named = re.findall(r"`((?:functions|shared|infra|tests)/[\w./-]+)`", README)

    assert len(named) >= 5
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_it_names_every_kind_of_fault_that_chaos_knows() -> None:
    (told,) = re.findall(r"^The faults: (.*?)\. ", README, re.MULTILINE)

    assert set(told.split("; ")) == set(KINDS)


def test_each_number_has_its_command() -> None:
    rows = re.findall(r"^\| (.*?) \|", README.partition("## Numbers")[2], re.MULTILINE)[1:]

    assert len(rows) >= 5
    assert [row for row in rows if not re.fullmatch(r"`(make|grep) .*`", row)] == []
