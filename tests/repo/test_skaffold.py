"""What skaffold builds is what the overlays name, and it starts anew what it changed."""

import os
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.support.kustomize import ROOT, rendered
from tests.support.waiting import eventually

JOBS, FUNCTIONS = yaml.safe_load_all((ROOT / "skaffold.yaml").read_text())
ARTIFACTS = {
    artifact["image"]: artifact
    for config in (JOBS, FUNCTIONS)
    for artifact in config["build"]["artifacts"]
}
REGISTRY = "registry.example/"  # of the production overlay
FUNCTIONS_FRAMEWORK = """#!/bin/sh
trap 'echo ended >> "$LOG"; exit' TERM
echo started >> "$LOG"
while :; do sleep 0.05; done
"""


def images_of(config: dict[str, Any], profile: str | None = None) -> set[str]:
    """The images, without tags, of what a configuration deploys."""
    found = {p["name"]: p for p in config["profiles"]}
    manifests = found[profile]["manifests"] if profile else config["manifests"]
    (folder,) = manifests["kustomize"]["paths"]
    documents = rendered(folder.removeprefix("infra/"))
    specs = [d["spec"]["template"]["spec"] for d in documents if "template" in d.get("spec", {})]
    return {c["image"].rpartition(":")[0] for spec in specs for c in spec["containers"]}


def renamed(config: dict[str, Any]) -> dict[str, str]:
    """What the profile `production` calls each image."""
    (profile,) = [p for p in config["profiles"] if p["name"] == "production"]
    names = {p["path"]: p["value"] for p in profile["patches"] if p["op"] == "replace"}
    return {
        artifact["image"]: names[f"/build/artifacts/{number}/image"]
        for number, artifact in enumerate(config["build"]["artifacts"])
    }


def has_started(log: Path, times: int) -> bool:
    return log.exists() and log.read_text().count("started") == times


def test_it_builds_what_it_deploys() -> None:
    for config in (JOBS, FUNCTIONS):
        built = {artifact["image"] for artifact in config["build"]["artifacts"]}

        assert images_of(config) == built
        assert images_of(config, "production") == set(renamed(config).values())
        assert renamed(config) == {name: REGISTRY + name for name in built}
    assert images_of(FUNCTIONS, "dev") == images_of(FUNCTIONS)


def test_an_image_is_built_of_the_function_of_its_name() -> None:
    for path in ROOT.glob("functions/*/main.py"):
        name = path.parent.name
        artifact = ARTIFACTS[f"orderflow/{name.replace('_', '-')}"]

        assert artifact["docker"]["target"] == "function"
        assert artifact["docker"]["buildArgs"] == {"FUNCTION": name}
        assert f"functions/{name}/*" in [sync["src"] for sync in artifact["sync"]["manual"]]


def test_the_other_images_are_targets_of_the_same_file() -> None:
    dockerfile = (ROOT / "infra" / "docker" / "Dockerfile").read_text()

    for artifact in ARTIFACTS.values():
        assert artifact["docker"]["dockerfile"] == "infra/docker/Dockerfile"
        assert f" AS {artifact['docker']['target']}\n" in dockerfile


def test_development_stays_on_the_cluster_of_ones_own() -> None:
    for config in (JOBS, FUNCTIONS):
        assert config["deploy"]["kubeContext"] == "kind-orderflow"


def test_a_function_under_development_starts_anew_and_ends_when_told(tmp_path: Path) -> None:
    for service in rendered("knative/overlays/kind-dev"):
        if service["apiVersion"] == "serving.knative.dev/v1":
            (container,) = service["spec"]["template"]["spec"]["containers"]
    ((script,), command) = container["args"], container["command"]
    (tmp_path / "image").mkdir()
    program = tmp_path / "functions-framework"
    program.write_text(FUNCTIONS_FRAMEWORK)
    program.chmod(0o755)
    script = script.replace("/tmp/app", f"{tmp_path}/app").replace(
        "cp -r /app ", f"cp -r {tmp_path}/image "
    )
    log = tmp_path / "log"
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log)}
    with subprocess.Popen([*command, script], env=environment, cwd=tmp_path) as shell:
        try:
            for count in (1, 2, 3):
                eventually(partial(has_started, log, count))
                shell.send_signal(signal.SIGTERM if count == 3 else signal.SIGHUP)

            assert shell.wait(timeout=10) == 0
        finally:
            shell.kill()
    assert log.read_text().split() == ["started", "ended"] * 3
