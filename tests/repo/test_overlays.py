"""What a cluster is given: the base, and what each overlay makes of it."""

import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from knative_local.manifests.loader import load_manifests
from knative_local.manifests.service import Service
from tests.support.kustomize import KNATIVE, ROOT, rendered, rendered_text

Document = dict[str, Any]
BASE = load_manifests([KNATIVE / "base"])
OVERLAYS = ["kind", "production"]
FOLDERS = ["base", *(f"overlays/{name}{part}" for name in OVERLAYS for part in ("", "/jobs"))]
RENDERED = [
    *(f"knative/{folder}" for folder in (*FOLDERS, "overlays/kind-dev", "overlays/kind/servers")),
    *("openfaas", "openfaas/jobs"),
]
# CRDs and the check of them, which are beside a checkout in CI.
CHECK = ROOT.parent / "shared" / "bin" / "check-manifests"
MAX_CONNECTIONS = 97  # of PostgreSQL as it comes: 100, and three kept for its superuser
OTHER_CONNECTIONS = 10  # jobs, commands, whoever looks


def named(documents: list[Document], group: str, kind: str) -> dict[str, Document]:
    """The objects of one kind by name."""
    return {
        document["metadata"]["name"]: document
        for document in documents
        if document["kind"] == kind and document["apiVersion"].rpartition("/")[0] == group
    }


def functions(documents: list[Document]) -> dict[str, Document]:
    return named(documents, "serving.knative.dev", "Service")


def containers(documents: list[Document]) -> list[Document]:
    return [container for found in values_of(documents, "containers") for container in found]


def scale(service: Document, bound: str) -> int:
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    return int(annotations[f"autoscaling.knative.dev/{bound}-scale"])


def values_of(part: Any, key: str) -> Iterator[Any]:
    """Every value under this key, however deep."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == key:
                yield value
            yield from values_of(value, key)
    if isinstance(part, list):
        for element in part:
            yield from values_of(element, key)


def test_all_of_it_renders_to_what_the_schemas_take() -> None:
    text = "\n---\n".join(rendered_text(folder) for folder in RENDERED)
    if not CHECK.exists():
        pytest.skip("no schemas of Knative beside this checkout")

    command = [sys.executable, str(CHECK), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    # Strimzi's kinds have no schema here.
    unchecked = set(re.findall(r"not checked .*: \d+ x (\S+)", done.stdout))
    assert unchecked == {"kafka.strimzi.io/v1beta2"}


def test_every_file_of_the_base_is_in_it() -> None:
    kustomization = yaml.safe_load((KNATIVE / "base" / "kustomization.yaml").read_text())
    (generated,) = kustomization["configMapGenerator"]
    there = {path.name for path in (KNATIVE / "base").glob("*.yaml")}

    # Knative has no HTTPRoute: the gateway reads it.
    assert {*kustomization["resources"], "routes.yaml", "kustomization.yaml"} == there
    assert set(generated["files"]) <= there


def test_the_gateway_reads_the_routes_sources_and_functions_of_the_base(tmp_path: Path) -> None:
    maps = named(rendered("knative/overlays/kind"), "", "ConfigMap")
    ((name, manifests),) = [item for item in maps.items() if item[0].startswith("manifests-")]
    for file, text in manifests["data"].items():
        (tmp_path / file).write_text(text)

    read = load_manifests([tmp_path])

    assert read.routes == BASE.routes
    assert (read.kafka_sources, read.ping_sources) == (BASE.kafka_sources, BASE.ping_sources)
    assert read.services == BASE.services
    deployment = named(rendered("knative/overlays/kind"), "apps", "Deployment")["gateway"]
    assert {"name": name} in list(values_of(deployment, "configMap"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_runs_every_function_as_the_base_says(overlay: str) -> None:
    made = functions(rendered(f"knative/overlays/{overlay}"))

    assert made.keys() == {service.name for service in BASE.services}
    for service in BASE.services:
        spec = made[service.name]["spec"]["template"]["spec"]
        # The gateway keeps the limits of the base.
        assert spec["timeoutSeconds"] == service.revision.timeout_seconds
        assert spec["containerConcurrency"] == service.revision.container_concurrency
        assert tuple(spec["containers"][0]["args"]) == service.container.args


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_reads_the_topics_as_the_base_says(overlay: str) -> None:
    made = named(rendered(f"knative/overlays/{overlay}"), "sources.knative.dev", "KafkaSource")

    assert {
        name: (source["spec"]["topics"], source["spec"]["consumerGroup"])
        for name, source in made.items()
    } == {s.name: (list(s.spec.topics), s.consumer_group) for s in BASE.kafka_sources}


@pytest.mark.parametrize("folder", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_sources_and_functions_are_told_of_the_same_kafka(folder: str) -> None:
    documents = rendered(f"knative/{folder}")
    told = named(documents, "", "ConfigMap")["orderflow"]["data"]["kafka-bootstrap-servers"]
    sources = named(documents, "sources.knative.dev", "KafkaSource").values()

    assert [source["spec"]["bootstrapServers"] for source in sources] == [[told]] * len(sources)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_jobs_come_first_and_without_functions(overlay: str) -> None:
    jobs, rest = (rendered(f"knative/overlays/{overlay}{part}") for part in ("/jobs", ""))

    kinds = Counter(document["kind"] for document in jobs)
    others = {"ConfigMap", "Namespace", "NetworkPolicy"}
    assert set(kinds) - {"KafkaUser"} == others | {"CronJob", "Job"}
    assert not named(rest, "batch", "Job") | named(rest, "batch", "CronJob")
    for name in ("orderflow", "orderflow-kafka"):
        assert named(jobs, "", "ConfigMap")[name] == named(rest, "", "ConfigMap")[name]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_audit_of_every_night_is_one_that_the_command_takes(overlay: str) -> None:
    ((name, job),) = named(rendered(f"knative/overlays/{overlay}/jobs"), "batch", "CronJob").items()
    (container,) = containers([job])

    assert (name, job["spec"]["concurrencyPolicy"]) == ("audit", "Forbid")
    assert container["args"] == ["audit", "--by", "schedule"]
    assert container["image"].rpartition(":")[0].endswith("orderflow/operator")


def test_the_jobs_of_a_version_have_its_name() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    jobs = named(rendered("knative/overlays/production/jobs"), "batch", "Job")

    assert set(jobs) == {f"migrate-{version}", f"topics-{version}"}
    assert {c["image"].rpartition(":")[2] for c in containers(list(jobs.values()))} == {version}


@pytest.mark.parametrize("folder", FOLDERS[1:])
def test_every_image_has_a_tag(folder: str) -> None:
    images = [container["image"] for container in containers(rendered(f"knative/{folder}"))]
    tagged = re.compile(r"(\S+/)?orderflow/[a-z-]+:\S+")

    assert images
    assert [image for image in images if not tagged.fullmatch(image)] == []


def test_twice_all_replicas_still_get_a_database_connection() -> None:
    # Each has one, and while a version changes there are those of both.
    made = functions(rendered("knative/overlays/production"))
    told = {s.name for s in BASE.services if any(v.name == "DATABASE_URL" for v in s.container.env)}

    replicas = sum(scale(service, "max") for name, service in made.items() if name in told)

    assert 2 * replicas + OTHER_CONNECTIONS <= MAX_CONNECTIONS


@pytest.mark.parametrize("folder", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_a_function_has_no_fewer_replicas_than_it_may(folder: str) -> None:
    for name, service in functions(rendered(f"knative/{folder}")).items():
        assert scale(service, "min") <= scale(service, "max"), name


@pytest.mark.parametrize("service", BASE.services, ids=lambda service: service.name)
def test_a_function_says_how_it_is_run(service: Service) -> None:
    container, annotations = service.container, service.spec.template.metadata.annotations

    assert container.readiness_probe is not None
    assert container.liveness_probe is not None
    warm = annotations["autoscaling.knative.dev/min-scale"] != "0"
    # It would add to a start that somebody waits for.
    assert (container.startup_probe is not None) == warm
    assert container.resources["requests"].keys() == {"cpu", "memory"}
    assert container.security_context["readOnlyRootFilesystem"] is True
    assert [mount.mount_path for mount in container.volume_mounts] == ["/tmp"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_nobody_is_root_or_writes_beside_its_data(folder: str) -> None:
    for container in containers(rendered(f"knative/{folder}")):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True


def test_the_secrets_of_production_are_listed() -> None:
    settings = KNATIVE / "overlays" / "production" / "settings" / "kustomization.yaml"
    listed = settings.read_text().partition("apiVersion")[0]
    documents = [d for f in FOLDERS[3:] for d in rendered(f"knative/{f}")]
    asked = {
        reference["name"]
        for key in ("secretKeyRef", "secretRef")
        for reference in values_of(documents, key)
        if not reference.get("optional") or reference["name"].endswith("-kafka")
    } | {secret["secretName"] for secret in values_of(documents, "secret")}

    for name in asked:
        general = re.sub(r"^(?!owner|topics|orderflow)[a-z-]+?((?:-source)?-\w+)$", r"NAME\1", name)
        assert general in listed, name


def test_no_secret_is_in_a_file() -> None:
    for folder in RENDERED:
        assert not named(rendered(folder), "", "Secret")
