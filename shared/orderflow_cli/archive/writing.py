"""Writes an archive, and holds what was written against the database."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

import orjson

from orderflow.database.connection import Connection
from orderflow.errors import ConfigurationError
from orderflow.ids import uuid7
from orderflow_cli.archive.files import (
    MANIFEST,
    PARTIAL,
    SUFFIX,
    ArchivedFile,
    Manifest,
    described,
    read_lines,
    sync_folder,
    write_file,
    write_manifest,
)
from orderflow_cli.archive.sections import READ_AT_ONCE, SECTIONS, Section, rows_before
from orderflow_cli.progress import Advance

ROWS_PER_FILE = 20_000  # some 4 MB: a page of a book, not a book
MAX_FILES = 999_999  # of a section, as their names have six digits


def clear(folder: Path) -> None:
    """Empty the folder of what an archive left that was not written to its end.

    Raises `ConfigurationError` when there is anything else in it.
    """
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(PARTIAL)
        if not (name.endswith(SUFFIX) or name == MANIFEST) or not path.is_file():
            raise ConfigurationError(f"{path} is no file of an archive: name an empty folder")
        path.unlink()
    sync_folder(folder)


def write_archive(
    connection: Connection, folder: Path, before: datetime, follows: str | None, advance: Advance
) -> Manifest | None:
    """Write whatever was over before a time, and the manifest; `advance` hears of each file.

    Returns None, and leaves nothing behind, when nothing was.
    """
    files = [
        file
        for section in SECTIONS
        for file in _write_section(connection, folder, section, before, advance)
    ]
    made = Manifest(archive_id=uuid7(), follows=follows, before=before, files=files)
    if not any(made.rows(section.name) for section in SECTIONS if section.take is not None):
        clear(folder)
        return None
    write_manifest(folder, made)
    return made


def _write_section(
    connection: Connection, folder: Path, section: Section, before: datetime, advance: Advance
) -> Iterator[ArchivedFile]:
    rows, written = rows_before(connection, section, before), 0
    for number in range(1, MAX_FILES + 1):
        count = write_file(folder, section.name, number, islice(rows, ROWS_PER_FILE))
        if not count:
            return
        yield described(folder, section.name, number, count)
        written += count
        advance(written, written)
    raise ConfigurationError(f"there is more than {MAX_FILES} files hold: archive an earlier time")


def compare(connection: Connection, folder: Path, manifest: Manifest, advance: Advance) -> None:
    """Read the archive back and hold each line against what the database says now.

    Raises `ConfigurationError` at the first that differs: then nothing may be deleted.
    """
    done, total = 0, sum(file.rows for file in manifest.files)
    for section in SECTIONS:
        files = manifest.of(section.name)
        lines = chain.from_iterable(read_lines(folder, file) for file in files)
        while batch := list(islice(lines, READ_AT_ONCE)):
            ids = [orjson.loads(line)[section.key] for line in batch]
            stored = dict(connection.run(section.read, ids=ids))
            for number, line in zip(ids, batch, strict=True):
                if stored.get(number) != line:
                    what = f"{section.name}, {section.key} {number}"
                    raise ConfigurationError(
                        f"{folder} and the database differ in {what}: nothing was deleted; "
                        "empty the folder and begin again"
                    )
            done += len(batch)
            advance(done, total)
