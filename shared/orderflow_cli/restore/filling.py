"""Fills an empty database from archives, all of it or nothing."""

from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import orjson

from orderflow.database.connection import Connection, Json, statement
from orderflow.errors import ConfigurationError
from orderflow_cli.archive.files import Manifest, SectionName, read_lines
from orderflow_cli.progress import Advance

BEGIN_RESTORE = statement(__file__, "begin_restore.sql")
SELECT_OCCUPIED = statement(__file__, "select_occupied.sql")
FINISH_RESTORE = statement(__file__, "finish_restore.sql")
INSERT: dict[SectionName, str] = {
    "orders": statement(__file__, "insert_orders.sql"),
    "changes": statement(__file__, "insert_changes.sql"),
    "repairs": statement(__file__, "insert_entries.sql"),
    "openings": statement(__file__, "insert_entries.sql"),
}

AT_ONCE = 500  # lines a statement: of orders of 100 lines with long names it is 30 MB
ANSWER_TIMEOUT_S = 3_700.0  # above the limit of a statement in begin_restore.sql


class Archive(NamedTuple):
    """An archive on the disk."""

    folder: Path
    manifest: Manifest


def in_order(archives: Sequence[Archive]) -> list[Archive]:
    """Return archives in the order in which they were made; raises `ConfigurationError` for a gap.

    The first may follow one that is not here: it knows the balances that this one left.
    """
    after = {archive.manifest.follows: archive for archive in archives}
    known = {archive.manifest.archive_id for archive in archives}
    first = [archive for archive in archives if archive.manifest.follows not in known]
    ordered = first[:1]
    while ordered and (following := after.get(ordered[-1].manifest.archive_id)):
        ordered.append(following)
    if len(ordered) < len(archives):
        names = ", ".join(str(archive.folder) for archive in archives if archive not in ordered)
        raise ConfigurationError(
            f"between {ordered[0].folder} and {names} an archive is missing, or one is named twice"
        )
    return ordered


def refuse_occupied(connection: Connection) -> None:
    """Raise `ConfigurationError` where the database has anything that an archive is about."""
    if found := [name for (name,) in connection.run(SELECT_OCCUPIED)]:
        raise ConfigurationError(
            f"the database has {', '.join(found)}: restore into an empty one, made by `createdb` "
            "and `orderflow migrate --postgres URL`"
        )


def fill(connection: Connection, archives: Sequence[Archive], advance: Advance) -> None:
    """Store what the archives have, all of it or nothing.

    Raises `ConfigurationError` when the database is not empty.
    """
    # Balances that the archives before the first left; of those that are here they are the sum.
    parts = [(a, s) for a in archives for s in INSERT if s != "openings" or a is archives[0]]
    done, total = 0, sum(archive.manifest.rows(section) for archive, section in parts)
    with connection.transaction():
        connection.script(BEGIN_RESTORE)
        refuse_occupied(connection)
        for (folder, manifest), section in parts:
            lines = chain.from_iterable(read_lines(folder, file) for file in manifest.of(section))
            while batch := list(islice(lines, AT_ONCE)):
                connection.run(INSERT[section], rows=Json([orjson.loads(line) for line in batch]))
                done += len(batch)
                advance(done, total)
        connection.run(FINISH_RESTORE)
