"""What a process has one of, each made on first use inside its event loop."""

from collections.abc import Sequence
from functools import cache, cached_property

from orderflow.auth.authentication import Authentication, authentication
from orderflow.config import settings
from orderflow.database.event import Event
from orderflow.database.worker import Worker
from orderflow.events.outbox import Outbox
from orderflow.http.outgoing import Outgoing
from orderflow.http.request_body import BodyReader
from orderflow.metrics.process import metrics
from orderflow.server.graceful_shutdown import on_shutdown


class Resources:
    """Reader of bodies, room for pages, worker of the database, the outbox, which publishes its
    commits, and who is let in.
    """

    def __init__(self) -> None:
        self.bodies = BodyReader()
        self.outgoing = Outgoing()
        self.has_reached_database = False

    @cached_property
    def worker(self) -> Worker:
        """The thread that talks to the database."""
        return Worker(settings().database_url, self._publish)

    @cached_property
    def outbox(self) -> Outbox:
        """The way to Kafka."""
        told = settings()
        made = Outbox(told.kafka_bootstrap_servers, self.worker, security=told.security)
        on_shutdown(made.flush)
        return made

    @cached_property
    def callers(self) -> Authentication:
        """Who calls over HTTP."""
        return authentication("ORDERFLOW_")

    @cached_property
    def senders(self) -> Authentication:
        """Who sends events."""
        return authentication("ORDERFLOW_EVENTS_", of_events=True)

    def _publish(self, events: Sequence[Event]) -> None:
        recorded = metrics().recorded
        for event in events:
            recorded.add(event.type)
        self.outbox.publish(events)


@cache
def resources() -> Resources:
    """Return this process's resources. A test makes them anew after `resources.cache_clear()`."""
    return Resources()


def worker() -> Worker:
    """Return the process's worker."""
    return resources().worker


def outbox() -> Outbox:
    """Return the process's outbox."""
    return resources().outbox
