"""docker-compose.yml says of functions, topics and settings what the manifests say."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from knative_local.manifests.loader import load_manifests
from knative_local.manifests.service import Service
from knative_local.supervisor.spec import program
from orderflow_cli.development_tokens import AUDIENCE, ISSUER, SENDER
from orderflow_cli.project import topics_of
from orderflow_cli.roles.grants import grants_of
from orderflow_cli.topics import TOPICS

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MANIFESTS = load_manifests([ROOT / "infra" / "knative" / "base"])
FUNCTIONS = {service.name: service for service in MANIFESTS.services}
MANY = ("gateway", "dispatcher")
SERVERS = ("postgres", "kafka")

# What another installation decides: who issues tokens, and how sources are known.
DECIDED_HERE = {
    "ORDERFLOW_JWT_ISSUER": ISSUER,
    "ORDERFLOW_JWT_AUDIENCE": AUDIENCE,
    "ORDERFLOW_EVENTS_AUTH": "jwt",
    "ORDERFLOW_EVENTS_JWT_ISSUER": ISSUER,
    "ORDERFLOW_EVENTS_JWT_AUDIENCE": AUDIENCE,
    "ORDERFLOW_EVENTS_JWT_SUBJECTS": SENDER,
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "${OTEL_EXPORTER_OTLP_ENDPOINT:-}",
    "OTEL_TRACES_SAMPLER_ARG": "${OTEL_TRACES_SAMPLER_ARG:-0.02}",
}


def told_by_manifest(service: Service) -> dict[str, str | None]:
    """The settings of a function, None for what a Secret holds."""
    told: dict[str, str | None] = {}
    for whole in service.container.env_from:
        if whole.config_map_ref is None:  # an optional Secret: a Kafka here wants no password
            assert whole.secret_ref is not None
            assert whole.secret_ref.optional
            continue
        told |= MANIFESTS.settings["ConfigMap", service.namespace, whole.config_map_ref.name]
    for variable in service.container.env:
        reference = variable.value_from and variable.value_from.config_map_key_ref
        if reference:
            key = "ConfigMap", service.namespace, reference.name
            told[variable.name] = MANIFESTS.settings[key][reference.key]
        else:
            told[variable.name] = None if variable.value_from else variable.value
    return told


def told_by_compose(name: str) -> dict[str, str | None]:
    """The settings of a function, None for what a file holds."""
    environment = SERVICES[name]["environment"]
    return {
        setting.removesuffix("_FILE"): None if setting.endswith("_FILE") else value
        for setting, value in environment.items()
    }


def test_the_functions_are_those_of_the_manifests() -> None:
    built = {
        name: service["build"]["args"]["FUNCTION"]
        for name, service in SERVICES.items()
        if service.get("build", {}).get("target") == "function"
    }

    assert built == {name: name.replace("-", "_") for name in FUNCTIONS}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_has_the_image_and_the_settings_of_its_manifest(name: str) -> None:
    # Here a secret shared with the issuer stands for its published keys.
    manifest = told_by_manifest(FUNCTIONS[name])
    told = {key: value for key, value in manifest.items() if not key.endswith("JWKS_URL")}
    told |= {key: value for key, value in DECIDED_HERE.items() if key in told}

    assert SERVICES[name]["image"] == FUNCTIONS[name].container.image
    assert told_by_compose(name) == told


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_has_the_time_and_the_memory_of_its_manifest(name: str) -> None:
    limits = FUNCTIONS[name].container.resources["limits"]
    mebibytes = str(SERVICES[name]["mem_limit"]).removesuffix("m") + "Mi"

    assert mebibytes == limits["memory"]
    assert SERVICES[name]["stop_grace_period"] == "30s"


def test_a_secret_is_shown_to_whom_it_is_for() -> None:
    for name, service in SERVICES.items():
        files = {v for v in service.get("environment", {}).values() if "/run/secrets/" in v}
        shown = {f"/run/secrets/{secret}" for secret in service.get("secrets", ())}
        assert files == shown, name
    own = {name for name in FUNCTIONS if "DATABASE_URL" in told_by_manifest(FUNCTIONS[name])}
    for name in own:
        assert f"{name}-database-url" in SERVICES[name]["secrets"]


def test_each_secret_is_made_by_the_command(tmp_path: Path) -> None:
    subprocess.run(
        [program("orderflow"), "secrets", "--folder", str(tmp_path)], cwd=ROOT, check=True
    )

    made = {path.name for path in tmp_path.iterdir()}
    assert made == set(COMPOSE["secrets"])
    assert all(
        secret["file"] == f"infra/docker/secrets/{name}"
        for name, secret in COMPOSE["secrets"].items()
    )
    assert len(grants_of(ROOT)) == sum(name.endswith("-database-url") for name in made)


def test_triggers_and_routes_are_read_from_the_manifests() -> None:
    for name in MANY:
        assert SERVICES[name]["command"][1:3] == ["/manifests", "--services"]
        assert SERVICES[name]["volumes"] == ["./infra/knative/base:/manifests:ro"]
    # The job makes what the operator's image finds in the manifests it was built with.
    assert SERVICES["topics"]["command"] == ["topics"]
    assert topics_of(MANIFESTS.kafka_sources) == set(TOPICS)


def test_who_is_called_has_been_started_and_is_ready() -> None:
    sinks = {
        source.spec.sink.ref.name for source in MANIFESTS.kafka_sources if source.spec.sink.ref
    }
    sinks |= {
        source.spec.sink.ref.name for source in MANIFESTS.ping_sources if source.spec.sink.ref
    }

    assert set(SERVICES["dispatcher"]["depends_on"]) == sinks | {"keep-dead-letter"}
    for name in MANY:
        conditions = SERVICES[name]["depends_on"].values()
        assert all(one == {"condition": "service_healthy"} for one in conditions)


def test_nothing_of_ours_has_a_right_that_it_does_not_need() -> None:
    for name, service in SERVICES.items():
        if name not in SERVERS:
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not any(port for port in service.get("ports", ()) if "127.0.0.1:" not in port), name


def test_the_file_is_valid_by_the_schema_of_its_specification() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    command = [program("check-jsonschema"), *schema, str(FILE)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
