"""Who reaches a function in the cluster, and what each may do on Kafka."""

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from knative_local.gateway.problems import Problem
from knative_local.gateway.routing import RouteTable
from knative_local.manifests.loader import load_manifests
from orderflow.config import ConsumerSettings
from orderflow_cli.project import groups_of
from orderflow_cli.roles.grants import grants_of
from orderflow_cli.topics import TOPICS

ROOT = Path(__file__).parents[2]
BASE = ROOT / "infra" / "knative" / "base"
USERS = ROOT / "infra" / "knative" / "components" / "kafka-users"
LOADED = load_manifests([BASE])
# What a sink is: Knative's sources, and nobody else, call these.
SINKS = [source.spec.sink for source in LOADED.kafka_sources]
SINKS += [source.spec.sink for source in LOADED.ping_sources]
EVENT_FUNCTIONS = {sink.ref.name for sink in SINKS if sink.ref is not None} | {"keep-dead-letter"}


def documents(*paths: Path) -> list[dict[str, Any]]:
    return list(chain.from_iterable(yaml.safe_load_all(path.read_text()) for path in paths))


POLICIES = {
    policy["metadata"]["name"]: policy["spec"]
    for policy in documents(BASE / "network-policies.yaml")
}


def callers(policy: str) -> set[str]:
    """The namespaces that it lets in."""
    found = set()
    for rule in POLICIES[policy].get("ingress", ()):
        for source in rule["from"]:
            selector = source["namespaceSelector"]
            assert selector, "an empty selector lets everyone in"
            found |= set(selector.get("matchLabels", {}).values())
            for expression in selector.get("matchExpressions", ()):
                assert (expression["key"], expression["operator"]) == (
                    "kubernetes.io/metadata.name",
                    "In",
                )
                found |= set(expression["values"])
    return found


def test_nobody_reaches_a_pod_unless_another_policy_says_so() -> None:
    assert POLICIES["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert all(spec["policyTypes"] == ["Ingress"] for spec in POLICIES.values())


def test_functions_are_reached_through_knative_only() -> None:
    (selector,) = POLICIES["functions"]["podSelector"]["matchExpressions"]

    assert selector == {"key": "serving.knative.dev/service", "operator": "Exists"}
    assert callers("functions") == {"knative-serving", "kourier-system"}


def test_those_that_take_events_are_reached_by_who_delivers_them_too() -> None:
    (selector,) = POLICIES["event-functions"]["podSelector"]["matchExpressions"]

    assert set(selector["values"]) == EVENT_FUNCTIONS
    assert callers("event-functions") == {"knative-eventing"}


def test_prometheus_reads_metrics_and_no_other_pod_of_its_namespace_does() -> None:
    (selector,) = POLICIES["metrics"]["podSelector"]["matchExpressions"]
    (rule,) = POLICIES["metrics"]["ingress"]
    (source,) = rule["from"]

    assert selector == {"key": "serving.knative.dev/service", "operator": "Exists"}
    assert callers("metrics") == {"monitoring"}
    assert source["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}


@pytest.mark.parametrize("path", [b"/metrics", b"/healthz", b"/readyz"])
def test_no_route_leads_to_what_is_for_who_is_inside(path: bytes) -> None:
    routes = RouteTable(LOADED.routes)

    with pytest.raises(Problem) as refused:
        routes.find(b"orderflow.example", b"GET", path)

    assert refused.value.status == 404


def test_no_function_has_an_address_outside_of_the_cluster() -> None:
    for service in LOADED.services:
        visibility = service.metadata.labels.get("networking.knative.dev/visibility")
        assert visibility == "cluster-local", service.name


def test_no_route_leads_to_a_function_that_takes_events() -> None:
    routed = {
        backend.name
        for route in LOADED.routes
        for rule in route.spec.rules
        for backend in rule.backend_refs
    }

    assert routed
    assert routed & EVENT_FUNCTIONS == set()


def rights(file: str) -> dict[str, set[tuple[str, str, str]]]:
    """What each user may do: the kind and name of a resource, and the operation."""
    found: dict[str, set[tuple[str, str, str]]] = {}
    for user in documents(USERS / file):
        acls = user["spec"]["authorization"]["acls"]
        assert all(acl["resource"]["patternType"] == "literal" for acl in acls)
        assert all(acl.get("type", "allow") == "allow" for acl in acls)
        found[user["metadata"]["name"]] = {
            (acl["resource"]["type"], acl["resource"]["name"], operation)
            for acl in acls
            for operation in acl["operations"]
        }
    return found


def test_functions_that_publish_have_a_user_that_only_writes() -> None:
    publishing = {
        path.parent.name.replace("_", "-")
        for path in grants_of(ROOT).values()
        if path.parent.parent.name == "functions" and "outbox TO" in path.read_text()
    }
    users = rights("functions.yaml")

    assert users.keys() == publishing
    for name, allowed in users.items():
        assert {(kind, op) for kind, _, op in allowed} == {
            ("topic", "Describe"),
            ("topic", "Write"),
        }, name
        assert {topic for _, topic, _ in allowed} <= set(TOPICS)


def test_the_job_that_makes_topics_may_do_nothing_else() -> None:
    topics = {t for source in LOADED.kafka_sources for t in source.spec.topics} | set(TOPICS)

    assert rights("jobs.yaml") == {
        "topics": {("topic", topic, op) for topic in topics for op in ("Create", "Describe")}
    }


def test_each_source_has_a_user_that_reads_its_topics_as_its_group() -> None:
    users = rights("sources.yaml")

    assert len(users) == len(LOADED.kafka_sources)
    for source in LOADED.kafka_sources:
        reads = [("topic", topic) for topic in source.spec.topics]
        reads.append(("group", source.consumer_group))
        wanted = {(*resource, op) for resource in reads for op in ("Describe", "Read")}
        assert users[f"{source.name}-source"] == wanted


def test_who_shows_the_lag_sees_how_far_the_sources_are_and_no_event() -> None:
    resources = {("topic", topic) for s in LOADED.kafka_sources for topic in s.spec.topics}
    resources |= {("group", source.consumer_group) for source in LOADED.kafka_sources}

    assert rights("lag.yaml") == {"overview": {(*found, "Describe") for found in resources}}


def test_the_lag_that_is_shown_is_that_of_the_sources() -> None:
    assert ConsumerSettings().groups == groups_of(LOADED.kafka_sources)


@pytest.mark.parametrize("path", sorted(USERS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_component_has_every_file(path: Path) -> None:
    component = yaml.safe_load((USERS / "kustomization.yaml").read_text())

    assert path.name == "kustomization.yaml" or path.name in component["resources"]
