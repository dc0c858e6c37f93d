"""OpenFaaS is told of functions, topics and settings what the manifests say."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from knative_local.manifests.loader import load_manifests
from knative_local.manifests.service import Service
from orderflow_cli.development_tokens import AUDIENCE, ISSUER, SENDER
from tests.support.kustomize import KNATIVE, ROOT, rendered

BASE = load_manifests([KNATIVE / "base"])
STACK = yaml.safe_load((ROOT / "infra" / "openfaas" / "stack.yaml").read_text())
FUNCTIONS: dict[str, dict[str, Any]] = STACK["functions"]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SECRETS = "/var/openfaas/secrets/"
# How sources are known here, where OpenFaaS's own gateway lets everyone through to every function.
DECIDED_HERE = {
    "ORDERFLOW_EVENTS_AUTH": "jwt",
    "ORDERFLOW_EVENTS_JWT_ISSUER": ISSUER,
    "ORDERFLOW_EVENTS_JWT_AUDIENCE": AUDIENCE,
    "ORDERFLOW_EVENTS_JWT_JWKS_URL": "",
    "ORDERFLOW_EVENTS_JWT_SUBJECTS": SENDER,
}
# Of a Secret of one's own: how callers' tokens are checked otherwise.
ANOTHER_WAY = {"ORDERFLOW_JWT_SECRET"}


def told_by_manifest(service: Service) -> dict[str, str | None]:
    """The settings of a function, None for what a Secret holds."""
    told: dict[str, str | None] = {}
    for whole in service.container.env_from:
        if whole.config_map_ref is not None:
            told |= BASE.settings["ConfigMap", service.namespace, whole.config_map_ref.name]
    for variable in service.container.env:
        reference = variable.value_from and variable.value_from.config_map_key_ref
        told[variable.name] = (
            BASE.settings["ConfigMap", service.namespace, reference.name][reference.key]
            if reference
            else None
        )
    return told


def told_here(name: str) -> dict[str, str | None]:
    environment = FUNCTIONS[name]["environment"]
    return {
        variable.removesuffix("_FILE"): None if variable.endswith("_FILE") else value
        for variable, value in environment.items()
    }


def test_it_runs_every_function() -> None:
    assert FUNCTIONS.keys() == {service.name for service in BASE.services}


@pytest.mark.parametrize("service", BASE.services, ids=lambda service: service.name)
def test_a_function_is_run_as_its_manifest_says(service: Service) -> None:
    function = FUNCTIONS[service.name]
    annotations = service.spec.template.metadata.annotations

    assert function["image"] == f"registry.example/{service.container.image}:{VERSION}"
    assert function["readonly_root_filesystem"] is True
    assert function["requests"] == service.container.resources["requests"]
    assert function["limits"] == service.container.resources["limits"]
    most = annotations["autoscaling.knative.dev/max-scale"]
    assert function["labels"]["com.openfaas.scale.max"] == most


@pytest.mark.parametrize("service", BASE.services, ids=lambda service: service.name)
def test_a_function_is_told_what_its_manifest_tells_it(service: Service) -> None:
    wanted = {n: v for n, v in told_by_manifest(service).items() if n not in ANOTHER_WAY}
    decided = {name: value for name, value in DECIDED_HERE.items() if name in wanted}

    assert told_here(service.name) == wanted | decided


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_gets_the_secrets_that_it_reads_and_no_other(name: str) -> None:
    environment = FUNCTIONS[name]["environment"]
    read = {v.removeprefix(SECRETS) for k, v in environment.items() if k.endswith("_FILE")}

    assert read == set(FUNCTIONS[name].get("secrets", ()))
    assert read <= {f"{name}-database-url", "senders-jwt-secret"}


def test_the_gateway_and_the_sources_read_the_manifests_of_the_base(tmp_path: Path) -> None:
    documents = {(d["kind"], d["metadata"]["name"]): d for d in rendered("openfaas")}
    ((name, manifests),) = (
        (name, document)
        for (kind, name), document in documents.items()
        if kind == "ConfigMap" and name.startswith("manifests-")
    )
    for file, text in manifests["data"].items():
        (tmp_path / file).write_text(text)

    assert load_manifests([tmp_path]).kafka_sources == BASE.kafka_sources
    assert load_manifests([tmp_path]).ping_sources == BASE.ping_sources
    for part in ("gateway", "sources"):
        spec = documents["Deployment", part]["spec"]["template"]["spec"]
        assert spec["volumes"][0]["configMap"] == {"name": name}
        (container,) = spec["containers"]
        where = "http://{name}.openfaas-fn.svc.cluster.local:8080"
        assert container["args"][:3] == [part, "/manifests", f"--services={where}"]
        assert container["image"] == f"registry.example/orderflow/runtime:{VERSION}"
    assert {function["namespace"] for function in FUNCTIONS.values()} == {"openfaas-fn"}


def test_nothing_of_knative_is_left() -> None:
    for folder in ("openfaas", "openfaas/jobs"):
        groups = {document["apiVersion"].partition("/")[0] for document in rendered(folder)}
        assert groups <= {"v1", "apps", "batch", "networking.k8s.io"}
