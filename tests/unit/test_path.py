"""One reading of a path: segments decoded once, and what could be read otherwise refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from orderflow.errors import MalformedPath
from orderflow.http.path import path_to, segments_of

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)


def request_to(path: str) -> Request:
    return Request({"type": "http", "raw_path": path.encode("ascii"), "headers": []})


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/", ("",)),
        ("/orders", ("orders",)),
        ("/orders/", ("orders", "")),
        ("//orders", ("", "orders")),
        ("/order/a%2Fb", ("order", "a/b")),
        ("/order/a%252Fb", ("order", "a%2Fb")),
        ("/dead-letters/redriv%65", ("dead-letters", "redrive")),
        ("/inventory/%2E%2e", ("inventory", "..")),
        ("/inventory/...", ("inventory", "...")),
    ],
)
def test_path_is_split_at_its_slashes_and_decoded_once(
    path: str, segments: tuple[str, ...]
) -> None:
    assert segments_of(request_to(path)) == segments


@pytest.mark.parametrize(
    "path",
    [
        "/order/50%",
        "/order/%zz",
        "/order/%4",
        "/order/%ff",
        "/order/%00",
        "/order/a%0Ab",
        "/order/%C2%85",
        "/inventory/../orders",
        "/inventory/.",
    ],
)
def test_path_that_others_could_read_otherwise_is_refused(path: str) -> None:
    with pytest.raises(MalformedPath):
        segments_of(request_to(path))


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_names_come_back_from_their_path(names: list[str]) -> None:
    assert segments_of(request_to(path_to(*names))) == tuple(names)
