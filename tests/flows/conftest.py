"""One OrderFlow for all the flows that leave it as they found it: a start takes seconds."""

from collections.abc import Iterator

import pytest

from tests.flows.shop import Shop, open_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """OrderFlow, run as `orderflow up` on a data directory of its own."""
    with open_shop(tmp_path_factory.mktemp("shop") / "data") as running:
        yield running
