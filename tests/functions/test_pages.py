"""Pages end at a size in bytes as well, and their links lead to the rest."""

import re
from typing import Any

import httpx
import orjson

from orderflow.database.connection import Connection
from orderflow.http.outgoing import MAX_PAGE_BYTES
from tests.support.dead_letters import keep, make_letter
from tests.support.function_calls import apply, client_of, make_lines, place, reference, tell

LINK = re.compile(r'<([!-~]+)>; rel="next"')


async def pages_of(function: str, path: str) -> list[httpx.Response]:
    """Follow a list to its end."""
    pages = list[httpx.Response]()
    while path:
        pages.append(await client_of(function).get(path))
        assert pages[-1].status_code == 200
        assert len(pages[-1].content) <= MAX_PAGE_BYTES + 10_000  # and what surrounds a ledger
        link = LINK.fullmatch(pages[-1].headers.get("link", ""))
        path = link[1] if link else ""
    return pages


async def large_orders(count: int) -> tuple[str, list[str]]:
    """Place orders of 100 lines with long names; return an item of each, and their ids."""
    item = reference("item")
    lines = make_lines((item, 1), *((f"{item}{'名' * 150}{n}", 1) for n in range(99)))
    return item, [await place(lines=lines) for _ in range(count)]


async def test_page_of_large_orders_ends_at_a_size_and_links_to_the_rest() -> None:
    item, placed = await large_orders(25)

    pages = await pages_of("list_orders", f"/orders?limit=500&item={item}")

    shown = [order["order_id"] for page in pages for order in page.json()]
    assert len(pages) > 1
    assert shown == placed[::-1]


async def test_stream_of_large_orders_has_them_all() -> None:
    item, placed = await large_orders(25)

    headers = {"accept": "application/x-ndjson"}
    stream = await client_of("list_orders").get(f"/orders?item={item}", headers=headers)

    shown = [orjson.loads(line)["order_id"] for line in stream.content.splitlines()]
    assert len(stream.content) > MAX_PAGE_BYTES
    assert shown == placed[::-1]


async def test_page_of_more_orders_than_are_read_at_once_has_them_all() -> None:
    item = reference("item")
    placed = [await place(item=item) for _ in range(203)]

    pages = await pages_of("list_orders", f"/orders?limit=201&item={item}")

    shown = [[order["order_id"] for order in page.json()] for page in pages]
    assert shown == [placed[:1:-1], placed[1::-1]]


async def test_ledger_of_long_reasons_ends_at_a_size_and_links_to_the_rest() -> None:
    item, count = reference("item"), 420
    for number in range(count):
        answer = await tell(item, adjust=1, reason=f"{number} {'理' * 450}")
        assert answer.status_code == 202
    assert (await apply(item)).status_code == 204

    pages = await pages_of("list_inventory", f"/inventory/{item}?limit=500")

    entries = [entry["entry"] for page in pages for entry in page.json()["ledger"]]
    assert len(pages) > 1
    assert len({*entries}) == len(entries) == count
    assert entries == sorted(entries, reverse=True)


async def test_page_of_long_letters_ends_at_a_size_and_links_to_the_rest(
    database: Connection,
) -> None:
    of_type = reference("type")
    kept = keep(database, *(make_letter(type=of_type, error="e" * 4_000) for _ in range(200)))

    pages = await pages_of("redrive", f"/dead-letters?limit=500&type={of_type}")

    shown: list[Any] = [letter["id"] for page in pages for letter in page.json()]
    assert len(pages) > 1
    assert sorted(shown) == sorted(kept)
