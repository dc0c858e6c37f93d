"""Bodies of any length: so much is kept, all of it is read, and nobody waits for ever."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.types import Message

from orderflow.errors import BodyTooLarge, BodyTooSlow, QueueFull
from orderflow.http.request_body import MAX_BODY_BYTES, BodyReader
from orderflow.server.protocol import BODY_IS_HERE


def request_of(
    chunks: Iterable[bytes], *, ends: bool = True, here: bool = False, **headers: str
) -> Request:
    """A request whose body comes in these chunks, and then its end or nothing."""
    left = iter(chunks)

    async def receive() -> Message:
        chunk = next(left, None)
        if chunk is None and not ends:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    known = {BODY_IS_HERE: True} if here else {}
    return Request({"type": "http", "method": "POST", "headers": named, **known}, receive)


@pytest.mark.parametrize(
    ("chunks", "kept", "length_bytes"),
    [
        ([], b"", 0),
        ([b"abc"], b"abc", 3),
        ([b"ab", b"cd"], b"abcd", 4),
        ([b"abc", b"def"], b"abcd", 6),
        ([b"abcd", b"e", b"f" * 100], b"abcd", 105),
    ],
)
async def test_the_start_is_kept_and_all_of_it_counted(
    chunks: list[bytes], kept: bytes, length_bytes: int
) -> None:
    assert await BodyReader().read_start(request_of(chunks), 4) == (kept, length_bytes)


async def test_who_does_not_come_to_an_end_is_not_waited_for() -> None:
    reader = BodyReader(within_s=0.05)

    with pytest.raises(BodyTooSlow):
        await reader.read_start(request_of([b"abc"], ends=False), 4)


async def test_what_is_kept_takes_room_while_it_is_read() -> None:
    reader = BodyReader(room_bytes=10)

    with pytest.raises(QueueFull):
        await reader.read_start(request_of([b"abc"], content_length="20000"), 11)
    here = await reader.read_start(request_of([b"abc"], content_length="20000", here=True), 11)
    again = await reader.read_start(request_of([b"abc"], content_length="20000"), 10)

    assert here == again == (b"abc", 3)


async def test_a_body_that_is_here_is_still_bounded() -> None:
    with pytest.raises(BodyTooLarge):
        await BodyReader().read_body(request_of([b"a" * (MAX_BODY_BYTES + 1)], here=True))
