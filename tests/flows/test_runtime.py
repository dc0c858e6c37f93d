"""The local runtime keeps its processes running, and leaves none behind."""

import os
import signal
import subprocess
from pathlib import Path

import httpx

from tests.support.local_runtime import ROUTE, runtime, service, start
from tests.support.processes import of_group
from tests.support.waiting import DEADLINE_S, eventually


def test_killed_function_is_restarted_at_its_address(tmp_path: Path) -> None:
    with runtime(tmp_path) as running:
        before = running.component()
        assert before["pid"] is not None

        os.kill(before["pid"], signal.SIGKILL)
        eventually(lambda: running.component()["restarts"] == 1)
        eventually(running.is_ready)

        after = running.component()
        assert after["port"] == before["port"]
        assert after["pid"] != before["pid"]
        assert httpx.post(f"http://127.0.0.1:{running.port}/order", content="a").text == "a"


def test_function_gets_the_environment_of_its_manifest_and_overrides(tmp_path: Path) -> None:
    env = (
        "[{name: A, value: manifest}, {name: B, value: kept},"
        " {name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}]"
    )
    flags = ("--env", "A=given", "--env", "S=secret", "--env", "NOT_NAMED=x")
    with runtime(tmp_path, service(env=env), ROUTE.format(name="echo"), flags=flags) as running:
        got = httpx.get(f"http://127.0.0.1:{running.port}/env").json()

    assert (got["A"], got["B"], got["S"]) == ("given", "kept", "secret")
    assert (got["K_SERVICE"], got["K_REVISION"]) == ("echo", "echo-00001")
    assert "NOT_NAMED" not in got


def test_secret_without_a_value_is_refused_in_one_line(tmp_path: Path) -> None:
    env = "[{name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}]"

    refused = start(tmp_path, service(env=env))

    assert refused.process.wait(DEADLINE_S) == 2
    (line,) = refused.output.read_text().splitlines()
    assert "--env S=VALUE" in line


def test_output_carries_the_name_of_its_component(tmp_path: Path) -> None:
    with runtime(tmp_path) as running:
        httpx.post(f"http://127.0.0.1:{running.port}/order", content="abc")

        eventually(lambda: "echo | echoed 3 bytes\n" in running.output.read_text())

    assert "echoed 3 bytes\n" in (running.data_dir / "logs" / "echo.log").read_text()


def test_sigterm_finishes_what_is_in_flight_and_leaves_no_process(tmp_path: Path) -> None:
    with runtime(tmp_path) as running:
        groups = running.groups()
        slow = subprocess.Popen(
            ["curl", "-sf", "-d", "x", f"http://127.0.0.1:{running.port}/slow?seconds=1"],
            stdout=subprocess.PIPE,
        )
        eventually(lambda: "asleep" in running.output.read_text())

        running.process.send_signal(signal.SIGTERM)
        output, _ = slow.communicate(timeout=DEADLINE_S)

        assert output == b"x"
        assert running.process.wait(DEADLINE_S) == 0
        assert len(groups) == 2
        assert all(not of_group(group) for group in groups)


def test_killed_supervisor_leaves_no_process_and_the_next_one_starts(tmp_path: Path) -> None:
    with runtime(tmp_path) as first:
        groups = first.groups()

        first.process.kill()
        eventually(lambda: all(not of_group(group) for group in groups))

    with runtime(tmp_path) as second:
        assert second.is_ready()


def test_second_supervisor_of_a_data_directory_is_refused(tmp_path: Path) -> None:
    with runtime(tmp_path):
        second = start(tmp_path, service())

        assert second.process.wait(DEADLINE_S) == 2
        assert "is in use by process" in second.output.read_text()


def test_taken_port_is_refused_with_the_flag_to_use(tmp_path: Path) -> None:
    with runtime(tmp_path / "first") as first:
        manifests = (service(), ROUTE.format(name="echo"))
        second = start(tmp_path / "second", *manifests, flags=("--port", str(first.port)))

        assert second.process.wait(DEADLINE_S) == 2
        assert "choose another with --port" in second.output.read_text()


def test_two_runtimes_run_side_by_side(tmp_path: Path) -> None:
    with runtime(tmp_path / "one") as one, runtime(tmp_path / "two") as two:
        for running in (one, two):
            assert httpx.post(f"http://127.0.0.1:{running.port}/order").status_code == 200


def test_function_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    broken = service().replace("--target, echo", "--target, missing")

    refused = start(tmp_path, broken)

    assert refused.process.wait(DEADLINE_S) == 2
    last = refused.output.read_text().splitlines()[-1]
    assert last.startswith("knative-local: Service echo did not start")
    assert "missing" in last
