"""The Python client against the gateway, and against a network that fails it."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from knative_local.ports import LOOPBACK
from orderflow_client import AsyncOrderFlow, OrderFlow, Problem, Unreachable, transfer
from tests.support.shop import ROOT, Shop, reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.any_broker

QUICK_START = (ROOT / "README.md").read_text().partition("```python\nfrom orderflow_client")[2]


def whole_request(caller: socket.socket) -> bytes:
    """Read a request, head and body, and ask for the end of its connection."""
    received = caller.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    declared = re.search(rb"(?i)content-length: (\d+)", head)
    while declared and len(body) < int(declared[1]):
        body += caller.recv(65_536)
    return head + b"\r\nConnection: close\r\n\r\n" + body


@contextmanager
def losing(port: int, *, answers: int) -> Iterator[str]:
    """A way to the gateway on which so many answers get lost; yields its URL."""
    lost = iter(range(answers))
    listener = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                caller, _ = listener.accept()
                with caller, socket.create_connection((LOOPBACK, port)) as gateway:
                    gateway.sendall(whole_request(caller))
                    answer = b"".join(iter(lambda: gateway.recv(65_536), b""))
                    if next(lost, None) is None:
                        caller.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_every_call_says_what_the_api_says(shop: Shop) -> None:
    item, order_id = f"{reference('item')} / ä?", f"{reference()}/#1"
    with OrderFlow(shop.url) as client:
        change = client.count(item, 5, reason="stocktaking")
        eventually(lambda: client.change(change["change_id"])["status"] == "applied")
        client.adjust(item, -1)
        eventually(lambda: client.item(item)["on_hand"] == 4)
        placed = client.place_order(order_id=order_id, item=item, quantity=3)
        eventually(lambda: client.order(order_id)["status"] == "confirmed")
        (listed,) = client.orders(item=item, status="confirmed")
        shipped = client.ship(order_id)

        assert placed["order_id"] == listed["order_id"] == order_id
        assert shipped == {"order_id": order_id, "status": "shipped"}
        with pytest.raises(Problem) as refused:
            client.cancel(order_id)
        assert (refused.value.status, refused.value.type) == (409, "/problems/conflict")
        with pytest.raises(Problem) as wrong:
            client.place_order(item=item, quantity=0)
        assert [fault["field"] for fault in wrong.value.errors] == ["quantity"]
        with pytest.raises(Problem, match="only what is pending is announced again"):
            client.retry(order_id)
        eventually(lambda: [*client.inventory_changes(item=item, outcome="applied", limit=1)][1:])
        assert list(client.inventory_changes(item=item, outcome="refused")) == []
        assert list(client.dead_letters(order_id=order_id)) == []
        assert client.redrive(item=item, by="Ada")["matched"] == 0


def test_pages_are_followed_to_the_end(shop: Shop) -> None:
    item = reference("item")
    with OrderFlow(shop.url) as client:
        placed = [client.place_order(item=item, quantity=1)["order_id"] for _ in range(7)]

        listed = [order["order_id"] for order in client.orders(item=item, limit=2)]

    assert listed == placed[::-1]


def test_a_write_whose_answer_was_lost_is_sent_again_and_done_once(shop: Shop) -> None:
    item = reference("item")
    with losing(shop.port, answers=2) as url, OrderFlow(url) as client:
        placed = client.place_order(item=item, quantity=1)
        (listed,) = client.orders(item=item)
    with losing(shop.port, answers=1) as url, OrderFlow(url) as client:
        client.adjust(item, 7)
        eventually(lambda: client.item(item)["on_hand"])
        assert [entry["on_hand_change"] for entry in client.item(item)["ledger"]].count(7) == 1

    assert listed["order_id"] == placed["order_id"]
    assert shop.shelf(item)["on_hand"] == 7


def test_who_answers_nothing_is_given_up_after_some_attempts(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "FIRST_PAUSE_S", 0.01)
    with (
        losing(shop.port, answers=transfer.ATTEMPTS) as url,
        OrderFlow(url) as client,
        pytest.raises(Unreachable, match=f"no answer in {transfer.ATTEMPTS} attempts"),
    ):
        client.place_order(item=reference("item"), quantity=1)


async def test_the_async_client_does_the_same_for_many_at_once(shop: Shop) -> None:
    item, tokens = reference("item"), iter(range(1_000))

    async def token() -> str:
        return f"token-{next(tokens)}"  # asked before each call

    async with AsyncOrderFlow(shop.url, token=token) as client:
        placed = await asyncio.gather(
            *(client.place_order(item=item, quantity=1) for _ in range(20))
        )
        listed = {order["order_id"] async for order in client.orders(item=item, limit=3)}
        with pytest.raises(Problem):
            await client.order(reference())

    assert listed == {order["order_id"] for order in placed}
    assert next(tokens) >= 20


def test_the_quick_start_of_the_readme_works(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"from orderflow_client{QUICK_START.partition('```')[0]}"
    code = code.replace("http://127.0.0.1:8080", shop.url).replace("TOKEN", '"any"')

    exec(compile(code, str(tmp_path / "quick_start.py"), "exec"), {})

    *_, (order_id, status) = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert shop.order(order_id)["lines"] == [{"item": "Laptop", "quantity": 1}]
    assert status in {"pending", "backordered", "confirmed", "shipped"}
