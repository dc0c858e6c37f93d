"""Notices that files of a folder change, by looking."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from knative_local.supervisor.state_file import LOCK_FILE

LOOK_EVERY_S = 0.5
MAX_FILES = 10_000  # of more, the first ones are watched: a look takes half a second then
_PASSED_OVER = {"__pycache__", "node_modules", "venv"}


class FolderWatch:
    """Remembers what it saw last, so that nothing is missed between two calls of `changed`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._look()

    async def changed(self) -> None:
        """Return once a file is new, gone or another than at the last look."""
        while (now := await asyncio.to_thread(self._look)) == self._seen:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_S)
        self._seen = now

    def _look(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for folder, names, files in os.walk(self._folder):
            names[:] = [n for n in names if n not in _PASSED_OVER and not n.startswith(".")]
            if LOCK_FILE in files:  # a runtime's own data: its logs grow all the time
                names.clear()
                continue
            for path in (Path(folder, file) for file in files[: MAX_FILES - len(found)]):
                with suppress(OSError):  # it has just gone
                    found[str(path)] = path.stat().st_mtime_ns
        return found
