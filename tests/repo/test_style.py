"""The rules that can be seen by searching: where SQL, the environment and imports may be."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from orderflow.events.models import EVENTS
from orderflow.orders.states import MOVES, Status

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
FOLDERS = sorted(path.parent.name for path in FUNCTIONS.glob("*/main.py"))
MAX_FUNCTION_LINES = 40  # without its signature; ten are the aim
MAX_MAIN_LINES = 110  # a screen; beyond it a function does two things


def files(*patterns: str) -> list[Path]:
    found = chain.from_iterable(ROOT.glob(pattern) for pattern in patterns)
    return sorted(path for path in found if not {"__pycache__", "build"} & set(path.parts))


CODE = files("shared/**/*.py", "functions/**/*.py")
RUNTIME = files("infra/knative_local/**/*.py")
TESTS = files("tests/**/*.py")
SQL = files("shared/**/*.sql", "functions/**/*.sql")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def containing(pattern: str, *paths: Path) -> set[str]:
    return {named(path) for path in paths if re.search(pattern, path.read_text())}


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            package = f"{'.' * node.level}{node.module or ''}"
            yield from (package, *(f"{package}.{alias.name}" for alias in node.names))


def importing(package: str, *paths: Path) -> set[str]:
    return {
        named(path)
        for path in paths
        if any(name == package or name.startswith(f"{package}.") for name in imports_of(path))
    }


def manifests(kind: str) -> list[dict[str, Any]]:
    texts = (path.read_text() for path in files("infra/knative/base/*.yaml"))
    documents = chain.from_iterable(yaml.safe_load_all(text) for text in texts)
    return [document for document in documents if document and document["kind"] == kind]


def target_of(service: dict[str, Any]) -> str:
    args = service["spec"]["template"]["spec"]["containers"][0]["args"]
    return str(args[args.index("--target") + 1])


def source_of(service: dict[str, Any]) -> str:
    args = service["spec"]["template"]["spec"]["containers"][0]["args"]
    return str(args[args.index("--source") + 1])


def sinks_of(source: dict[str, Any]) -> list[dict[str, Any]]:
    """Where a source sends, and where what fails goes."""
    dead_letter_sink = source["spec"].get("delivery", {}).get("deadLetterSink")
    return [source["spec"]["sink"], *([dead_letter_sink] if dead_letter_sink else [])]


def test_there_is_something_to_look_at() -> None:
    assert len(FOLDERS) >= 8
    assert CODE
    assert RUNTIME
    assert SQL


def test_no_function_is_longer_than_a_reader_holds_in_mind() -> None:
    long = [
        f"{named(path)}: {node.name}"
        for path in [*CODE, *RUNTIME]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.body[0].lineno >= MAX_FUNCTION_LINES
    ]

    assert long == []


def test_no_statement_is_written_in_code() -> None:
    assert containing(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE)\b", *CODE) == set()


def test_one_module_reads_the_environment() -> None:
    assert containing(r"\benviron\b|getenv|BaseSettings", *CODE) == {"shared/orderflow/config.py"}


def test_only_the_outbox_writes_to_kafka() -> None:
    assert containing(r"\bProducer\(", *CODE) == {"shared/orderflow/events/outbox.py"}


def test_everything_is_caught_in_three_places_only() -> None:
    places = ("events/attempts", "database/group_commit", "http/handler")
    allowed = {f"shared/orderflow/{place}.py" for place in places}

    assert containing(r"except Exception\b", *CODE) <= allowed
    assert containing(r"except:", *CODE) == set()


def test_functions_are_imported_by_nobody() -> None:
    assert importing("functions", *CODE, *RUNTIME, *TESTS) == set()


def test_functions_never_import_each_other() -> None:
    mains = [FUNCTIONS / folder / "main.py" for folder in FOLDERS]

    for folder in [*FOLDERS, "main", "."]:
        assert importing(folder, *mains) == set()


def test_the_library_knows_no_function() -> None:
    names = "|".join(f"functions/{folder}|{folder}\\.main" for folder in FOLDERS)

    assert containing(names, *files("shared/**/*.py")) == set()


def test_the_runtime_knows_no_orders() -> None:
    assert importing("orderflow", *RUNTIME) == set()


@pytest.mark.parametrize("package", ["orderflow_cli", "knative_local", "typer", "rich", "yaml"])
def test_a_function_and_its_library_have_no_command_line_in_them(package: str) -> None:
    image = files("shared/orderflow/**/*.py", "functions/*/main.py")

    assert importing(package, *image) == set()


@pytest.mark.parametrize("package", ["orderflow", "orderflow_cli", "knative_local", "pydantic"])
def test_the_client_needs_httpx_alone(package: str) -> None:
    assert importing(package, *files("shared/orderflow_client/*.py")) == set()


def test_no_module_of_ours_imports_itself_by_way_of_others() -> None:
    modules = {
        ".".join(path.relative_to(ROOT / "shared").with_suffix("").parts): path
        for path in files("shared/**/*.py")
    }
    imports = {name: {*imports_of(path)} & modules.keys() for name, path in modules.items()}

    TopologicalSorter(imports).prepare()  # raises CycleError, which names them


def test_no_package_of_the_library_imports_itself_by_way_of_others() -> None:
    root, imports = ROOT / "shared/orderflow", defaultdict[str, set[str]](set)
    for path in files("shared/orderflow/**/*.py"):
        part = path.relative_to(root).with_suffix("").parts[0]
        # Where the parts of a process are put together; what reaches them asks for it there.
        if part != "resources":
            named_by = {name.split(".")[1] for name in imports_of(path) if "orderflow." in name}
            imports[part] |= named_by - {part, "resources"}

    TopologicalSorter(imports).prepare()  # raises CycleError, which names them
    assert "models" in imports["events"]


def test_nothing_outside_tests_imports_tests() -> None:
    assert importing("tests", *CODE, *RUNTIME) == set()


def test_no_test_takes_a_broker_past_the_choice_of_kinds() -> None:
    tested = [path for path in TESTS if "bench" not in path.relative_to(ROOT).parts]
    # In brackets, so that this file is none of them; a fixture asked for by name is not seen.
    past = r"embedded_brok[e]r|broker\.server_comman[d]|getfixturevalu[e]"

    assert containing(past, *tested) == {"tests/support/brokers.py"}


def test_nothing_is_left_to_do() -> None:
    # In brackets, so that this line is none.
    assert containing(r"\b(TO[D]O|FIX[M]E|XX[X])\b", *CODE, *RUNTIME, *TESTS, *SQL) == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_is_a_screen_of_code(folder: str) -> None:
    lines = (FUNCTIONS / folder / "main.py").read_text().splitlines()

    assert len(lines) <= MAX_MAIN_LINES


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_says_what_triggers_it_and_is_named_as_its_folder(folder: str) -> None:
    tree = ast.parse((FUNCTIONS / folder / "main.py").read_text())
    entries = [
        node.name
        for node in tree.body
        if isinstance(node, ast.AsyncFunctionDef) and node.decorator_list
    ]

    assert re.match(r"(GET|POST|PATCH) /|KafkaSource|PingSource", ast.get_docstring(tree) or "")
    assert entries == [folder]


@pytest.mark.parametrize("path", SQL, ids=named)
def test_a_statement_says_why_it_is_so(path: Path) -> None:
    assert path.read_text().startswith("-- ")


@pytest.mark.parametrize("path", SQL, ids=named)
def test_the_lines_of_a_statement_are_short(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if len(line) > 100] == []


@pytest.mark.parametrize(
    "path",
    [path for path in files("functions/*/*.sql") if path.name != "grants.sql"],
    ids=named,
)
def test_a_statement_beside_a_function_is_used_by_it(path: Path) -> None:
    assert path.name in path.with_name("main.py").read_text()


@pytest.mark.parametrize(
    "path",
    [path for path in files("shared/**/*.sql") if path.parent.name != "migrations"],
    ids=named,
)
def test_a_statement_of_the_library_is_used_by_it(path: Path) -> None:
    code = "".join(module.read_text() for module in files("shared/**/*.py"))

    assert path.name in code


def test_the_moves_are_of_the_statuses_that_the_table_allows() -> None:
    migration = (ROOT / "shared/orderflow/database/migrations/0001_orders.sql").read_text()
    check = re.search(r"status IN \(([^)]*)\)", migration)

    assert check is not None
    assert set(re.findall(r"'(\w+)'", check[1])) == set(MOVES) == set(get_args(Status))


def test_the_effects_on_stock_are_of_moves_that_exist() -> None:
    effects = re.findall(
        r"\('(\w+)', '(\w+)', '\w+', -?\d, -?\d\)",
        (ROOT / "shared/orderflow/stock/move_orders.sql").read_text(),
    )

    assert effects
    assert all(enters in MOVES[leaves] for leaves, enters in effects)


def test_every_function_has_one_manifest_and_every_manifest_a_function() -> None:
    services = manifests("Service")

    assert sorted(service["metadata"]["name"] for service in services) == sorted(
        folder.replace("_", "-") for folder in FOLDERS
    )


def test_a_manifest_starts_the_function_of_its_name() -> None:
    for service in manifests("Service"):
        name = service["metadata"]["name"].replace("-", "_")
        assert (target_of(service), source_of(service)) == (name, f"functions/{name}/main.py")


def test_every_source_and_route_leads_to_a_function() -> None:
    names = {folder.replace("_", "-") for folder in FOLDERS}
    sinks = [
        sink["ref"]["name"]
        for kind in ("KafkaSource", "PingSource")
        for source in manifests(kind)
        for sink in sinks_of(source)
    ]
    backends = [
        backend["name"]
        for route in manifests("HTTPRoute")
        for rule in route["spec"]["rules"]
        for backend in rule["backendRefs"]
    ]

    assert sinks
    assert set(sinks) | set(backends) == names


def test_every_kafka_source_tries_again_and_then_keeps_what_failed() -> None:
    for source in manifests("KafkaSource"):
        delivery = source["spec"]["delivery"]
        assert delivery["retry"] > 0  # one that is left out means none
        assert delivery["backoffPolicy"] == "exponential"
        assert delivery["deadLetterSink"]["ref"]["name"] == "keep-dead-letter"
        assert source["spec"]["topics"] == [
            source["spec"]["ceOverrides"]["extensions"]["kafkatopic"]
        ]
        sink = source["spec"]["sink"]["ref"]["name"]
        assert source["spec"]["ceOverrides"]["extensions"]["kafkaconsumer"] == sink


def test_what_can_be_sent_again_is_what_a_source_delivers() -> None:
    rule = (ROOT / "shared/orderflow/database/migrations/0014_consumers.sql").read_text()
    told = re.findall(r"WHEN '([\w-]+)' THEN consumer = '([\w-]+)'\s+AND \(type = '([\w.]+)'", rule)
    sources = [source["spec"] for source in manifests("KafkaSource")]
    types = {model.topic: model.type for model in EVENTS if model.topic != "order-events"}

    assert sorted(told) == sorted(
        (topic, source["sink"]["ref"]["name"], types[topic])
        for source in sources
        for topic in source["topics"]
    )


def test_the_distribution_of_the_runtime_has_all_of_its_packages() -> None:
    folder = ROOT / "infra/knative_local"
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    found = {path.parent.relative_to(folder.parent) for path in RUNTIME if path.stem == "__init__"}

    assert set(project["tool"]["setuptools"]["packages"]) == {".".join(p.parts) for p in found}


# Each module or package of the runtime imports only what stands before it.
RUNTIME_ORDER = [
    *(
        "errors",
        "printable",
        "private_files",
        "ports",
        "json_log",
        "metrics",
        "http_client",
        "manifests",
        "child",
        "cloudevents",
    ),
    *("delivery", "kafka_source", "gateway", "supervisor", "broker"),
    *("runtime", "invoke", "run", "elsewhere", "__main__"),
]


def test_the_imports_of_the_runtime_go_one_way() -> None:
    for path in RUNTIME:
        part = path.relative_to(ROOT / "infra/knative_local").with_suffix("").parts[0]
        if part == "__init__":
            continue
        imported = {n.split(".")[1] for n in imports_of(path) if n.startswith("knative_local.")}
        allowed = set(RUNTIME_ORDER[: RUNTIME_ORDER.index(part) + 1])

        assert imported <= allowed, named(path)
