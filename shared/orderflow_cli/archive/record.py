"""What the database knows of its archives: which there are, and whether one is not finished."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from orderflow.database.connection import Connection, retrying, statement
from orderflow.errors import ConfigurationError
from orderflow_cli.archive.files import Manifest

SELECT_NEWEST = statement(__file__, "select_newest.sql")
BEGIN_ARCHIVE = statement(__file__, "begin_archive.sql")
FINISH_ARCHIVE = statement(__file__, "finish_archive.sql")


class Newest(NamedTuple):
    """The newest archive, and where it was written."""

    archive_id: str | None
    folder: str | None
    is_finished: bool


def newest_archive(connection: Connection) -> Newest:
    """Return the newest archive; one without an id when there is none."""
    rows = connection.run(SELECT_NEWEST)
    return Newest(*rows[0]) if rows else Newest(None, None, is_finished=True)


def begin(connection: Connection, folder: Path, manifest: Manifest) -> None:
    """Note that from here on things are deleted; raises `ConfigurationError` if another does."""
    told = {"archive_id": manifest.archive_id, "follows": manifest.follows}
    when = {"before": manifest.before.isoformat(), "folder": str(folder.absolute())}
    if not retrying(partial(connection.run, BEGIN_ARCHIVE, **told, **when)):
        again = "empty the folder and begin again"
        raise ConfigurationError(f"another archive has begun since this one was written: {again}")


def finish(connection: Connection, manifest: Manifest) -> None:
    """Note that all of an archive is deleted."""
    retrying(partial(connection.run, FINISH_ARCHIVE, archive_id=manifest.archive_id))
