"""What ran before a migration runs on after it: functions are rolled out later, and rolled back."""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from orderflow.database.connection import Connection
from orderflow.database.migrate import FOLDER, migrate
from orderflow_cli.audit.proof import prove
from orderflow_cli.roles.grants import grant, grants_of
from tests.support.kafka_topics import announcement, produce
from tests.support.server_process import embedded_postgres
from tests.support.shop import ROOT, Shop, open_shop, reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.any_broker

NEWEST = max(FOLDER.glob("*.sql"))


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        # A download of the sources, or a clone of a few commits, has no past to try.
        missing = f"the history of the repository is missing: {done.stderr.decode().strip()}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return done.stdout


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it was when the newest migration came: the code that migrates under load."""
    path = str(NEWEST.relative_to(ROOT))
    came = git("log", "--diff-filter=A", "--format=%H", "-1", "--", path).decode().strip()
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=BytesIO(git("archive", f"{came}^" if came else "HEAD"))) as archive:
        archive.extractall(folder, filter="data")
    assert not (folder / path).exists()
    return folder


@pytest.fixture(scope="module")
def shop(previous: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The previous OrderFlow, all of it, on a database that is migrated by this one."""
    folder = tmp_path_factory.mktemp("rollout")
    with embedded_postgres(folder) as url, pytest.MonkeyPatch.context() as patch:
        migrate(url)
        assert grant(url, grants_of(ROOT))
        patch.setenv("PYTHONPATH", f"{previous / 'shared'}:{previous / 'infra'}")
        options = ["--project", str(previous)]
        with open_shop(folder / "data", postgres=url, options=options) as running:
            yield running


def test_the_functions_are_those_of_before(shop: Shop, previous: Path) -> None:
    pid = shop.component("create-order", "Service")["pid"]

    assert str(previous) in Path(f"/proc/{pid}/environ").read_text()
    assert [NEWEST.stem] in shop.query("SELECT name FROM migrations")


def test_they_take_orders_allocate_and_move_them(shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 3)
    taken = [shop.placed("confirmed", item=item, quantity=1) for _ in range(3)]
    waiting = shop.placed("backordered", item=item, quantity=1)

    assert shop.patch(taken[0], "cancelled").status_code == 200
    shop.await_status(waiting, "confirmed")
    assert shop.patch(taken[1], "shipped").status_code == 200

    shelf = shop.shelf(item)
    assert (shelf["on_hand"], shelf["reserved"]) == (2, 2)
    with closing(Connection(shop.servers[0])) as connection:
        proof = prove(connection, [*taken, waiting])
    assert proof.holds, proof


def test_they_keep_what_fails_and_send_it_again(shop: Shop) -> None:
    order_id = reference("missing")
    produce(shop.servers[1], announcement(order_id))

    kept = "SELECT position FROM dead_letters WHERE order_id = :id AND state = 'kept'"
    ((letter,),) = eventually(lambda: shop.query(kept, id=order_id))
    body = {"ids": [letter], "by": "Ada", "rate_per_s": 1000}
    assert shop.call("POST", "/dead-letters/redrive", body).status_code == 202
    came_back = "SELECT FROM redriven_letters WHERE letter = :id AND came_back_at IS NOT NULL"
    eventually(lambda: shop.query(came_back, id=letter), within_s=45)
