"""Runs a program as an ordinary user when the runtime itself was started by root."""

import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path

from knative_local.errors import LocalRuntimeError

USER = "nobody"  # present on every Unix, owns nothing, may do nothing

# Capabilities that let a process read through folders of other users, least powerful first.
# Containers often hold only the second. (bit number in the kernel's mask, name)
_TRAVERSE = ((2, "dac_read_search"), (1, "dac_override"))


class PrivilegeError(LocalRuntimeError):
    """Started by root, but this machine has no way to run a child as another user."""


def as_ordinary_user(argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` as an ordinary user, or `argv` itself for one.

    PostgreSQL refuses to run as root. As `nobody` it would not find its own files when they lie
    below a folder that only root may enter (a home of mode 0700), so it keeps one ambient
    capability to pass. `access(2)` asks with the capabilities of the real user, hence the
    securebit that leaves them alone (capabilities(7), SECBIT_NO_SETUID_FIXUP).
    """
    if os.geteuid() != 0:
        return list(argv)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PrivilegeError("root needs `setpriv` (util-linux) to run PostgreSQL as nobody")
    group = str(pwd.getpwnam(USER).pw_gid)
    drop = [setpriv, "--reuid", USER, "--regid", group, "--clear-groups"]
    capability = _traverse_capability()
    if capability:
        drop += ["--securebits", "+no_setuid_fixup"]
        drop += ["--inh-caps", f"+{capability}", "--ambient-caps", f"+{capability}"]
    return [*drop, *argv]


def give(path: Path) -> None:
    """Make a folder belong to the user that `as_ordinary_user` runs programs as."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(USER)
        os.chown(path, user.pw_uid, user.pw_gid)


def _traverse_capability() -> str | None:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    held = int(line.split()[1], 16)
    return next((name for bit, name in _TRAVERSE if held >> bit & 1), None)
