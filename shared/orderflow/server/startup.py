"""Whether a function may start at all: the first thing in its process after the fork."""

import gc
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from orderflow.errors import ConfigurationError
from orderflow.metrics.sharing import shared_numbers
from orderflow.server.graceful_shutdown import lifespan

# After so long a busy event loop lets the threads of the database and of Kafka's reports have the
# interpreter. Python's own 5 ms are longer than a transaction, and cost a tenth of the throughput.
SWITCH_INTERVAL_S = 0.0005
WORKER_BOOT_ERROR = 3  # gunicorn's exit status for a worker that another one wouldn't help


def lifespan_of(
    name: str, check: Callable[[], object]
) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """Return the lifespan of a function that ends its process if `check` raises.

    That is a `ConfigurationError`, whose line is all that is printed: of an exception the server
    would print a page.
    """

    @asynccontextmanager
    async def checked(app: object) -> AsyncIterator[None]:
        try:
            check()
        except ConfigurationError as error:
            sys.stderr.write(f"{name}: {error}\n")
            sys.stderr.flush()
            os._exit(WORKER_BOOT_ERROR)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.freeze()  # what a start makes stays: it is not to be looked through again
        async with shared_numbers(), lifespan(app):
            yield

    return checked
