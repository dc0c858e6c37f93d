"""`orderflow secrets`: the passwords and keys of an installation in containers, a file for each."""

import os
from collections.abc import Iterable
from pathlib import Path
from secrets import token_urlsafe

from orderflow_cli.development_tokens import new_senders
from orderflow_cli.postgres.server import SUPERUSER
from orderflow_cli.roles.passwords import role_url

SECRET_BYTES = 32
# The folder keeps other users out. A file itself has to be readable: an engine shows it to a
# container as it is, and there another user has to read it.
FOLDER_MODE, FILE_MODE = 0o700, 0o444


def secrets_command(folder: Path, roles: Iterable[str], *, server: str) -> list[str]:
    """Make the files that are missing in a folder; return their names.

    `server` is the database's `host:port/name`, `roles` those with a URL of their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(FOLDER_MODE)
    password = _kept(folder / "postgres-password")
    senders = new_senders(_kept(folder / "senders-jwt-secret"))
    url = f"postgresql://{SUPERUSER}:{password}@{server}"
    contents = {
        "postgres-password": password,
        "postgres-url": url,
        "callers-jwt-secret": token_urlsafe(SECRET_BYTES),
        "senders-jwt-secret": senders.settings["ORDERFLOW_EVENTS_JWT_SECRET"],
        "senders-token": senders.token,
        **{f"{_dashed(role)}-database-url": role_url(url, role) for role in roles},
    }
    made = [name for name in contents if not (folder / name).exists()]
    for name in made:
        _write(folder / name, contents[name])
    return made


def _kept(path: Path) -> str:
    return path.read_text() if path.exists() else token_urlsafe(SECRET_BYTES)


def _dashed(role: str) -> str:
    return role.removeprefix("orderflow_").replace("_", "-")


def _write(path: Path, text: str) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(opened, "w") as file:
        file.write(text)
        os.fchmod(opened, FILE_MODE)
