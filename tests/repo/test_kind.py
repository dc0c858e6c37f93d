"""`infra/kind/up`: what it asks for, in which order, and what it says where something is missing.

Its programs are stand-ins that note how they were called: no cluster runs here.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.kustomize import KNATIVE, ROOT, rendered

KIND = ROOT / "infra" / "kind"
SCRIPTS = sorted(path for path in KIND.iterdir() if path.suffix == "")
NEEDED = ["bash", "basename", "cat", "dirname", "env", "grep", "mkdir", "rm", "touch"]
STAND_IN = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $*" in
  "kind get clusters") cat "$CALLS.clusters" 2>/dev/null ;;
  "kind create"*) echo orderflow > "$CALLS.clusters" ;;
  "kind delete"*) rm -f "$CALLS.clusters" ;;
  "docker info") exit "${ENGINE:-0}" ;;
  "kubectl --context kind-orderflow create secret"*) echo "kind: Secret" ;;
  "kubectl"*"--filename -") cat >/dev/null ;;
esac
"""
SECRETS = """#!/usr/bin/env bash
printf '%s\\n' "orderflow $*" >> "$CALLS"
mkdir -p .data/kind
touch .data/kind/{create-order,sweep}-database-url
"""


class Checkout:
    """The scripts beside what they read, and programs of which the first ones can be taken away."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs, self.calls = folder, folder / "bin", folder / "calls"
        shutil.copytree(KIND, folder / "infra" / "kind")
        self.programs.mkdir()
        for name in NEEDED:
            (self.programs / name).symlink_to(str(shutil.which(name)))
        for name in ("kind", "kubectl", "docker"):
            self.put(self.programs / name, STAND_IN)
        self.put(folder / ".venv" / "bin" / "orderflow", SECRETS)

    def put(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.calls.unlink(missing_ok=True)
        told = {"PATH": str(self.programs), "CALLS": str(self.calls), **environment}
        command = [str(self.folder / "infra" / "kind" / script)]
        return subprocess.run(command, env=told, capture_output=True, text=True, check=False)

    def called(self, text: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if text in line]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_second_run_makes_no_second_cluster(checkout: Checkout) -> None:
    first = checkout.run("up")
    made, calls = checkout.called("kind create"), checkout.called("kubectl")
    second = checkout.run("up")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert len(made) == 1
    assert checkout.called("kind create") == []
    # All else is done again; the two ends of a pipe note themselves in any order.
    assert sorted(calls) == sorted(checkout.called("kubectl"))


def test_servers_come_after_their_secrets_and_all_is_waited_for(checkout: Checkout) -> None:
    checkout.run("up")

    lines = checkout.calls.read_text().splitlines()
    secrets = [n for n, line in enumerate(lines) if " create secret " in line]
    (servers,) = (
        n for n, line in enumerate(lines) if "overlays/kind/servers" in line and "--kust" in line
    )
    waits = [line for line in lines[servers:] if " rollout status " in line]
    assert max(secrets) < servers
    assert len(waits) == 2
    assert {
        line.partition("--namespace ")[2].split()[0] for line in checkout.called("Available")
    } == {"knative-serving", "kourier-system", "knative-eventing"}


def test_kubectl_is_never_let_loose_on_another_cluster(checkout: Checkout) -> None:
    checkout.run("up")

    calls = checkout.called("kubectl")
    assert [
        call for call in calls if not call.startswith("kubectl --context kind-orderflow ")
    ] == []


def test_every_secret_that_the_overlay_asks_for_is_made() -> None:
    asked = set()
    for folder in ("overlays/kind", "overlays/kind/jobs", "overlays/kind/servers"):
        for line in str(rendered(f"knative/{folder}")).split("'secretKeyRef': {")[1:]:
            reference = yaml.safe_load("{" + line.partition("}")[0] + "}")
            if not reference.get("optional"):
                asked.add(reference["name"])
    made = (KIND / "up").read_text()

    for name in asked:
        assert f" {name} " in made or name.endswith("-database"), name


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("bin/kind", "kind is missing: see "),
        ("bin/kubectl", "kubectl is missing: see "),
        ("bin/docker", "docker is missing: kind runs its node in a container engine"),
        (".venv/bin/orderflow", "run `make install` first"),
    ],
)
def test_what_is_missing_is_told_in_one_line(checkout: Checkout, gone: str, told: str) -> None:
    (checkout.folder / gone).unlink()

    done = checkout.run("up")

    assert done.returncode == 1
    assert done.stderr.startswith(f"infra/kind/up: {told}")
    assert done.stderr.count("\n") == 1


def test_an_engine_that_does_not_run_is_told_in_one_line(checkout: Checkout) -> None:
    done = checkout.run("up", ENGINE="1")

    assert done.returncode == 1
    assert done.stderr.startswith("infra/kind/up: docker does not answer: ")
    assert checkout.called("kubectl") == []


def test_down_takes_the_cluster_and_its_secrets(checkout: Checkout) -> None:
    checkout.run("up")

    done = checkout.run("down")

    assert done.returncode == 0, done.stderr
    assert checkout.called("kind delete") == ["kind delete cluster --name orderflow"]
    assert not (checkout.folder / ".data" / "kind").exists()


def test_the_gateway_is_reached_on_this_machine_alone() -> None:
    (node,) = yaml.safe_load((KIND / "cluster.yaml").read_text())["nodes"]
    (mapping,) = node["extraPortMappings"]
    (port,) = [
        document["spec"]["ports"][0]["nodePort"]
        for document in rendered("knative/overlays/kind")
        if (document["apiVersion"], document["kind"]) == ("v1", "Service")
    ]

    assert mapping == {"containerPort": port, "hostPort": 8080, "listenAddress": "127.0.0.1"}
    assert "@sha256:" in node["image"]


def test_servers_are_where_functions_look_for_them() -> None:
    names = {
        f"{document['metadata']['name']}.{document['metadata']['namespace']}.svc.cluster.local"
        for document in rendered("knative/overlays/kind/servers")
        if document["kind"] == "Service"
    }
    settings = yaml.safe_load_all((KNATIVE / "base" / "settings.yaml").read_text())
    kafka = next(settings)["data"]["kafka-bootstrap-servers"].partition(":")[0]

    assert kafka in names
    assert any(f" {name}:5432/orderflow" in (KIND / "up").read_text() for name in names)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("shellcheck is not installed")

    done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)

    assert done.stdout == ""
