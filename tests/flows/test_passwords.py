"""The password of a PostgreSQL of one's own is shown nowhere."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orderflow.database.connection import Connection
from orderflow_cli.roles.grants import grants_of
from orderflow_cli.roles.passwords import role_password
from tests.support.commands import ROOT, orderflow, refused_up, said
from tests.support.server_process import embedded_postgres
from tests.support.shop import Shop, clean_environment, open_shop
from tests.support.waiting import eventually

PASSWORD = "pa55:w0rd"  # in a URL p a 5 5 % 3 A w 0 r d
ENCODED = "pa55%3Aw0rd"
pytestmark = pytest.mark.any_broker


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL that wants passwords."""
    folder = tmp_path_factory.mktemp("guarded")
    with embedded_postgres(folder) as url, closing(Connection(url)) as connection:
        connection.script(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'")
        (folder / "postgres" / "pg_hba.conf").write_text("local all all scram-sha-256\n")
        connection.script("SELECT pg_reload_conf()")
        yield url.replace("postgres@", f"postgres:{ENCODED}@")


@pytest.fixture(scope="module")
def shop(guarded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """OrderFlow on that PostgreSQL."""
    with open_shop(tmp_path_factory.mktemp("shop") / "data", postgres=guarded) as running:
        yield running


def secrets(url: str) -> list[str]:
    """Every password that is used: the one given, and those of the functions' roles."""
    own = [role_password(url, role) for role in grants_of(ROOT)]
    return [PASSWORD, ENCODED, *(word for word in own if word)]


def told(text: str, url: str) -> list[str]:
    return [word for word in secrets(url) if word in text]


def command_lines() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if path.parent.name != str(os.getpid()):
            try:
                found.append(path.read_text(errors="replace"))
            except OSError:  # it has just ended
                continue
    return "\n".join(found)


def test_what_is_printed_and_kept_has_no_password(shop: Shop, guarded: str) -> None:
    order_id = shop.placed("backordered", item="shown", quantity=1)
    outputs = [
        orderflow(*command, "--data", shop.data, ORDERFLOW_POSTGRES_URL=guarded)
        for command in (["ps"], ["audit"], ["explain", order_id], ["migrate"])
    ]

    assert [done.status for done in outputs] == [0] * len(outputs)
    assert told("".join(done.stdout + done.stderr for done in outputs), guarded) == []
    assert told(shop.printed.read_text(), guarded) == []
    kept = [path for path in shop.data.rglob("*") if path.is_file()]
    assert len(kept) > 10
    assert [path for path in kept if told(path.read_text(errors="replace"), guarded)] == []


def test_no_process_shows_it_in_its_command_line(shop: Shop, guarded: str) -> None:
    seen = command_lines()

    assert str(shop.data) in seen
    assert told(seen, guarded) == []


def test_each_function_logs_in_with_a_password_of_its_own(shop: Shop) -> None:
    def users() -> set[str]:
        return {name for (name,) in shop.query("SELECT usename FROM pg_stat_activity")}

    eventually(lambda: {"orderflow_create_order", "orderflow_sweep"} <= users())


def test_it_is_taken_from_a_file_that_others_do_not_read(guarded: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"{guarded}\n")
    file.chmod(0o600)

    assert orderflow("migrate", "--postgres", f"@{file}").status == 0

    file.chmod(0o644)
    assert said(orderflow("audit", "--postgres", f"@{file}")) == (
        f"others may read {file}: chmod 600 {file}"
    )


def test_on_a_command_line_it_is_refused(guarded: str) -> None:
    refused = refused_up("--postgres", guarded)

    assert "as ORDERFLOW_POSTGRES_URL, or in a file" in said(refused)
    assert told(refused.stderr, guarded) == []


@pytest.mark.parametrize(
    "wrong",
    [
        f"postgresql://postgres:{ENCODED}@localhost:port/postgres",
        f"mysql://postgres:{ENCODED}@localhost/postgres",
        f"postgresql://postgres:{ENCODED}@127.0.0.1:9/postgres",
        f"postgresql://postgres:{ENCODED}@[::1/postgres",
    ],
)
def test_an_error_does_not_tell_it(wrong: str) -> None:
    refused = orderflow("migrate", ORDERFLOW_POSTGRES_URL=wrong)

    assert refused.status == 1
    text = refused.stdout + said(refused)
    assert PASSWORD not in text
    assert ENCODED not in text


def test_a_wrong_one_is_refused_without_telling_either(guarded: str) -> None:
    wrong = {"ORDERFLOW_POSTGRES_URL": guarded.replace("w0rd", "w0rd2")}
    refused = subprocess.run(
        [sys.executable, "-m", "orderflow_cli", "audit"],
        env=clean_environment() | wrong,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "refuses that user, password or database name" in refused.stderr
    assert told(refused.stdout + refused.stderr, guarded) == []
