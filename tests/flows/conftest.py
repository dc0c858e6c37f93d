"""One OrderFlow for all the flows that leave it as they found it: a start takes seconds."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.brokers import Broker, Embedded, OpenBroker
from tests.support.shop import NewShop, Shop, open_shop


@pytest.fixture(scope="session")
def new_shop(
    broker_kind: type[Broker], open_broker: OpenBroker, tmp_path_factory: pytest.TempPathFactory
) -> NewShop:
    """Makes an OrderFlow for the length of a block, run as `orderflow up` on data of its own.

    The embedded broker it runs itself; of another, which nobody else uses, it is told.
    """

    @contextmanager
    def opened() -> Iterator[Shop]:
        with ExitStack() as servers:
            data = tmp_path_factory.mktemp("shop") / "data"
            own = broker_kind is Embedded
            kafka = None if own else servers.enter_context(open_broker()).address
            yield servers.enter_context(open_shop(data, kafka=kafka))

    return opened


@pytest.fixture(scope="session")
def shop(new_shop: NewShop) -> Iterator[Shop]:
    """The shared one; whatever was tried on it, the audit holds at the end."""
    with new_shop() as running:
        yield running
        proof = running.proof([])
        assert proof.holds, proof
