"""One server process for the length of a `with` block, without a supervisor."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import Signals

from knative_local.errors import LocalRuntimeError
from orderflow_cli.postgres import server as postgres
from orderflow_cli.postgres.orphans import end_orphan

READY_TIMEOUT_S = 30.0  # PostgreSQL recovering from a crash is the slowest of ours
STOP_TIMEOUT_S = 10.0  # per signal; the shutdown checkpoint of a small database takes far less
POLL_INTERVAL_S = 0.02


class NotReadyError(LocalRuntimeError):
    """A server process ended, or did not answer in time; the message names its log."""


@contextmanager
def running(
    argv: Sequence[str],
    ready: Callable[[], bool],
    *,
    log_path: Path,
    stop_signals: Sequence[Signals],
    cwd: Path | None = None,
) -> Iterator[int]:
    """Run `argv` until the block ends; yield its pid once `ready()` is true.

    Output goes to `log_path`. The end is asked for with each of `stop_signals` in turn and
    enforced by SIGKILL. Raises NotReadyError when the process ends or stays silent for 30 s.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _await_ready(child, ready, log_path)
        yield child.pid
    finally:
        _stop(child, stop_signals)


def _await_ready(child: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not ready():
        if child.poll() is not None:
            raise NotReadyError(f"{child.args!r} ended with {child.returncode}; see {log}")
        if time.monotonic() > deadline:
            raise NotReadyError(f"{child.args!r} is not ready after {READY_TIMEOUT_S} s")
        time.sleep(POLL_INTERVAL_S)


def _stop(child: subprocess.Popen[bytes], signals: Sequence[Signals]) -> None:
    for signal in signals:
        child.send_signal(signal)
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            continue
        return
    child.kill()
    child.wait()


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """Serve the database kept in `folder`/postgres during the block; yield its URL."""
    data_dir = folder / "postgres"
    folder.mkdir(parents=True, exist_ok=True)
    postgres.prepare(data_dir)
    try:
        with running(
            postgres.server_command(data_dir),
            lambda: postgres.accepts_connections(data_dir),
            cwd=data_dir,
            log_path=folder / "logs" / "PostgreSQL.log",
            stop_signals=postgres.STOP_SIGNALS,
        ):
            yield postgres.url(data_dir)
    finally:
        end_orphan(data_dir)  # what is left of a server that was killed meanwhile
