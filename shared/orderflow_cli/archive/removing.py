"""Deletes what is in an archive from the database, in small steps beside writers."""

import time
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson

from orderflow.database.connection import Connection, Json, retrying, statement
from orderflow.errors import Later
from orderflow_cli.archive.files import Manifest, read_lines
from orderflow_cli.archive.sections import SECTIONS, Section
from orderflow_cli.progress import Advance

FOLD_ENTRIES = statement(__file__, "fold_entries.sql")

AT_ONCE = 200  # orders a transaction: as many as a function's batch, so some 20 ms
REST = 1.0  # times as long as a step took nothing is done, so that writers have half of the disk
PASSES = 10  # over what others held: a repeated PATCH holds an order for milliseconds
PASS_PAUSE_S = 1.0


def remove(
    connection: Connection, folder: Path, manifest: Manifest, advance: Advance, rest: float = REST
) -> None:
    """Delete whatever the archive has; what is deleted already, by a run before, is passed over.

    Raises `Later` when others hold some of it all the time.
    """
    for _ in range(PASSES):
        if not remove_once(connection, folder, manifest, advance, rest):
            return
        time.sleep(PASS_PAUSE_S)
    raise Later("others hold some of these orders; run the same command again")


def remove_once(
    connection: Connection, folder: Path, manifest: Manifest, advance: Advance, rest: float
) -> int:
    """Go through the archive once and delete what nobody holds; return how much others hold."""
    removable = [section for section in SECTIONS if section.take is not None]
    left, done, total = 0, 0, sum(manifest.rows(section.name) for section in removable)
    for section in removable:
        for batch in _batches(folder, manifest, section):
            began = time.perf_counter()
            left += retrying(partial(remove_step, connection, manifest, section, batch))
            done += len(batch)
            advance(done, total)
            time.sleep((time.perf_counter() - began) * rest)
    return left


def _batches(folder: Path, manifest: Manifest, section: Section) -> Iterator[list[dict[str, Any]]]:
    files = manifest.of(section.name)
    lines = chain.from_iterable(read_lines(folder, file) for file in files)
    names = (section.key, *section.known_by)
    while batch := list(islice(lines, AT_ONCE)):
        rows = map(orjson.loads, batch)
        yield [{name: row[name] for name in names} for row in rows]


def remove_step(
    connection: Connection, manifest: Manifest, section: Section, given: list[dict[str, Any]]
) -> int:
    """Delete some rows in one transaction; return how many others hold.

    Their movements become the opening balance of their items, so that stock stays the sum of its
    ledger at every commit.
    """
    with connection.transaction():
        told = {"given": Json(given), "archive_id": manifest.archive_id}
        found = connection.value(section.take or "", **told)
        if found["entries"]:
            before = f"{manifest.before:%Y-%m-%d %H:%M} UTC"
            connection.run(FOLD_ENTRIES, entries=found["entries"], before=before)
        if found["taken"] and section.delete is not None:
            connection.run(section.delete, taken=found["taken"])
    return int(found["left"])
