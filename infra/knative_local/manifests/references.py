"""References from sources and routes to Services, which must be in the manifests as well."""

from collections.abc import Iterator, Set

from knative_local.manifests.base import Destination, Resource
from knative_local.manifests.http_route import HTTPRoute
from knative_local.manifests.kafka_source import KafkaSource
from knative_local.manifests.ping_source import PingSource


def missing_service(found: Resource, services: Set[tuple[str, str]]) -> str | None:
    """The first reference to a Service that is not among `services` (namespace, name), as text."""
    for path, name, namespace in _targets(found):
        if (namespace or found.namespace, name) not in services:
            return f"{path}: no Service {name} in these manifests"
    return None


def _targets(found: Resource) -> Iterator[tuple[str, str, str | None]]:
    sinks: dict[str, Destination | None] = {}
    if isinstance(found, KafkaSource):
        sinks["spec.delivery.deadLetterSink.ref"] = found.spec.delivery.dead_letter_sink
    if isinstance(found, KafkaSource | PingSource):
        sinks["spec.sink.ref"] = found.spec.sink
    for path, sink in sinks.items():
        if sink is not None and sink.ref is not None:
            yield path, sink.ref.name, sink.ref.namespace
    if isinstance(found, HTTPRoute):
        for index, rule in enumerate(found.spec.rules):
            backend = rule.backend_refs[0]
            yield f"spec.rules[{index}].backendRefs[0]", backend.name, backend.namespace
