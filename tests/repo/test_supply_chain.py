"""What is said of dependencies is true, above all when nothing could be looked up."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check", ROOT / ".ci" / "vulnerabilities.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(**told: Any) -> dict[str, Any]:
    return {"name": "a", "version": "1", "vulns": []} | told


BAD = package(vulns=[{"id": "CVE-1", "fix_versions": ["2"]}])
UNKNOWN = {"name": "b", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "status", "line"),
    [
        ([package(), package()], 0, "none of 2 packages has a known vulnerability"),
        ([package(), BAD], 1, "a 1: CVE-1, fixed in 2"),
        ([UNKNOWN, BAD], 1, "a 1: CVE-1, fixed in 2"),
        ([package(), UNKNOWN], 3, "not checked: the advisory database does not know 1 of 2"),
        ([], 3, "not checked: the advisory database does not know 0 of 0"),
    ],
)
def test_only_what_was_all_looked_up_is_called_free_of_vulnerabilities(
    checker: ModuleType, packages: list[dict[str, Any]], status: int, line: str
) -> None:
    found, (told,) = checker.verdict(json.dumps({"dependencies": packages}))

    assert found == status
    assert told.startswith(line)


@pytest.mark.parametrize("printed", ["", "Traceback", "[]", "{}", '{"dependencies": null}'])
def test_without_an_answer_nothing_is_called_checked(checker: ModuleType, printed: str) -> None:
    assert checker.verdict(printed) == (
        3,
        ["not checked: no advisory database can be reached"],
    )


def test_every_package_of_the_lock_file_has_its_hashes() -> None:
    lines = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in lines if line and not line.lstrip().startswith("#")]

    assert len(packages) > 50
    assert [line for line in packages if "==" not in line or "--hash=sha256:" not in line] == []


def test_the_licence_is_the_one_that_both_distributions_name() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    for project in ("pyproject.toml", "infra/knative_local/pyproject.toml"):
        assert 'license = "Apache-2.0"' in (ROOT / project).read_text()
