"""What the process at hand logs."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import orjson
import pytest

from orderflow import logs

Lines = Callable[[], list[dict[str, object]]]


@contextmanager
def log_lines() -> Iterator[Lines]:
    """Make the log anew during the block; yields what reads the lines that were written to it."""
    written = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "BufferedWriter", lambda _: written)
        logs.logger.cache_clear()
        yield lambda: [orjson.loads(line) for line in written.getvalue().splitlines()]
    logs.logger.cache_clear()
