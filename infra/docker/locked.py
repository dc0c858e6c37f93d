"""Prints the part of requirements.lock, hashes and all, that an image installs.

python locked.py requirements.lock function.txt
"""

import re
import sys
from pathlib import Path

PINNED = re.compile(r"^(\S+?)(?:\[\S+\])?==.*\n(?:[ #].*\n)*", re.MULTILINE)


def names(listed: str) -> set[str]:
    """Return the distributions that a list names, one a line, comments aside."""
    return {line.partition("#")[0].strip() for line in listed.splitlines()} - {""}


def locked(lock: str, wanted: set[str]) -> str:
    """Return their lines; raises SystemExit for what the lock lacks."""
    found = {line[1]: line[0] for line in PINNED.finditer(lock)}
    if missing := sorted(wanted - found.keys()):
        sys.exit(f"not in the lock: {', '.join(missing)}")
    return "".join(found[name] for name in sorted(wanted))


if __name__ == "__main__":
    lock_file, list_file = map(Path, sys.argv[1:])
    sys.stdout.write(locked(lock_file.read_text(), names(list_file.read_text())))
