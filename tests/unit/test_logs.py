"""What is logged is written: all of it, and with what belongs to the call."""

import subprocess
import sys

import orjson

ENVIRONMENT = {"K_SERVICE": "a-function", "PYTHONUNBUFFERED": "1"}


def lines_of(code: str) -> list[dict[str, object]]:
    """Run code in a process of its own and return what it logged until its end."""
    argv = [sys.executable, "-c", f"import asyncio\nfrom orderflow.logs import *\n{code}"]
    done = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, check=True, timeout=20)
    assert done.stderr == b""
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def test_what_an_event_loop_logged_last_is_written_when_the_process_ends() -> None:
    code = """
async def work():
    for number in range(3):
        logger().info("worked", number=number)
asyncio.run(work())"""

    assert [line["number"] for line in lines_of(code)] == [0, 1, 2]


def test_lines_of_threads_and_of_the_event_loop_are_whole_and_complete() -> None:
    code = """
def log(name):
    for number in range(500):
        logger().info("worked", name=name, number=number)
async def work():
    threads = [asyncio.to_thread(log, name) for name in "ab"]
    await asyncio.gather(*threads, log_slowly())
async def log_slowly():
    for number in range(500):
        logger().info("worked", name="loop", number=number)
        await asyncio.sleep(0)
asyncio.run(work())"""

    seen = [(line["name"], line["number"]) for line in lines_of(code)]

    for expected in ("a", "b", "loop"):
        assert [number for name, number in seen if name == expected] == list(range(500))


def test_fields_of_one_call_are_in_its_lines_and_in_no_others() -> None:
    code = """
async def call(name):
    begin_log_fields(name=name)
    bind_log_fields(number=1)
    await asyncio.sleep(0)
    logger().info("answered")
async def work():
    await asyncio.gather(call("a"), call("b"))
    logger().info("done")
asyncio.run(work())"""

    names = [line.get("name") for line in lines_of(code)]

    assert sorted(names[:2], key=str) == ["a", "b"]
    assert names[2] is None
