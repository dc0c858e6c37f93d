"""The `orderflow` command, as a person and as a script use it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import yaml
from confluent_kafka.admin import AdminClient, NewTopic

from knative_local.ports import LOOPBACK, free_port
from knative_local.supervisor.spec import Command, program
from knative_local.supervisor.supervisor import Supervisor
from orderflow.audit.checks import CHECKS
from orderflow.database.connection import Connection
from orderflow_cli import project
from orderflow_cli.stack import WITHOUT_TOKENS
from orderflow_cli.topics import TOPICS, lag
from tests.support.brokers import OpenBroker
from tests.support.commands import orderflow, refused_up, said
from tests.support.impatient_project import ORDERS_ALONE, impatient_project
from tests.support.kafka_topics import Record, produce
from tests.support.processes import of_group
from tests.support.server_process import embedded_postgres
from tests.support.shop import (
    FUNCTIONS,
    ROOT,
    STOPPED_WITHIN_S,
    Shop,
    await_ready,
    clean_environment,
    reference,
    start,
)
from tests.support.waiting import DEADLINE_S, eventually

NEEDS_DATABASE = [
    ["status"],
    ["audit"],
    ["migrate"],
    ["explain", "x"],
    ["retry", "x"],
    ["dead-letters", "list"],
    ["dead-letters", "show", "1"],
    ["dead-letters", "redrive", "1"],
    ["dead-letters", "discard", "1"],
    ["dead-letters", "redrives"],
]
NEEDS_KAFKA = [["topics"]]
# How to stop `up`, its exit status then, and within how many seconds nothing of it runs.
STOPS = [
    (signal.SIGTERM, 0, 0.5),
    (signal.SIGINT, 0, 0.5),
    (signal.SIGKILL, -signal.SIGKILL, 10.0),
]


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database without any schema."""
    with embedded_postgres(tmp_path_factory.mktemp("empty")) as url:
        yield url


def in_manifests() -> set[tuple[str, str]]:
    """Name and kind of every Service and source of the manifests."""
    found = set()
    for path in ROOT.glob("infra/knative/base/*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            group = document["apiVersion"].partition("/")[0]
            if group in {"serving.knative.dev", "sources.knative.dev"}:
                found.add((document["metadata"]["name"], document["kind"]))
    return found


@pytest.mark.any_broker
def test_up_shows_where_it_is_and_commands_that_work_as_they_stand(shop: Shop) -> None:
    eventually(lambda: "export KAFKA_" in shop.printed.read_text())  # the banner's last line
    printed = shop.printed.read_text()
    banner = printed[printed.index("OrderFlow is ready") :]
    commands = re.findall(r"^  (curl (?:.*\\\n)*.*)$", banner, re.MULTILINE)

    answers = [
        subprocess.run(["sh", "-c", f"{command} -sS"], capture_output=True, text=True, check=True)
        for command in commands
    ]

    assert shop.url in banner.splitlines()[0]
    inventory, order, orders = (json.loads(answer.stdout) for answer in answers)
    assert inventory["message"] == "Inventory update received and sent to Kafka"
    assert order["order_id"] == "12345"
    assert "12345" in [listed["order_id"] for listed in orders]


@pytest.mark.any_broker
def test_ps_lists_every_component_alive_and_ready(shop: Shop) -> None:
    listed = json.loads(orderflow("ps", "--data", shop.data, "--json").stdout)

    added = {("postgres", "PostgreSQL"), ("broker", "Broker"), ("gateway", "Gateway")}
    assert {(c["name"], c["kind"]) for c in listed} == in_manifests() | added
    assert {c["state"] for c in listed} == {"ready"}
    assert all(Path("/proc", str(c["pid"])).exists() for c in listed)
    ports = {c["name"]: c["port"] for c in listed if c["port"] is not None}
    portless = {c["kind"] for c in listed} - {c["kind"] for c in listed if c["name"] in ports}
    assert portless == {"KafkaSource", "PingSource", "PostgreSQL"}
    assert ports["gateway"] == shop.port


def test_ps_shows_people_a_table(shop: Shop) -> None:
    listed = orderflow("ps", "--data", shop.data)

    rows = [line.strip("│").split("│") for line in listed.stdout.splitlines() if "│" in line]
    shown = {(name.strip(), kind.strip(), state.strip()) for name, kind, state, *_ in rows}
    assert shown == {(c["name"], c["kind"], "ready") for c in shop.components()}


def test_ps_of_nothing_says_so_and_is_an_empty_list(tmp_path: Path) -> None:
    listed = orderflow("ps", "--data", tmp_path)
    as_json = orderflow("ps", "--data", tmp_path, "--json")

    assert (listed.status, listed.stdout) == (0, f"nothing runs in {tmp_path}\n")
    assert (as_json.status, json.loads(as_json.stdout)) == (0, [])


@pytest.mark.any_broker
def test_status_tells_what_is_open_and_who_is_behind(shop: Shop) -> None:
    oldest = shop.placed("backordered", item=reference("item"), quantity=1)

    status = json.loads(orderflow("status", "--data", shop.data).stdout)

    assert status["orders"]["backordered"] >= 1
    assert status["oldest_open_order"].keys() == {"order_id", "status", "placed_at"}
    assert shop.order(oldest)["placed_at"] >= status["oldest_open_order"]["placed_at"]
    assert status["outbox_backlog"] >= 0
    assert status["inventory_changes_unapplied"] >= 0
    assert status["attention"].keys() == {"orders", "inventory_changes"}
    groups = {"orderflow-process-order", "orderflow-apply-inventory"}
    assert status["consumer_lag"].keys() == groups
    assert all(lag >= 0 for lag in status["consumer_lag"].values())


def test_status_of_a_shop_at_rest_has_no_backlog(shop: Shop) -> None:
    shop.placed("backordered", item=reference("item"), quantity=1)
    where = ["--data", shop.data, "--kafka", shop.servers[1]]

    def at_rest() -> bool:
        status = json.loads(orderflow("status", *where).stdout)
        return status["outbox_backlog"] == 0 and not any(status["consumer_lag"].values())

    eventually(at_rest)


@pytest.mark.any_broker
def test_explain_tells_a_person_and_a_program_what_get_order_says(shop: Shop) -> None:
    item, order_id = reference("item"), f"it's {reference()}"
    shop.placed("backordered", order_id=order_id, item=item, quantity=3)
    shown = shop.call("GET", f"/order/{quote(order_id)}").json()

    told = orderflow("explain", order_id, "--data", shop.data)
    where = ["--postgres", shop.servers[0], "--gateway", shop.url]
    as_json = orderflow("explain", order_id, "--json", *where)

    assert told.status == as_json.status == 0
    assert f"order {order_id}  backordered" in told.stdout
    assert f"waits for   stock: 3 more {item}" in told.stdout
    explained = json.loads(as_json.stdout)
    assert explained["waiting"] == shown["waiting"]
    assert explained["history"] == shown["history"]
    (command,) = shown["waiting"]["unstick"]
    assert f"  {command}" in told.stdout.splitlines()


def run_as_printed(explained: str, line: int = -1) -> str:
    """Give a command of an explanation, the last or another, to a shell; return what it prints."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command, environment = explained.splitlines()[line], clean_environment() | {"PATH": path}
    ran = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout


@pytest.mark.any_broker
def test_the_commands_that_move_an_order_run_as_printed(shop: Shop) -> None:
    order_id = f"it's {reference()}"
    shop.placed("backordered", order_id=order_id, item=reference("item ä"), quantity=2)

    for enters in ("confirmed", "shipped"):
        run_as_printed(orderflow("explain", order_id, "--data", shop.data).stdout)
        shop.await_status(order_id, enters)


@pytest.mark.any_broker
@pytest.mark.parametrize("command", ["explain", "retry"])
def test_unknown_order_is_said_in_one_line(shop: Shop, command: str) -> None:
    order_id = reference()

    refused = orderflow(command, order_id, "--data", shop.data)

    assert refused.status == 1
    assert said(refused) == f"there is no order {order_id}"


@pytest.mark.any_broker
@pytest.mark.parametrize("named", [True, False], ids=["named", "--attention"])
def test_retry_moves_an_order_that_is_announced_no_more(shop: Shop, named: bool) -> None:
    order_id = f"-stuck $HOME {reference()}"
    shop.query(
        """WITH stuck AS (
          INSERT INTO orders (
            order_id, fingerprint, on_shortage, traceparent, announcements, due_at, attention
          )
          VALUES (:id, '', 'backorder', '', 200, 'infinity', 'still pending')
          RETURNING position
        ), history AS (
          INSERT INTO order_history (position, sequence, status, cause)
          SELECT position, 1, 'pending', 'order received' FROM stuck
        )
        INSERT INTO order_lines (position, line, item, quantity)
        SELECT position, 1, :id, 1 FROM stuck""",
        id=order_id,
    )
    if named:
        explained = orderflow("explain", "--data", shop.data, "--", order_id).stdout
        assert " curl -X POST " in explained.splitlines()[-1], "the same over HTTP"
        told = run_as_printed(explained, line=-2)
    else:
        told = orderflow("retry", "--attention", "--data", shop.data).stdout

    assert f"order {order_id} will be announced within 10 s" in told.splitlines()
    shop.await_status(order_id, "backordered")


@pytest.mark.any_broker
def test_retry_of_an_order_that_is_decided_says_why_not(shop: Shop) -> None:
    order_id = shop.placed("backordered", item=reference("item"), quantity=1)

    refused = orderflow("retry", order_id, "--data", shop.data)

    assert refused.status == 1
    told = f"order {order_id} is backordered; only what is pending is announced again"
    assert said(refused) == f"{told}"


@pytest.mark.any_broker
@pytest.mark.parametrize("arguments", [[], ["x", "--attention"]], ids=str)
def test_retry_wants_either_ids_or_all(shop: Shop, arguments: list[str]) -> None:
    refused = orderflow("retry", *arguments, "--data", shop.data)

    assert refused.status == 1
    assert said(refused) == "give either the ids of orders or --attention"


@pytest.mark.parametrize("words", [w for w in NEEDS_DATABASE if w != ["migrate"]], ids=" ".join)
def test_a_database_without_the_schema_is_said_in_one_line(
    empty_database: str, words: list[str]
) -> None:
    bare = f"{empty_database.rpartition('/')[0]}/template1"  # which nothing migrates
    kafka = ["--kafka", f"{LOOPBACK}:1"] if words == ["status"] else []

    refused = said(orderflow(*words, "--postgres", bare, *kafka))

    assert refused.startswith("the database lacks the migrations 0001_orders, ")
    assert refused.endswith(": apply them with `orderflow migrate`")


def test_migrations_are_applied_once_by_however_many(empty_database: str) -> None:
    command = [sys.executable, "-m", "orderflow_cli", "migrate"]
    environment = clean_environment() | {"DATABASE_URL": empty_database}
    at_once = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]

    applied = [line for one in at_once for line in one.communicate()[0].splitlines()]
    again = orderflow("migrate", "--postgres", empty_database)

    assert [one.returncode for one in at_once] == [0, 0]
    names = sorted(path.stem for path in ROOT.glob("shared/orderflow/database/migrations/*.sql"))
    told = sorted(line for line in applied if line != "nothing to apply")
    assert told == [f"applied {name}" for name in names]
    assert (again.status, again.stdout) == (0, "nothing to apply\n")


@pytest.fixture
def audited(shop: Shop) -> Iterator[str]:
    """A database whose only item has more on hand than its ledger says."""
    server, name = shop.servers[0].rpartition("/")[0], reference("audited").replace("-", "_")
    with closing(Connection(shop.servers[0])) as connection:
        connection.script(f"CREATE DATABASE {name}")
        assert orderflow("migrate", "--postgres", f"{server}/{name}").status == 0
        with closing(Connection(f"{server}/{name}")) as own:
            own.script("INSERT INTO stock (item, on_hand) VALUES ('Lamp [bold]', 7)")
        yield f"{server}/{name}"
        connection.script(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.any_broker
def test_audit_of_a_shop_at_work_ticks_off_every_check(shop: Shop) -> None:
    shop.placed("backordered", item=reference("item"), quantity=1)

    printed = orderflow("audit", "--data", shop.data)

    assert printed.status == 0, printed.stdout
    assert printed.stdout.count("✔") == len(CHECKS)
    assert f"{len(CHECKS)}/{len(CHECKS)}" in printed.stderr


@pytest.mark.any_broker
def test_audit_names_what_differs_and_what_to_do_for_people_and_programs(audited: str) -> None:
    for_people = orderflow("audit", "--postgres", audited)
    for_programs = orderflow("audit", "--postgres", audited, "--json")

    assert for_people.status == for_programs.status == 1
    assert for_people.stdout.count("✘") == 1
    assert "Lamp [bold]" in for_people.stdout
    assert "audit --repair --by NAME" in for_people.stdout
    told = json.loads(for_programs.stdout)
    differing = [check for check in told["checks"] if check["found"]]
    row = {"item": "Lamp [bold]", "on_hand": 7, "on_hand_by_ledger": None}
    assert not told["holds"]
    assert [check["check"] for check in differing] == ["ledger"]
    assert differing[0]["rows"] == [row | {"reserved": 0, "reserved_by_ledger": None}]


@pytest.mark.any_broker
def test_repair_tells_each_entry_it_wrote_and_audits_again(audited: str) -> None:
    repaired = orderflow("audit", "--postgres", audited, "--repair", "--by", "Ada")
    again = orderflow("audit", "--postgres", audited, "--repair", "--by", "Ada", "--json")

    assert repaired.status == again.status == 0
    (line,) = (line for line in repaired.stdout.splitlines() if line.startswith("repaired"))
    assert "Lamp [bold]" in line
    assert "on hand +7, reserved +0; repaired by Ada" in line
    assert (repaired.stdout.count("✘"), repaired.stdout.count("✔")) == (1, 2 * len(CHECKS) - 1)
    told = json.loads(again.stdout)
    assert (told["holds"], told["before"]["holds"], told["repairs"]) == (True, True, [])


@pytest.mark.any_broker
def test_repair_by_nobody_is_refused_in_one_line(audited: str) -> None:
    refused = orderflow("audit", "--postgres", audited, "--repair")

    assert refused.status != 0
    assert "give --by NAME" in said(refused)
    assert orderflow("audit", "--postgres", audited).status == 1


def test_topics_are_created_once(open_broker: OpenBroker) -> None:
    with open_broker() as broker:
        first = orderflow("topics", "--kafka", broker.address)
        second = orderflow("topics", KAFKA_BOOTSTRAP_SERVERS=broker.address)

    assert first.status == second.status == 0
    assert sorted(first.stdout.splitlines()) == sorted(f"created {name}" for name in TOPICS)
    assert second.stdout == "nothing to create\n"


@pytest.mark.any_broker
def test_orders_outlive_every_way_to_stop_beside_another_shop(shop: Shop, tmp_path: Path) -> None:
    order_ids: set[str] = set()
    project = impatient_project(tmp_path / "project", ORDERS_ALONE)
    for how, status, within_s in STOPS:
        other = await_ready(start(tmp_path / "data", options=["--project", str(project)]))
        groups = other.groups()
        assert {order["order_id"] for order in other.call("GET", "/orders").json()} == order_ids
        order_ids.add(other.placed("backordered", item=reference("item"), quantity=1))

        assert other.stop(how) == status

        eventually(partial(none_runs, groups), within_s=within_s)
        listed = orderflow("ps", "--data", other.data).stdout
        assert listed == f"nothing runs in {other.data}\n"  # whatever was written of it
        assert said(orderflow("audit", "--data", other.data)).startswith("no stack runs in")
    assert {shop.call("GET", f"/order/{order_id}").status_code for order_id in order_ids} == {404}


def none_runs(groups: list[int]) -> bool:
    return not any(map(of_group, groups))


@pytest.mark.any_broker
def test_taken_port_is_said_in_one_line(shop: Shop, tmp_path: Path) -> None:
    refused = refused_up("--port", shop.port, "--data", tmp_path)

    assert said(refused) == f"port {shop.port} is taken: choose another with --port"


@pytest.mark.any_broker
def test_data_directory_in_use_is_said_in_one_line(shop: Shop) -> None:
    refused = refused_up("--port", free_port(), "--data", shop.data)

    assert f"is in use by process {shop.process.pid}" in said(refused)


@pytest.mark.any_broker
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"postgresql://postgres@{LOOPBACK}:1/postgres", "the database does not answer"),
        ("mysql://root@localhost/orders", "postgresql://"),
        ("postgresql://postgres@localhost:port/postgres", "postgresql://"),
    ],
)
def test_bad_database_is_said_in_one_line(tmp_path: Path, url: str, reason: str) -> None:
    where, broker = ["--data", tmp_path / "data", "--postgres", url], ["--kafka", f"{LOOPBACK}:1"]

    assert reason in said(refused_up("--port", free_port(), *where, *broker))
    assert reason in said(orderflow("status", *where, *broker))
    assert reason in said(orderflow("migrate", *where))
    assert reason in said(orderflow("audit", *where))


def test_broker_that_does_not_answer_is_said_in_one_line() -> None:
    refused = orderflow("topics", "--kafka", f"{LOOPBACK}:1")

    assert said(refused).startswith("Kafka does not answer")


@pytest.mark.parametrize("words", [*NEEDS_DATABASE, *NEEDS_KAFKA], ids=" ".join)
def test_where_no_stack_runs_it_says_what_to_do(tmp_path: Path, words: list[str]) -> None:
    refused = orderflow(*words, "--data", tmp_path)

    start = f"no stack runs in {tmp_path}: start it with `orderflow up`, or give --data or "
    flag = "--kafka" if words in NEEDS_KAFKA else "--postgres"
    assert said(refused).startswith(f"{start}{flag}")
    assert ("--kafka" in said(refused)) == (words in [*NEEDS_KAFKA, ["status"]])


def test_a_setting_that_is_wrong_is_named_rather_than_that_no_stack_runs(tmp_path: Path) -> None:
    refused = orderflow("audit", "--data", tmp_path, DATABASE_URL="mysql://root@localhost/orders")

    assert said(refused).startswith("set these environment variables: DATABASE_URL: ")


async def test_a_stack_on_servers_of_the_users_own_wants_them_named(tmp_path: Path) -> None:
    async with Supervisor(tmp_path) as supervisor:
        supervisor.add(Command(name="sweep-tick", kind="PingSource", argv=["sleep", "60"]))
        await supervisor.start()
        refused = orderflow("status", "--data", tmp_path, "--kafka", "kafka:9092")

    assert said(refused) == f"the stack in {tmp_path} was started with --postgres: give it here too"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["up", "--port", "80000"], "Invalid value for '--port'"),
        (["up", "--port", "0"], "Invalid value for '--port'"),
        (["up", "--port", "http"], "Invalid value for '--port'"),
        (["up", "--data", "README.md"], "Invalid value for '--data'"),
        (["up", "--data"], "Option '--data' requires an argument"),
        (["up", "now"], "Got unexpected extra argument"),
        (["ps", "--data", "README.md"], "Invalid value for '--data'"),
        (["status", "--data", "README.md/data"], "README.md/data/runtime.json: Not a directory"),
        (["topics", "--replicas", "0"], "Invalid value for '--replicas'"),
        (["explain"], "Missing argument 'order_id'"),
        (["dead-letters", "show", "one"], "Invalid value for 'ID'"),
        (["dead-letters", "list", "--sort"], "No such option: --sort"),
        (["start"], "No such command 'start'"),
    ],
    ids=str,
)
def test_a_wrong_word_is_said_in_one_line(words: list[str], reason: str) -> None:
    assert reason in said(orderflow(*words))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--data", "/proc/orderflow"], "/proc/orderflow: "),
        (["--data", "README.md/data"], "README.md/data: Not a directory"),
        (["--project", "tests"], "there is no infra/knative/base in tests: run this in a checkout"),
    ],
    ids=str,
)
def test_a_wrong_folder_is_said_in_one_line(words: list[str], reason: str) -> None:
    assert reason in said(refused_up(*words))


def test_without_a_project_there_is_nothing_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "CHECKOUT", tmp_path / "site-packages")

    refused = orderflow("up", cwd=tmp_path)

    assert "run this in a checkout of OrderFlow, or name one with --project FOLDER" in said(refused)


@pytest.mark.parametrize(
    "command", [[program("orderflow")], [sys.executable, "-m", "orderflow_cli"]], ids=len
)
def test_it_is_a_program_and_a_module(tmp_path: Path, command: list[str]) -> None:
    words = [*command, "ps", "--data", str(tmp_path)]

    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=True)

    assert (done.stdout, done.stderr) == (f"nothing runs in {tmp_path}\n", "")


def test_what_the_program_lacks_is_said_in_one_line() -> None:
    without_typer = "import sys; sys.modules['typer'] = None; import orderflow_cli.__main__ as o; "

    refused = subprocess.run(
        [sys.executable, "-c", f"{without_typer}o.main()"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.stderr.startswith("orderflow: typer is not installed: the command line needs")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.any_broker
def test_lag_is_of_every_partition_and_topic_of_a_group(broker: str) -> None:
    first, second, none = (reference("topic") for _ in range(3))
    written = [Record(first, str(number).encode(), b"", ()) for number in range(20)]
    written += [Record(second, b"", b"", ())] * 2
    admin = AdminClient({"bootstrap.servers": broker})
    for made in admin.create_topics([NewTopic(first, 5), NewTopic(second, 1)]).values():
        made.result(DEADLINE_S)
    for record in written:
        produce(broker, record)

    behind = lag(broker, {"both": (first, second), "other": (none,)})

    # Of each partition, the embedded broker tells of the last batch only with the next one.
    assert len(written) - 6 <= behind["both"] <= len(written)
    assert behind["other"] == 0


@contextmanager
def function_alone(function: str, shop: Shop) -> Iterator[str]:
    """Run a function as its manifest does, without OrderFlow around it; yield its address."""
    port = free_port()
    postgres, kafka = shop.servers
    told = {"DATABASE_URL": postgres, "KAFKA_BOOTSTRAP_SERVERS": kafka, "HOST": LOOPBACK}
    source = f"functions/{function}/main.py"
    flags = ["--asgi", "--target", function, "--source", source, "--port", str(port)]
    running = subprocess.Popen(
        [program("functions-framework"), *flags],
        cwd=ROOT,
        env=clean_environment() | told | WITHOUT_TOKENS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield f"http://{LOOPBACK}:{port}"
    finally:
        running.terminate()
        running.wait(STOPPED_WITHIN_S)


@pytest.mark.any_broker
@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_runs_alone_and_says_that_it_is_ready(shop: Shop, function: str) -> None:
    with function_alone(function, shop) as url:

        def answer(path: str) -> int:
            try:
                return httpx.get(f"{url}{path}", verify=False).status_code
            except httpx.TransportError:
                return 0

        eventually(lambda: answer("/healthz") == 200)
        ready = answer("/readyz")

    assert ready == 200
