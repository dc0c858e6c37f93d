"""The gateway routes, streams, and lets nothing ambiguous through."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.local_runtime import ROUTE, Running, runtime, service
from tests.support.waiting import DEADLINE_S, eventually


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One runtime for the tests that leave it as it was."""
    manifests = (service(timeout_seconds=1), ROUTE.format(name="echo"))
    with runtime(tmp_path_factory.mktemp("gateway"), *manifests) as running:
        yield running


def raw(running: Running, request: bytes) -> bytes:
    """Send bytes, read until the gateway closes."""
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE_S) as connection:
        connection.sendall(request)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


def url(running: Running, path: str) -> str:
    return f"http://127.0.0.1:{running.port}{path}"


def test_unknown_path_is_a_404_problem(gateway: Running) -> None:
    answer = httpx.get(url(gateway, "/nowhere"))

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/not-found"


def test_known_path_with_another_method_names_those_it_has(gateway: Running) -> None:
    answer = httpx.get(url(gateway, "/order"))

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST, PUT"
    assert answer.json()["detail"] == "use POST or PUT"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ord%65r", 200),  # the same segment
        ("/order/a%2Fb", 200),
        ("/order%2Fa", 404),  # one segment, which no route has
        ("//order", 404),
        ("/order/../env", 400),
        ("/order/.", 400),
        ("/order/a%00b", 400),
        ("/order/a%0ab", 400),
        ("/order/50%", 400),
        ("/" + "a" * 70_000, 414),
    ],
)
def test_path_is_read_once(gateway: Running, path: str, status: int) -> None:
    head = b"PUT %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    received = raw(gateway, head % path.encode())

    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert status == 200 or b"application/problem+json" in received


@pytest.mark.parametrize("path", ["/order", "/stream"])
def test_large_body_passes_in_both_directions(gateway: Running, path: str) -> None:
    body = os.urandom(5_000_000)

    answer = httpx.post(url(gateway, path), content=body, timeout=DEADLINE_S)

    assert answer.content == body


def test_chunked_request_arrives_whole(gateway: Running) -> None:
    parts = [b"a" * 70_000, b"b", b"c" * 1000]

    answer = httpx.post(url(gateway, "/order"), content=iter(parts))

    assert answer.content == b"".join(parts)


def test_pipelined_requests_are_answered_in_order(gateway: Running) -> None:
    one = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n%b\r\n%b"
    slow = one % (b"/slow?seconds=0.3", b"", b"1")
    last = one % (b"/order", b"Connection: close\r\n", b"3")

    received = raw(gateway, slow + b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n" + last)

    heads = [line for line in received.split(b"\r\n") if b"HTTP/1.1 " in line]
    assert [head.split(b"HTTP/1.1 ")[1][:3] for head in heads] == [b"200", b"404", b"200"]
    assert received.endswith(b"3")


def test_connection_is_kept_alive(gateway: Running) -> None:
    with httpx.Client() as client:
        ports = {
            client.post(url(gateway, "/order"))
            .extensions["network_stream"]
            .get_extra_info("client_addr")
            for _ in range(3)
        }

    assert len(ports) == 1


def test_head_has_no_body(gateway: Running) -> None:
    answer = httpx.head(url(gateway, "/headers"))

    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


def test_function_learns_who_asked(gateway: Running) -> None:
    sent = {"X-Forwarded-For": "1.2.3.4", "Connection": "keep-alive, X-Hop", "X-Hop": "1"}

    got = httpx.get(url(gateway, "/headers"), headers=sent).json()

    assert got["x-forwarded-for"] == "1.2.3.4, 127.0.0.1"
    assert got["x-forwarded-host"] == f"127.0.0.1:{gateway.port}"
    assert got["forwarded"].startswith("for=127.0.0.1;")
    assert "x-hop" not in got


def test_absolute_target_is_routed_by_its_path(gateway: Running) -> None:
    request = b"GET http://shop.test/headers HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n"

    received = raw(gateway, request)

    assert json.loads(received.split(b"\r\n\r\n", 1)[1])["host"] == "shop.test"


def test_expected_continue_is_given(gateway: Running) -> None:
    head = b"POST /order HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n"

    received = raw(gateway, head + b"Expect: 100-continue\r\n\r\nok")

    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
    assert received.endswith(b"ok")


def test_http_1_0_caller_gets_its_answer_and_the_end(gateway: Running) -> None:
    received = raw(gateway, b"POST /order HTTP/1.0\r\nContent-Length: 2\r\n\r\nok")

    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\nok")


def test_streamed_answer_is_not_for_http_1_0(gateway: Running) -> None:
    received = raw(gateway, b"POST /stream HTTP/1.0\r\nContent-Length: 2\r\n\r\nok")

    assert received.startswith(b"HTTP/1.1 505 ")


def test_connection_header_cannot_strip_what_frames_the_request(gateway: Running) -> None:
    named = b"Connection: close, host, content-length\r\n"
    head = b"POST /order HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"

    assert raw(gateway, head + named + b"\r\nok").endswith(b"\r\n\r\nok")


def test_slow_function_is_a_504(gateway: Running) -> None:
    answer = httpx.get(url(gateway, "/slow?seconds=20"), timeout=DEADLINE_S)

    assert answer.status_code == 504


@pytest.mark.parametrize(
    "headers",
    [
        b"Host: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"Host: h\r\nContent-Length: 1\r\nContent-Length: 2",
        b"Host: h\r\nContent-Length: +1",
        b"Host: h\r\nContent-Length: 1, 1",
        b"Host: h\r\nTransfer-Encoding: chunked, identity",
        b"Host: h\r\nTransfer-Encoding: xchunked",
        b"Host: h\r\nTransfer-Encoding : chunked",
        b"Host: h\r\nHost: other",
        b"Content-Length: 1",
        b"Host: h\r\nX: a\r\n b: c",
        b"Host: h\r\nX: a\0b",
    ],
)
def test_ambiguous_request_is_refused(gateway: Running, headers: bytes) -> None:
    received = raw(gateway, b"POST /order HTTP/1.1\r\n" + headers + b"\r\n\r\nx")

    assert received.startswith(b"HTTP/1.1 400 ")


def test_head_beyond_the_limit_is_refused(gateway: Running) -> None:
    received = raw(gateway, b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 66_000 + b"\r\n\r\n")

    assert received.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (b"/headers?q=" + b"a" * 8_000, b"", 200),
        (b"/headers?q=" + b"a" * 8_200, b"", 414),
        (b"/headers", b"X: y\r\n" * 98, 200),
        (b"/headers", b"X: y\r\n" * 99, 431),
        (b"/headers", b"X: y\r\n" * 10_000, 431),
    ],
)
def test_target_and_headers_are_bounded(
    gateway: Running, target: bytes, headers: bytes, status: int
) -> None:
    head = b"GET %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%b\r\n" % (target, headers)

    received = raw(gateway, head)

    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert status == 200 or b"application/problem+json" in received


def test_absent_function_is_a_503_and_comes_back(tmp_path: Path) -> None:
    with runtime(tmp_path) as running:
        pid = running.component()["pid"]
        assert pid is not None

        os.killpg(pid, signal.SIGKILL)
        answer = httpx.post(url(running, "/order"), content="a", timeout=DEADLINE_S)

        # Either it was held back until the function was there again, or told to retry.
        assert answer.status_code in {200, 503}
        eventually(lambda: httpx.post(url(running, "/order"), content="a").status_code == 200)


def test_request_that_reached_a_dying_function_is_not_repeated(tmp_path: Path) -> None:
    with runtime(tmp_path) as running:
        pid = running.component()["pid"]
        assert pid is not None
        with socket.create_connection(("127.0.0.1", running.port), DEADLINE_S) as caller:
            caller.sendall(b"GET /slow?seconds=4 HTTP/1.1\r\nHost: h\r\n\r\n")
            eventually(lambda: "asleep" in running.output.read_text())
            os.killpg(pid, signal.SIGKILL)

            assert caller.recv(65536).startswith(b"HTTP/1.1 503 ")


def test_one_port_serves_many_functions_by_host(tmp_path: Path) -> None:
    hosted = ROUTE.format(name="other").replace("name: routes", "name: hosted")
    hosted = hosted.replace("spec:", "spec:\n  hostnames: [other.test]")
    with runtime(tmp_path, service(), service("other"), ROUTE.format(name="echo"), hosted) as up:
        answers = [
            httpx.get(url(up, "/env"), headers={"Host": host}).json()["K_SERVICE"]
            for host in ("localhost", "other.test:80")
        ]

    assert answers == ["echo", "other"]
