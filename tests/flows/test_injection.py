"""Text that is code elsewhere is text here: stored and shown as it was sent, or refused."""

import gzip
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.shop import Shop, reference
from tests.support.waiting import eventually

TEXTS = [
    "'; DROP TABLE orders; --",
    "') OR 1=1; UPDATE stock SET on_hand = 1000000; --",
    "$1 :item %s {0} {{7*7}} ${jndi:ldap://127.0.0.1:1/x}",
    "<script>alert(1)</script>",
    '"}], "status": "shipped", "x": [{"',
    "../../etc/passwd",
    "a/b?c=d#e&f;g",
    "=HYPERLINK(1)",
    "\\u0000\\x00%00",
    "日本\u202eabc\U0001f600",
    "$(reboot) `reboot` | reboot",
]
CONTROL = ["a\0b", "a\r\nX-Forged: 1", "a\x1b[2Jb", "a\x85b", "a\x7fb"]
JSON = {"Content-Type": "application/json"}


def legal(text: str) -> str:
    """A name that no other test has, of this text."""
    return f"{text} {reference()}"


@pytest.mark.any_broker
@pytest.mark.parametrize("text", TEXTS)
def test_text_of_every_field_is_stored_as_it_was_sent(shop: Shop, text: str) -> None:
    item, order_id, change_id = legal(text), legal(text), legal(text)
    count = {"item": item, "stock": 5, "reason": text, "change_id": change_id}
    assert shop.call("POST", "/inventory", count).status_code == 202
    eventually(lambda: shop.shelf(quote(item, safe=""))["on_hand"] == 5)

    shop.placed("confirmed", order_id=order_id, lines=[{"item": item, "quantity": 2}])

    shown = shop.order(order_id)
    assert (shown["order_id"], shown["lines"][0]["item"]) == (order_id, item)
    assert shop.shelf(quote(item, safe=""))["item"] == item
    change = shop.call("GET", f"/inventory/changes/{quote(change_id, safe='')}").json()
    assert change["change_id"] == change_id
    (listed,) = shop.call("GET", f"/orders?item={quote(item, safe='')}").json()
    assert listed["order_id"] == order_id
    assert shop.proof([order_id]).holds


@pytest.mark.any_broker
@pytest.mark.parametrize("text", TEXTS)
def test_text_that_selects_is_compared_and_never_run(shop: Shop, text: str) -> None:
    encoded = quote(text, safe="")
    for query in ("status", "item", "after", "placed_after", "limit", "attention"):
        answer = shop.call("GET", f"/orders?{query}={encoded}")
        assert answer.status_code in {200, 422}, (query, answer.text)
        assert answer.status_code == 422 or answer.json() == []
    for query in ("after", "limit", "attention"):
        assert shop.call("GET", f"/inventory?{query}={encoded}").status_code in {200, 422}
    for query in ("type", "item", "order_id", "state", "error", "after", "failed_after"):
        answer = shop.call("GET", f"/dead-letters?{query}={encoded}")
        assert answer.status_code in {200, 422}, (query, answer.text)
    for path in ("/order", "/inventory", "/inventory/changes", "/dead-letters"):
        assert shop.call("GET", f"{path}/{encoded}").status_code in {404, 405, 422}


@pytest.mark.any_broker
@pytest.mark.parametrize("text", CONTROL, ids=ascii)
def test_control_characters_are_refused_by_name_in_every_field(shop: Shop, text: str) -> None:
    order: dict[str, Any] = {"order_id": reference(), "item": reference("item"), "quantity": 1}
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "order_id": ("/order", order | {"order_id": text}),
        "item": ("/order", order | {"item": text}),
        "lines.0.item": ("/order", {"lines": [{"item": text, "quantity": 1}]}),
        "on_shortage": ("/order", order | {"on_shortage": text}),
        "change_id": ("/inventory", {"item": "x", "adjust": 1, "change_id": text}),
        "reason": ("/inventory", {"item": "x", "adjust": 1, "reason": text}),
    }
    for field, (path, body) in bodies.items():
        answer = shop.call("POST", path, body)
        assert answer.status_code == 422, answer.text
        assert field in [fault["field"] for fault in answer.json()["errors"]]
    for path in ("/order", "/inventory", "/inventory/changes"):
        answer = shop.call("GET", f"{path}/{quote(text, safe='')}")
        assert answer.status_code in {400, 404, 422}
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert shop.call("GET", f"/order/{order['order_id']}").status_code == 404


@pytest.mark.any_broker
def test_a_compressed_body_is_refused_before_it_grows(shop: Shop) -> None:
    order = {"order_id": reference(), "item": "x" * 200, "quantity": 1}
    bomb = gzip.compress(json.dumps(order).encode() + b" " * 100_000_000)

    for encoding in ("gzip", "deflate", "br"):
        headers = JSON | {"Content-Encoding": encoding}
        answer = httpx.post(f"{shop.url}/order", content=bomb, headers=headers, verify=False)
        assert answer.status_code == 415
        assert answer.json()["type"] == "/problems/not-json"
        assert "Content-Encoding" in answer.json()["detail"]
    assert shop.call("GET", f"/order/{order['order_id']}").status_code == 404


@pytest.mark.any_broker
@pytest.mark.parametrize("tampered", ["1", "-1", "AAAA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "💥", ""])
def test_a_cursor_that_no_list_gave_is_refused_or_shows_what_the_caller_may_see(
    shop: Shop, tampered: str
) -> None:
    for path in ("/orders", "/inventory", "/dead-letters"):
        answer = shop.call("GET", f"{path}?limit=1&after={quote(tampered)}")

        assert answer.status_code in {200, 422}
        assert "database" not in answer.text
