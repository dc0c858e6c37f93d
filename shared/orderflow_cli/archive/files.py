"""The files of an archive: gzipped lines of JSON, and a manifest that is written last.

Whatever is here is on the disk before the manifest says so: a folder without one is no archive.
"""

import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from orderflow.errors import ConfigurationError

SectionName = Literal["orders", "changes", "repairs", "openings"]

MANIFEST = "manifest.json"
PARTIAL = ".part"  # what is being written, until it is whole
SUFFIX = ".ndjson.gz"
COMPRESSION = 6  # zlib's own middle: a fifth of the size at 20 MB/s of a slow core
READ_AT_ONCE_BYTES = 1024 * 1024  # for a digest
MAX_LINE_BYTES = 64 * 1024 * 1024  # of an order of 100 lines with long names it is 1 MB


class ArchivedFile(BaseModel, frozen=True):
    """A file of an archive: `rows` lines, each an order, a change or an entry of the ledger."""

    name: Annotated[str, Field(pattern=r"^[a-z]+-\d{6}\.ndjson\.gz$")]
    section: SectionName
    rows: Annotated[int, Field(gt=0)]
    size_bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Manifest(BaseModel, frozen=True):
    """What an archive is: whatever was closed before a time, and the archive that it `follows`."""

    version: Literal[1] = 1
    archive_id: str
    follows: str | None
    before: AwareDatetime
    files: list[ArchivedFile]

    def of(self, section: SectionName) -> list[ArchivedFile]:
        """Return the files of a section, in their order."""
        return [file for file in self.files if file.section == section]

    def rows(self, section: SectionName) -> int:
        """Return how many lines a section has."""
        return sum(file.rows for file in self.of(section))


def write_file(folder: Path, section: SectionName, number: int, lines: Iterable[str]) -> int:
    """Write lines to a file of its own, to the disk; return how many. None makes no file."""
    path, rows = folder / f"{section}-{number:06}{SUFFIX}", 0
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("wb") as raw:
        with gzip.GzipFile(path.name, "wb", COMPRESSION, raw, mtime=0) as packed:
            for line in lines:
                packed.write(line.encode() + b"\n")
                rows += 1
        raw.flush()
        os.fsync(raw.fileno())
    if rows:
        partial.replace(path)
    else:
        partial.unlink()
    return rows


def described(folder: Path, section: SectionName, number: int, rows: int) -> ArchivedFile:
    """Return what the manifest says of a file that was written."""
    path = folder / f"{section}-{number:06}{SUFFIX}"
    size, digest = path.stat().st_size, digest_of(path)
    return ArchivedFile(name=path.name, section=section, rows=rows, size_bytes=size, sha256=digest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, which makes the folder an archive, to the disk."""
    partial = folder / (MANIFEST + PARTIAL)
    with partial.open("w") as file:
        file.write(manifest.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)  # the other files' names first
    partial.replace(folder / MANIFEST)
    sync_folder(folder)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest; None where there is none. Raises `ConfigurationError` for another."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        wrong = f"{folder / MANIFEST} is no manifest that this version reads: {error.errors()[0]}"
        raise ConfigurationError(wrong) from error


def check_files(folder: Path, manifest: Manifest) -> Iterator[ArchivedFile]:
    """Yield each file once it is what the manifest says; raises `ConfigurationError` if not."""
    for file in manifest.files:
        path, found = folder / file.name, None
        with suppress(FileNotFoundError):
            found = digest_of(path)
        if found != file.sha256:
            fault = "is missing" if found is None else "is not what its archive's manifest says"
            raise ConfigurationError(f"{path} {fault}: nothing was done")
        rows = sum(1 for _ in read_lines(folder, file))
        if rows != file.rows:
            raise ConfigurationError(f"{path} has {rows} lines, not {file.rows}: nothing was done")
        yield file


def read_lines(folder: Path, file: ArchivedFile) -> Iterator[str]:
    """Yield the lines of a file."""
    with gzip.open(folder / file.name, "rb") as packed:
        while line := packed.readline(MAX_LINE_BYTES):
            yield line.decode().removesuffix("\n")


def digest_of(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Have the names of a folder's files on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
