"""Pages end in time: by their size, and when nobody takes them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from orderflow.errors import QueueFull
from orderflow.http.outgoing import MAX_PAGE_BYTES, Outgoing, PagesResponse, fitting


async def pages(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def sent(response: PagesResponse, *, taken: bool = True) -> list[Message]:
    messages = list[Message]()

    async def send(message: Message) -> None:
        messages.append(message)
        if not taken and message["type"] == "http.response.body":
            await asyncio.sleep(60)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    await response({"type": "http"}, receive, send)
    return messages


@pytest.mark.parametrize(
    ("sizes", "limit", "held", "place"),
    [
        ([], 5, 0, None),
        ([10, 10], 5, 2, None),
        ([10, 10, 10], 3, 3, 2),
        ([10] * 9, 3, 3, 2),
        ([MAX_PAGE_BYTES // 2] * 3, 5, 1, 0),
        ([MAX_PAGE_BYTES // 4] * 9, 50, 3, 2),
        ([MAX_PAGE_BYTES * 2, 1], 5, 1, 0),
        ([1, MAX_PAGE_BYTES * 2], 5, 1, 0),
    ],
)
def test_page_ends_at_its_limit_or_size(
    sizes: list[int], limit: int, held: int, place: int | None
) -> None:
    page, after = fitting(enumerate(b"x" * size for size in sizes), limit)

    assert (len(page), after) == (held, place)


async def test_who_comes_when_there_is_no_room_is_told_after_a_while() -> None:
    outgoing = Outgoing(pages=1, wait_s=0.05)
    await outgoing.acquire()

    with pytest.raises(QueueFull) as refused:
        await outgoing.acquire()

    assert refused.value.headers["Retry-After"]


async def test_room_is_free_again_once_all_is_taken() -> None:
    outgoing = Outgoing(pages=1, wait_s=0.05)
    await outgoing.acquire()
    content = b"x" * 200_000

    messages = await sent(PagesResponse(pages(content, b"y"), outgoing, {}, "text/plain"))
    await outgoing.acquire()

    assert b"".join(message.get("body", b"") for message in messages) == content + b"y"
    assert max(len(message.get("body", b"")) for message in messages) == 64 * 1024


async def test_page_that_is_not_taken_is_cut_off_and_its_room_free() -> None:
    outgoing = Outgoing(pages=1, wait_s=0.05, take_within_s=0.05)
    await outgoing.acquire()

    messages = await sent(PagesResponse(pages(b"x"), outgoing, {}, "text/plain"), taken=False)
    await outgoing.acquire()

    assert messages[-1]["more_body"]
