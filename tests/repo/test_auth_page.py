"""infra/AUTH.md names the settings that are read, and the scope that each route asks for."""

import re
from pathlib import Path

import yaml

from orderflow.auth.caller import SCOPES
from orderflow.config import AuthSettings, ConsoleSettings, RateSettings, TokenSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "infra/AUTH.md").read_text()
BASE = ROOT / "infra/knative/base"


def scope_of(function: str) -> str:
    """The scope that a function's decorator declares, as the page writes it."""
    main = (ROOT / "functions" / function.replace("-", "_") / "main.py").read_text()
    (found,) = re.findall(r'^@http\(.*scope=("[^"]+"|None)', main, re.MULTILINE)
    return "none" if found == "None" else f"`{found[1:-1]}`"


def test_each_route_has_the_scope_that_its_function_asks_for() -> None:
    rows = re.findall(r"^\| (`[A-Z]+ /.*?) \| (`[a-z:]+`|none) \|$", PAGE, re.MULTILINE)
    told = {
        (method, f"/{first}", scope)
        for paths, scope in rows
        for method, first in re.findall(r"`([A-Z]+) /([a-z.-]*)", paths)
    }
    routes = yaml.safe_load((BASE / "routes.yaml").read_text())["spec"]["rules"]
    asked = {
        (method, f"/{first}", scope_of(rule["backendRefs"][0]["name"]))
        for rule in routes
        for match in rule["matches"]
        for first in [match["path"]["value"].split("/")[1]]
        for method in [match["method"].replace("HEAD", "GET")]  # HEAD asks for the same
    }

    assert told == asked
    scopes = {f"`{scope}`" for scope in SCOPES - {"orders:all"}}
    assert {scope for *_, scope in asked} == scopes | {"none"}


def test_the_settings_are_those_that_are_read() -> None:
    told = set(re.findall(r"^\| `(ORDERFLOW_[A-Z_]+)` \|", PAGE, re.MULTILINE))
    models = AuthSettings, TokenSettings, RateSettings, ConsoleSettings
    read = {f"ORDERFLOW_{name.upper()}" for model in models for name in model.model_fields}

    assert told == read


def test_the_manifests_set_what_is_read() -> None:
    callers, senders = (
        document["data"] for document in yaml.safe_load_all((BASE / "auth.yaml").read_text())
    )
    told = set(re.findall(r"^\| `(ORDERFLOW_[A-Z_]+)` \|", PAGE, re.MULTILINE))

    assert set(callers) == told - {"ORDERFLOW_JWT_SECRET"}
    assert {name.replace("EVENTS_", "") for name in senders} <= told


def test_it_is_one_page() -> None:
    assert len(PAGE.splitlines()) < 80
