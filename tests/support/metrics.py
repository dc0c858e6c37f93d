"""Samples of /metrics, read as Prometheus reads them."""

from itertools import chain
from typing import NamedTuple

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families

ACCEPT = {"accept": "application/openmetrics-text; version=1.0.0"}

Series = tuple[str, frozenset[tuple[str, str]]]


class Samples(NamedTuple):
    """The values of one scrape, and the text that they are read from."""

    values: dict[Series, float]
    text: str

    @classmethod
    def of(cls, text: str) -> "Samples":
        """Read the text; raises ValueError where it is no OpenMetrics."""
        families = text_string_to_metric_families(text)
        samples = chain.from_iterable(family.samples for family in families)
        return cls({(s.name, frozenset(s.labels.items())): s.value for s in samples}, text)

    def since(self, before: "Samples") -> "Samples":
        """Return by how much they grew."""
        grown = {key: value - before.values.get(key, 0.0) for key, value in self.values.items()}
        return Samples(grown, self.text)

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of what has this name and these labels."""
        wanted = labels.items()
        return sum(v for (n, own), v in self.values.items() if n == name and wanted <= own)


async def scrape(client: httpx.AsyncClient) -> Samples:
    """Scrape a function."""
    response = await client.get("/metrics", headers=ACCEPT)
    assert response.status_code == 200, response.text
    return Samples.of(response.text)
