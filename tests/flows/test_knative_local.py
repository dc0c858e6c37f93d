"""`knative-local` with a function that is not ours: what its user sees and may do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from knative_local.ports import free_port
from tests.support.local_runtime import INFRA, ROUTE, Running, runtime, service, start
from tests.support.waiting import DEADLINE_S, eventually

SOURCE = """
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {{name: greetings}}
spec:
  bootstrapServers: [{servers}]
  topics: [greetings]
  sink: {{ref: {{apiVersion: serving.knative.dev/v1, kind: Service, name: echo}}}}
"""


def away() -> str:
    """Kafka servers that nobody listens at."""
    return f"127.0.0.1:{free_port()}"


def invoke(running: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "knative_local", "invoke", *arguments, "--data", running.data_dir],
        env=os.environ | {"PYTHONPATH": str(INFRA)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_record_reaches_the_function_through_a_broker_that_stands_in(tmp_path: Path) -> None:
    servers = away()
    with runtime(tmp_path, service(), SOURCE.format(servers=servers)) as running:
        sent = invoke(running, "greetings", '{"hello": "Kafka"}', "--topic")

        eventually(lambda: "echo | echoed 18 bytes\n" in running.output.read_text())

    assert (sent.stdout, sent.returncode) == ("greetings: partition 0, offset 0\n", 0)
    assert f"{servers} can't be reached" in running.output.read_text()


def test_event_reaches_a_service_and_its_answer_is_shown(tmp_path: Path) -> None:
    with runtime(tmp_path) as running:
        answered = invoke(running, "echo", '{"hello": "world"}')
        unknown = invoke(running, "other")

    assert (answered.stdout, answered.returncode) == ('200 OK\n{"hello": "world"}\n', 0)
    assert unknown.returncode == 2
    assert "no Service other runs: there is echo" in unknown.stderr


def test_service_without_a_route_is_where_the_banner_says(tmp_path: Path) -> None:
    with runtime(tmp_path, service(), service("second")) as running:
        eventually(lambda: "A first event:" in running.output.read_text())
        first, second = f"http://127.0.0.1:{running.port}", f"http://127.0.0.1:{running.port + 1}"

        assert f"echo    {first}\n" in running.output.read_text()
        assert f"second  {second}\n" in running.output.read_text()
        assert httpx.post(f"{second}/order", content="a").text == "a"


@pytest.mark.any_broker
def test_http_answers_while_a_source_waits_for_its_topic(tmp_path: Path, broker: str) -> None:
    waiting = SOURCE.format(servers=broker).replace("[greetings]", "[no-such-topic]")
    running = start(tmp_path, service(), ROUTE.format(name="echo"), waiting)
    try:
        eventually(lambda: "Ready" in running.output.read_text())

        assert httpx.post(f"http://127.0.0.1:{running.port}/order", content="a").text == "a"
        assert running.component("greetings")["state"] == "starting"
    finally:
        running.process.terminate()
        running.process.wait(DEADLINE_S * 2)


def posted(running: Running) -> str:
    """What the function answers, empty while it restarts."""
    try:
        return httpx.post(f"http://127.0.0.1:{running.port}/order", timeout=DEADLINE_S).text
    except httpx.TransportError:
        return ""


def test_function_restarts_when_its_folder_changes(tmp_path: Path) -> None:
    with runtime(tmp_path, service(), flags=("--watch",)) as running:
        main = tmp_path / "functions" / "echo" / "main.py"
        works = main.read_text()

        main.write_text("import no_such_module\n")
        eventually(lambda: "no_such_module" in running.output.read_text())
        main.write_text(works.replace("Response(body", "Response(b'changed'"))

        eventually(lambda: posted(running) == "changed")


def test_import_error_comes_first_with_its_place(tmp_path: Path) -> None:
    source = tmp_path / "functions" / "echo" / "main.py"
    refused = start(tmp_path, service(), source="import os\nimport no_such_module\n")

    assert refused.process.wait(DEADLINE_S) == 2
    (line,) = refused.output.read_text().splitlines()
    assert f"ModuleNotFoundError: No module named 'no_such_module' ({source}:2)" in line
    assert "Traceback" in (refused.data_dir / "logs" / "echo.log").read_text()


def test_image_without_a_command_says_what_to_write(tmp_path: Path) -> None:
    image = service().replace(
        "args: [--target, echo, --source, functions/echo/main.py, --asgi]", ""
    )

    refused = start(tmp_path, image)

    assert refused.process.wait(DEADLINE_S) == 2
    assert "args: [--asgi, --target, NAME_OF_THE_FUNCTION" in refused.output.read_text()


def test_secret_of_the_manifests_reaches_the_function(tmp_path: Path) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: c2VjcmV0}\n"
    env = "[{name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}]"
    with runtime(tmp_path, service(env=env), secret) as running:
        assert httpx.get(f"http://127.0.0.1:{running.port}/env").json()["S"] == "secret"


def test_machines_get_one_json_object_a_line(tmp_path: Path) -> None:
    with runtime(tmp_path, flags=("--log-format", "json")) as running:
        httpx.post(f"http://127.0.0.1:{running.port}/order", content="abc")
        line = '{"component":"echo","line":"echoed 3 bytes"}\n'

        eventually(lambda: line in running.output.read_text())

    assert all(text.startswith("{") for text in running.output.read_text().splitlines())


def test_every_option_has_a_line_of_help() -> None:
    for command in ("run", "invoke"):
        told = subprocess.run(
            [sys.executable, "-m", "knative_local", command, "--help"],
            env=os.environ | {"PYTHONPATH": str(INFRA), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=True,
        )
        options = [line for line in told.stdout.splitlines() if line.startswith("  -")]

        assert options
        assert all(len(line.split("  ")[-1]) > 10 for line in options), told.stdout


def test_stopped_components_do_not_stay_in_the_state(tmp_path: Path) -> None:
    with runtime(tmp_path) as running:
        assert running.groups()

    assert running.groups() == []


def test_the_quick_start_of_the_readme_works_as_written(tmp_path: Path) -> None:
    readme = (INFRA / "knative_local" / "README.md").read_text()
    (function,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (manifests,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "main.py").write_text(function)

    with runtime(tmp_path, manifests, flags=("--watch",)) as running:
        invoke(running, "greetings", '{"hello": "world"}', "--topic")

        eventually(lambda: "hello | hello {'hello': 'world'}\n" in running.output.read_text())
