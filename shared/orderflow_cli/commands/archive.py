"""`orderflow archive`: closed orders into files, and out of the database."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from rich.console import Console

from orderflow.config import RetentionSettings, read
from orderflow.database.connection import Connection
from orderflow.errors import ConfigurationError
from orderflow_cli.archive.files import Manifest, check_files, read_manifest
from orderflow_cli.archive.record import begin, finish, newest_archive
from orderflow_cli.archive.removing import remove
from orderflow_cli.archive.writing import clear, compare, write_archive
from orderflow_cli.database import open_database
from orderflow_cli.output import say
from orderflow_cli.progress import bar

SETTLED_AFTER = timedelta(minutes=1)  # by then a transaction that took an earlier time has ended


def archive_command(url: str, before: datetime, folder: Path) -> None:
    """Archive what was closed before a time into a folder; a run that was killed is finished.

    Raises `ConfigurationError` with what to do when it can't be done.
    """
    before = before.replace(tzinfo=before.tzinfo or UTC).astimezone(UTC)
    refuse_young(before, datetime.now(UTC))
    with open_database(url) as connection, _locked(folder):
        if (manifest := prepare(connection, folder, before)) is None:
            say(f"nothing to archive was closed before {before:%Y-%m-%d %H:%M} UTC")
            return
        with _bar("deleting") as advance:
            remove(connection, folder, manifest, advance)
        finish(connection, manifest)
    counts = ((manifest.rows(name), name) for name in ("orders", "changes", "repairs"))
    told = ", ".join(f"{count:,} {name}" for count, name in counts if count)
    say(f"archived {told} from before {before:%Y-%m-%d %H:%M} UTC in {folder}")


def refuse_young(before: datetime, now: datetime) -> None:
    """Raise `ConfigurationError` for a time of which repeats and events may still be under way."""
    days = read(RetentionSettings, "ORDERFLOW_").keep_orders_days
    latest = now - max(timedelta(days=days), SETTLED_AFTER)
    if before > latest:
        why = f"ORDERFLOW_KEEP_ORDERS_DAYS is {days}"
        raise ConfigurationError(f"--before is {latest:%Y-%m-%d %H:%M} UTC at the latest: {why}")


def prepare(connection: Connection, folder: Path, before: datetime) -> Manifest | None:
    """Write the archive and check it, or check the one that is there; then it is begun.

    Returns None when there is nothing to archive.
    """
    newest, manifest = newest_archive(connection), read_manifest(folder)
    if not newest.is_finished and (manifest is None or manifest.archive_id != newest.archive_id):
        again = f"run it again to its end, with --to {newest.folder}"
        raise ConfigurationError(f"an archive is not finished: {again}")
    if manifest is None:
        clear(folder)
        with _bar("writing") as advance:
            manifest = write_archive(connection, folder, before, newest.archive_id, advance)
    if manifest is None:
        return None
    if manifest.before != before:
        other = f"an archive of before {manifest.before:%Y-%m-%d %H:%M}"
        raise ConfigurationError(f"{folder} is {other}: name another folder")
    with _bar("reading back") as advance:
        for number, _ in enumerate(check_files(folder, manifest), 1):
            advance(number, len(manifest.files))
    if manifest.archive_id != newest.archive_id:
        with _bar("comparing") as advance:
            compare(connection, folder, manifest, advance)
        begin(connection, folder, manifest)
    return manifest


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder and keep others from it; the lock is gone with this process."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigurationError(f"another `orderflow archive` writes to {folder}") from error
    finally:
        os.close(descriptor)


_bar = partial(bar, Console(stderr=True))
