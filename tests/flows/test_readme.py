"""What the READMEs tell a newcomer to type does what they say."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from knative_local.ports import LOOPBACK, free_port
from orderflow_cli.project import groups_of, kafka_sources
from tests.support.commands import orderflow
from tests.support.shop import ROOT, STOPPED_WITHIN_S, Shop, clean_environment, open_shop, reference
from tests.support.waiting import DEADLINE_S, eventually

SESSION = (ROOT / "README.md").read_text().partition("## A session")[2].partition("\n## ")[0]
ADDING = (ROOT / "functions" / "README.md").read_text()
HTTP, _, KAFKA = ADDING.partition("## On Kafka")
ALONE = ADDING.partition("## One function alone")[2]

pytestmark = pytest.mark.any_broker


def files(text: str) -> dict[str, str]:
    """The files that a text shows, by their path."""
    return dict(re.findall(r"`(functions/\S+)`:\n\n```\w+\n(.*?)```", text, re.DOTALL))


def commands(text: str) -> list[str]:
    """What a text tells to type into a shell."""
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, to which both functions were added as the README says."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "functions", folder / "functions")
    shutil.copytree(ROOT / "infra" / "knative", folder / "infra" / "knative")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    for path, text in files(ADDING).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    for part in (HTTP, KAFKA.partition("## One function alone")[0]):
        for command in commands(part):
            subprocess.run(["sh", "-ec", command], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def shop(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """That copy, running."""
    options = ["--project", str(checkout), "--watch"]
    with open_shop(tmp_path_factory.mktemp("shop") / "data", options=options) as running:
        yield running


def told(printed: str) -> set[tuple[str, str]]:
    """The members of a printed answer, but for those that differ each time."""
    members = re.findall(r'"(\w+)":("[^"]*"|\d+)', printed)
    return {(name, value) for name, value in members if name != "change_id"}


def test_the_session_is_what_happens(shop: Shop) -> None:
    typed = re.findall(
        r"^\$ (?:sleep 1; )?(curl (?:.*\\\n)*.*)\n((?:[{ ].*\n)+)", SESSION, re.MULTILINE
    )
    assert len(typed) == 4

    for command, printed in typed:
        here = command.replace("http://127.0.0.1:8080", shop.url)

        def answers(here: str = here, printed: str = printed) -> bool:
            done = subprocess.run(
                ["sh", "-c", f"{here} -sS"], capture_output=True, text=True, check=False
            )
            return told(printed) <= told(done.stdout)

        # A call that changes something is made once; what comes of it is looked for again.
        assert answers() if " POST " in here else eventually(answers)


def test_the_function_for_http_answers(shop: Shop) -> None:
    order_id = shop.placed("backordered", item=reference("item"), quantity=1)

    answer = shop.call("GET", "/oldest-order")

    assert (answer.status_code, answer.json()["status"]) == (200, "backordered")
    shop.patch(order_id, "cancelled")
    assert shop.call("GET", "/oldest-order").status_code == 404


def test_a_function_restarts_when_its_folder_changes(shop: Shop, checkout: Path) -> None:
    def status() -> int:
        return shop.call("GET", "/oldest-order").status_code

    main = checkout / "functions" / "oldest_order" / "main.py"
    plain = main.read_text()
    assert status() == 404

    # Longer, too: for Python a compiled file is up to date when it names the same second and size.
    main.write_text(plain.replace("NotFound", "Conflict") + "# changed\n")
    eventually(lambda: status() == 409)
    main.write_text(plain)
    eventually(lambda: status() == 404)


def test_the_subscriber_takes_one_type_and_leaves_the_others(shop: Shop, checkout: Path) -> None:
    item, log = reference("item"), shop.data / "logs" / "note-shipped.log"
    shop.stock(item, 2)
    order_ids = [shop.placed("confirmed", item=item, quantity=1) for _ in range(2)]

    assert shop.patch(order_ids[0], "shipped").status_code == 200

    shipped = f'"order_id":"{order_ids[0]}","event":"shipped"'
    eventually(lambda: shipped in log.read_text())
    status = ["status", "--data", shop.data, "--project", checkout]
    eventually(lambda: set(json.loads(orderflow(*status).stdout)["consumer_lag"].values()) == {0})
    assert order_ids[1] not in log.read_text()
    assert shop.call("GET", "/dead-letters").json() == []


def test_each_source_has_a_group_of_its_own(checkout: Path) -> None:
    sources = kafka_sources(checkout)

    assert len(groups_of(sources)) == len(sources) == 3


def test_a_function_runs_alone_with_what_up_prints(shop: Shop, checkout: Path) -> None:
    eventually(lambda: "export KAFKA_" in shop.printed.read_text())
    exports = re.findall(r"^ *(export .+)$", shop.printed.read_text(), re.MULTILINE)
    (command,) = commands(ALONE)
    port = free_port()
    typed = "\n".join([*exports, f"exec {command.replace('9090', str(port))}"])
    running = subprocess.Popen(
        ["sh", "-ec", typed], cwd=checkout, env=clean_environment(), start_new_session=True
    )

    def answers() -> bool:
        try:
            found = httpx.get(f"http://{LOOPBACK}:{port}/", timeout=DEADLINE_S)
        except httpx.TransportError:
            return False
        return found.status_code in {200, 404}

    try:
        assert eventually(answers)
    finally:
        running.terminate()
        running.wait(STOPPED_WITHIN_S)


def test_the_subscriber_of_the_readme_is_that_of_the_functions() -> None:
    adding = (ROOT / "README.md").read_text().partition("## Adding a function")[2]
    (shown,) = re.findall(r"```python\n(.*?)```", adding, re.DOTALL)

    assert shown in files(KAFKA)["functions/note_shipped/main.py"]
