"""Folders and files of the runtime's own, that no other user reads, changes or puts links into."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from knative_local.errors import LocalRuntimeError

FOLDER_MODE, FILE_MODE = 0o700, 0o600
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def private_folder(folder: Path) -> None:
    """Make a folder, and keep all others out of it.

    Raises LocalRuntimeError for one that another user has a hand in, and for a link.
    """
    if not folder.is_symlink():
        folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise LocalRuntimeError(f"{folder} is no folder that this user can have") from error
    try:
        found = os.fstat(opened)
        if found.st_uid != os.geteuid():
            raise LocalRuntimeError(f"{folder} belongs to another user: choose another folder")
        if found.st_mode & OTHERS_MAY_WRITE:
            way_out = f"take that from them (chmod 700 {folder}) or choose another folder"
            raise LocalRuntimeError(f"other users may write to {folder}: {way_out}")
        os.fchmod(opened, FOLDER_MODE)
    finally:
        os.close(opened)


def open_private(path: Path, flags: int) -> int:
    """Open or make a file that only this user reads; raises OSError where there is a link."""
    opened = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    os.fchmod(opened, FILE_MODE)  # it may be of an earlier version
    return opened


def append_private(path: Path) -> BinaryIO:
    """Open a private file to append to it, without a buffer."""
    return os.fdopen(open_private(path, os.O_WRONLY | os.O_APPEND), "ab", buffering=0)


def replace_private(path: Path, text: str) -> None:
    """Give a private file this content at once: a reader sees the old one or the new one."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(open_private(unfinished, os.O_WRONLY | os.O_EXCL), "w") as file:
        file.write(text)
    unfinished.replace(path)
