"""`orderflow restore`: archives back into an empty database."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from orderflow.errors import ConfigurationError
from orderflow_cli.archive.files import check_files, read_manifest
from orderflow_cli.database import open_database
from orderflow_cli.output import say
from orderflow_cli.progress import bar
from orderflow_cli.restore.filling import (
    ANSWER_TIMEOUT_S,
    Archive,
    fill,
    in_order,
    refuse_occupied,
)


def restore_command(url: str, folders: Sequence[Path]) -> None:
    """Check archives whole, then store what they have; raises `ConfigurationError`."""
    archives = in_order([_archive_in(folder) for folder in folders])
    with open_database(url, answer_timeout_s=ANSWER_TIMEOUT_S) as connection:
        refuse_occupied(connection)
        with _bar("reading") as advance:
            files = sum(len(archive.manifest.files) for archive in archives)
            checked = 0
            for folder, manifest in archives:
                for _ in check_files(folder, manifest):
                    checked += 1
                    advance(checked, files)
        with _bar("storing") as advance:
            fill(connection, archives, advance)
    orders = sum(archive.manifest.rows("orders") for archive in archives)
    say(f"restored {orders:,} orders; `orderflow audit` proves them")


def _archive_in(folder: Path) -> Archive:
    if (manifest := read_manifest(folder)) is None:
        raise ConfigurationError(f"{folder} has no manifest, so it is no archive that was finished")
    return Archive(folder, manifest)


_bar = partial(bar, Console(stderr=True))
