"""The project that is run: a folder with `functions/`, and manifests that describe them."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from knative_local.manifests.loader import load_manifests
from knative_local.manifests.sources import KafkaSource
from orderflow.errors import ConfigurationError
from orderflow_cli.topics import TOPICS

CHECKOUT = Path(__file__).parents[2]  # that this file is of, unless it was installed from a wheel
MANIFESTS = Path("infra", "knative", "base")


def project_folder(given: Path | None = None) -> Path:
    """Return the folder given, else the current one, else the checkout, whichever is a project.

    Raises `ConfigurationError` if none is.
    """
    for folder in [Path.cwd(), CHECKOUT] if given is None else [given]:
        if (folder / MANIFESTS).is_dir():
            return folder.resolve()
    what_to_do = "run this in a checkout of OrderFlow, or name one with --project FOLDER"
    raise ConfigurationError(f"there is no {MANIFESTS} in {given or Path.cwd()}: {what_to_do}")


def kafka_sources(given: Path | None = None) -> Sequence[KafkaSource]:
    """Return the KafkaSources of a project; none if none was given and there is none here."""
    try:
        manifests = load_manifests([project_folder(given) / MANIFESTS])
    except ConfigurationError:
        if given is not None:
            raise
        return ()
    return manifests.kafka_sources


def groups_of(sources: Sequence[KafkaSource]) -> dict[str, tuple[str, ...]]:
    """Return which topics each consumer group reads."""
    return {source.consumer_group: source.spec.topics for source in sources}


def topics_of(sources: Sequence[KafkaSource]) -> set[str]:
    """Return every topic that the library writes or a source reads."""
    return {*TOPICS, *chain.from_iterable(source.spec.topics for source in sources)}
