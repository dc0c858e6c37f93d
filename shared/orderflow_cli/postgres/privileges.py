"""Runs PostgreSQL, which refuses root, as a user of its own that may do nothing else.

A user that others share, as `nobody` is, could be told by any of their programs to read the files
or to end the server.
"""

import hashlib
import os
import pwd
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from knative_local.errors import LocalRuntimeError

# The numbers that systemd keeps for users made up for one service: no account has one of them.
# https://systemd.io/UIDS-GIDS/
UIDS = range(61_184, 65_520)
NAMED_USER = "nobody"  # for initdb alone, which refuses a user that has no name
PROGRAMS = Path("/var/cache/orderflow")  # of root, where every user may read
OWN_FOLDER = "/proc/self/cwd"  # a folder that is reached without passing the folders above it


class PrivilegeError(LocalRuntimeError):
    """Started by root, but this machine has no way to run a child as another user."""


def server_user(data_dir: Path) -> int:
    """Return the number of the user that serves this folder: ours, or for root a made-up one."""
    if os.geteuid() != 0:
        return os.geteuid()
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).digest()
    return UIDS[int.from_bytes(digest[:8]) % len(UIDS)]


def named_user() -> int:
    """Return the user that may prepare a folder for the server; it has a name."""
    return pwd.getpwnam(NAMED_USER).pw_uid if os.geteuid() == 0 else os.geteuid()


def folder_argument(data_dir: Path) -> str:
    """Return how a program that is run in `data_dir` is told of it.

    The folder may lie below one that only root may enter, as a home of mode 0700 is.
    """
    return OWN_FOLDER if os.geteuid() == 0 else str(data_dir)


def as_user(uid: int, argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` as this user, without any capability to keep or gain."""
    if os.geteuid() != 0:
        return list(argv)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PrivilegeError("root needs `setpriv` (util-linux) to run PostgreSQL as another user")
    user = ["--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    return [setpriv, *user, "--inh-caps=-all", "--no-new-privs", *argv]


def give(folder: Path, uid: int) -> None:
    """Make a folder and all in it belong to a user; nothing that it links to."""
    if os.geteuid() != 0 or folder.lstat().st_uid == uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            os.chown(Path(parent, name), uid, uid, follow_symlinks=False)
    os.chown(folder, uid, uid, follow_symlinks=False)  # last: a change cut short is begun anew


def readable_by_all(installed: Path, version: str) -> Path:
    """Return where any user can run these programs: where they are, else in a copy made by root.

    `installed` is a folder of the package that its wheel put them in, beside their libraries.
    """
    if os.geteuid() != 0 or _all_may_read(installed / "bin" / "postgres"):
        return installed
    package = installed.parent
    libraries = package.with_name(f"{package.name}.libs")
    copy = PROGRAMS / f"postgres-{version}"
    if not copy.is_dir():
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(installed, unfinished / package.name / installed.name)
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        for path in (PROGRAMS, unfinished, *unfinished.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        with suppress(OSError):  # another process was faster
            unfinished.rename(copy)
    return copy / package.name / installed.name


def _all_may_read(program: Path) -> bool:
    may_pass = all(path.stat().st_mode & stat.S_IXOTH for path in program.resolve().parents)
    return may_pass and bool(program.stat().st_mode & stat.S_IROTH)
