"""The command that runs one KafkaSource in a process of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from knative_local.child import child_command
from knative_local.manifests.sources import KafkaSource

READY_EVENT = "source.ready"


def source_command(
    manifests: Sequence[Path], source: KafkaSource, kafka: str | None, resolve: Mapping[str, str]
) -> list[str]:
    """`kafka` replaces the manifest's bootstrap servers; `resolve`: where each Service is."""
    options = ["--name", f"{source.namespace}/{source.name}"]
    options += ["--kafka", kafka] if kafka else []
    return child_command("knative_local.kafka_source", manifests, resolve, *options)
