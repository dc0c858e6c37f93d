"""Nobody on this machine gets into the embedded PostgreSQL but who started it."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orderflow.database.connection import Connection
from orderflow_cli.postgres import server as postgres
from orderflow_cli.postgres.privileges import give
from tests.support.server_process import embedded_postgres

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root, by `setpriv`, can act as another user",
)

# What another user tries: each line it prints is something that it got.
INTRUDE = """
import os, socket, sys
from pathlib import Path
folder = Path(sys.argv[1])
with socket.socket(socket.AF_UNIX) as tried:
    try:
        tried.connect(str(folder / ".s.PGSQL.5432"))
        print("connected")
    except OSError:
        pass
pid = sys.argv[2]
for path in [folder, f"/proc/{pid}/cwd/", f"/proc/{pid}/root/", f"/proc/{pid}/mem"]:
    try:
        os.scandir(path) if Path(path).is_dir() else open(path, "rb")
        print("read", path)
    except OSError:
        pass
try:
    os.kill(int(pid), 0)
    print("may end it")
except OSError:
    pass
print("tried")
"""


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that every user may enter, so that nothing above keeps them out."""
    with tempfile.TemporaryDirectory(prefix="passable") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def pid_of(data_dir: Path) -> int:
    return int((data_dir / "postmaster.pid").read_text().split()[0])


def as_foreigner(*argv: str) -> subprocess.CompletedProcess[str]:
    user = ["setpriv", "--reuid", "nobody", "--regid", "65534", "--clear-groups"]
    return subprocess.run([*user, *argv], capture_output=True, text=True, timeout=30, check=False)


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def listening_sockets(pid: int) -> set[str]:
    """The TCP sockets that a process listens on, by their inodes."""
    held = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return {line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in held}


def test_another_user_neither_connects_nor_reads_nor_ends_it(passable: Path) -> None:
    with embedded_postgres(passable):
        data_dir = passable / "postgres"

        tried = as_foreigner(sys.executable, "-c", INTRUDE, str(data_dir), str(pid_of(data_dir)))

        assert (tried.stdout, tried.stderr) == ("tried\n", "")


def test_it_listens_on_no_port(passable: Path) -> None:
    with embedded_postgres(passable):
        assert listening_sockets(pid_of(passable / "postgres")) == set()


def test_it_runs_as_a_user_of_its_own_without_any_capability(passable: Path) -> None:
    with embedded_postgres(passable) as url, closing(Connection(url)) as connection:
        ((backend,),) = connection.run("SELECT pg_backend_pid()")

        for status in (status_of(pid_of(passable / "postgres")), status_of(backend)):
            held = [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]
            assert {int(mask, 16) for mask in held} == {0}
            assert status["NoNewPrivs"] == "1"
            with pytest.raises(KeyError):
                pwd.getpwuid(int(status["Uid"].split()[0]))


def test_its_own_superuser_runs_programs_that_read_nothing_of_root(passable: Path) -> None:
    secret = passable / "secret"
    secret.touch(mode=0o600)

    with embedded_postgres(passable) as url, closing(Connection(url)) as connection:
        connection.script("CREATE TEMPORARY TABLE got (line text)")
        connection.script(f"COPY got FROM PROGRAM 'cat {secret} && echo got it || echo refused'")

        assert connection.run("SELECT line FROM got") == [["refused"]]


@pytest.fixture
def trusting(passable: Path) -> Path:
    """The data folder of an earlier version: of `nobody`, open to every user by way of TCP."""
    data_dir = passable / "postgres"
    postgres.prepare(data_dir)
    give(data_dir, pwd.getpwnam("nobody").pw_uid)
    for name in ("pg_hba.conf", "pg_ident.conf"):
        (data_dir / name).write_text("")
    (data_dir / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
    return data_dir


def test_folder_of_an_earlier_version_is_closed_at_the_next_start(trusting: Path) -> None:
    target = trusting.with_name("of root")
    target.touch(mode=0o600)
    (trusting / "pg_hba.conf.new").symlink_to(target)
    (trusting / "planted").symlink_to(target)

    with embedded_postgres(trusting.parent) as url, closing(Connection(url)) as connection:
        rules = connection.run("SELECT type, auth_method FROM pg_hba_file_rules")
        intruded = as_foreigner(sys.executable, "-c", INTRUDE, str(trusting), str(pid_of(trusting)))

    assert rules == [["local", "peer"]]
    assert intruded.stdout == "tried\n"
    assert (target.stat().st_uid, target.read_text()) == (0, "")
    nobody = pwd.getpwnam("nobody").pw_uid
    assert {path.lstat().st_uid for path in trusting.rglob("*")}.isdisjoint({nobody})


def test_a_user_that_the_socket_lets_pass_is_still_refused(passable: Path) -> None:
    with embedded_postgres(passable) as url:
        (passable / "postgres").chmod(0o755)  # as if its folder were open to all

        refused = as_foreigner(
            *(sys.executable, "-c"),
            "import sys; from pathlib import Path; from contextlib import closing\n"
            "from orderflow.database.connection import Connection\n"
            f"Connection({url!r}).ping()",
        )

        assert refused.returncode != 0
        assert "Peer authentication failed" in refused.stderr
