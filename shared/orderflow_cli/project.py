"""The project that is run: a folder with `functions/`, and `infra/knative` that describes them."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from knative_local.manifests.kafka_source import KafkaSource
from knative_local.manifests.loader import load_manifests
from orderflow.errors import ConfigurationError
from orderflow_cli.topics import TOPICS

CHECKOUT = Path(__file__).parents[2]  # that this file is of, unless it was installed from a wheel
MANIFESTS = Path("infra", "knative")


def find_project(given: Path | None = None) -> Path | None:
    """Return the folder given, else the current one, else the checkout; None if none is a project.

    Raises `ConfigurationError` if the one given is none.
    """
    for folder in [Path.cwd(), CHECKOUT] if given is None else [given]:
        if (folder / MANIFESTS).is_dir():
            return folder.resolve()
    if given is not None:
        raise ConfigurationError(f"{given} is no project: there is no {MANIFESTS} in it")
    return None


def project_folder(given: Path | None = None) -> Path:
    """Return the project's folder; raises `ConfigurationError` if there is none."""
    if found := find_project(given):
        return found
    missing = f"no {MANIFESTS} here, and none was installed"
    what_to_do = "run this in a checkout of OrderFlow, or name one with --project FOLDER"
    raise ConfigurationError(f"{missing}: {what_to_do}")


def kafka_sources(given: Path | None = None) -> Sequence[KafkaSource]:
    """Return the KafkaSources of a project, none where there is none."""
    project = find_project(given)
    return load_manifests([project / MANIFESTS]).kafka_sources if project else ()


def groups_of(sources: Sequence[KafkaSource]) -> dict[str, tuple[str, ...]]:
    """Return which topics each consumer group reads."""
    return {source.consumer_group: source.spec.topics for source in sources}


def topics_of(sources: Sequence[KafkaSource]) -> set[str]:
    """Return every topic that the library writes or a source reads."""
    return {*TOPICS, *chain.from_iterable(source.spec.topics for source in sources)}
