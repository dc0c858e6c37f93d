"""`orderflow contracts`: the files of the contract, made anew unless that breaks someone."""

from pathlib import Path

from orderflow_cli.contracts.files import breaks, documents, read, write
from orderflow_cli.output import say

FOLDER = Path("infra", "contracts")


def contracts_command(project: Path, *, breaking: bool) -> bool:
    """Write the files, or say what they would break; return whether they are written."""
    folder = project / FOLDER
    old, new = read(folder), documents()
    if not breaking and (found := [*breaks(old, new)]):
        say(*found, stderr=True)
        say("this breaks the contract: raise its first number, or give --breaking", stderr=True)
        return False
    write(folder, new)
    changed = [name for name, document in new.items() if old.get(name) != document]
    say(*([f"wrote {name}" for name in changed] or ["nothing to change"]))
    return True
