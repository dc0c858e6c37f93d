"""A path means the same to the gateway, to rights and to a function; HEAD answers like GET."""

import socket
from pathlib import Path

import pytest

from knative_local.ports import LOOPBACK
from tests.support.callers import running_function
from tests.support.shop import Shop, reference

pytestmark = pytest.mark.any_broker


def status_of(port: int, method: str, path: str) -> int:
    """Ask with a path as it is written here, which a client would mend."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    body = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection((LOOPBACK, port), 20) as caller:
        caller.sendall((head + body).encode())
        return int(caller.recv(12).split()[1])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/dead-letters/redrive", 422),
        ("POST", "/dead-letters/redriv%65", 422),
        ("GET", "/dead-letters/redriv%65", 405),
        ("POST", "/dead-letters%2Fredrive", 404),
        ("POST", "/dead-letters/x/../redrive", 400),
        ("POST", "/dead-letters//redrive", 405),
        ("POST", "/dead-letters/redrive%00", 400),
        ("POST", "/dead-letters/redrive%2F", 405),
        ("GET", "//dead-letters", 404),
        ("GET", "/%64ead-letters", 200),
        ("GET", "/dead-letters/%2E%2E", 404),
    ],
)
def test_path_means_the_same_with_and_without_the_gateway(
    shop: Shop, method: str, path: str, status: int
) -> None:
    function = shop.component("redrive", "Service")["port"]
    assert function is not None

    assert status_of(shop.port, method, path) == status
    assert status_of(function, method, path) == status


@pytest.mark.parametrize(
    "request_line",
    ["GET /" + "a" * 70_000 + " HTTP/1.1", "GET /\xff HTTP/1.1", "GET / HTTP/1.1\r\nX : y", "?"],
    ids=["70 KB", "no ASCII", "blank before a colon", "no HTTP"],
)
def test_what_is_not_http_is_a_problem_of_a_function_too(shop: Shop, request_line: str) -> None:
    port = shop.component("list-orders", "Service")["port"]
    assert port is not None

    with socket.create_connection((LOOPBACK, port), 20) as caller:
        caller.sendall(request_line.encode("latin-1") + b"\r\nHost: localhost\r\n\r\n")
        received = b""
        while part := caller.recv(65536):
            received += part

    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in received
    assert b'"type":"/problems/bad-request"' in received


def test_head_answers_like_get_without_the_body(shop: Shop) -> None:
    order_id = shop.placed("backordered", item=reference("item"), quantity=1)

    for path in ("/orders?limit=1", f"/order/{order_id}", "/inventory", "/dead-letters", "/docs"):
        got, head = shop.call("GET", path), shop.call("HEAD", path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers.get("link") == got.headers.get("link")


def test_functions_open_no_control_socket(environment: None, tmp_path: Path) -> None:
    with running_function("list_orders", HOME=str(tmp_path), XDG_RUNTIME_DIR=str(tmp_path)):
        assert list(tmp_path.rglob("*.ctl")) == []


def test_order_moved_on_is_replayed_as_first_answered_and_says_where_it_is_now(
    shop: Shop,
) -> None:
    body = {"order_id": reference(), "item": reference("item"), "quantity": 1}
    shop.call("POST", "/order", body)
    shop.await_status(str(body["order_id"]), "backordered")

    again = shop.call("POST", "/order", body)

    assert (again.status_code, again.json()["status"]) == (200, "pending")
    assert again.headers["idempotent-replayed"] == "true"
    assert shop.call("GET", again.headers["location"]).json()["status"] == "backordered"
