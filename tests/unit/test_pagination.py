"""Cursors that callers can't break, and links that keep the filters."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from orderflow.errors import InvalidInput
from orderflow.http.pagination import Page, name_of, next_link, page_of, position_of
from orderflow.orders.lists import OrderPage

HIGHEST = 2**63 - 1


def make_request(query: str = "", path: str = "/orders") -> Request:
    scope = {
        "type": "http",
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [],
    }
    return Request(scope | {"server": ("127.0.0.1", 80), "scheme": "http", "method": "GET"})


def cursor(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def followed(link: dict[str, str]) -> Request:
    url = link["Link"].split(">")[0].removeprefix("<")
    return make_request(urlsplit(url).query, urlsplit(url).path)


def test_the_first_page_starts_above_every_position() -> None:
    assert position_of(Page()) == HIGHEST


def test_the_first_page_of_names_starts_before_every_name() -> None:
    assert name_of(Page()) == ""


@given(st.integers(0, HIGHEST))
def test_a_position_comes_back_from_its_link(position: int) -> None:
    request = followed(next_link(make_request(), str(position)))

    assert position_of(page_of(request, OrderPage)) == position


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200))
def test_a_name_comes_back_from_its_link(name: str) -> None:
    request = followed(next_link(make_request(path="/inventory"), name))

    assert name_of(page_of(request, Page)) == name


@pytest.mark.parametrize(
    "after",
    [
        "%",
        "x",
        "*",
        "é",
        "\ud800",
        "",
        cursor(b""),
        cursor(b"x"),
        cursor(b"-1"),
        cursor(b"1.0"),
        cursor(b" 1"),
        cursor(b"1\n"),
        cursor("²".encode()),
        cursor("٣".encode()),
        cursor(b"\xff"),
        cursor(b"1\0"),
        cursor(str(HIGHEST + 1).encode()),
        cursor(b"9" * 5_000),
    ],
    ids=ascii,
)
def test_a_cursor_that_no_link_held_is_refused(after: str) -> None:
    with pytest.raises(InvalidInput, match="after: take the cursor from a Link header"):
        position_of(Page(after=after))


@given(st.text(max_size=50))
def test_no_cursor_is_worse_than_refused(after: str) -> None:
    page = Page.model_construct(after=after)

    for read in (position_of, name_of):
        try:
            read(page)
        except InvalidInput as error:
            assert error.status == 422


def test_the_link_keeps_every_filter_and_replaces_the_cursor() -> None:
    link = next_link(make_request("status=pending&item=A%26B&limit=7&after=eA"), "42")

    query = parse_qs(urlsplit(link["Link"].split(">")[0]).query)

    assert query == {"status": ["pending"], "item": ["A&B"], "limit": ["7"], "after": ["NDI"]}
    assert link["Link"].endswith('>; rel="next"')


@pytest.mark.parametrize("limit", [1, 50, 500])
def test_a_limit_within_bounds_is_taken(limit: int) -> None:
    assert page_of(make_request(f"limit={limit}"), Page).limit == limit


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.5",
        "status=lost",
        "item=",
        "item=a%00b",
        "placed_after=yesterday",
        "placed_after=2026-03-01T12:00:00",
        "placed_after=0001-01-01T00:00:00%2B14:00",
        "placed_before=9999-12-31T23:59:59-14:00",
        "colour=red",
    ],
)
def test_a_parameter_beyond_its_bounds_names_itself(query: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        page_of(make_request(query), OrderPage)

    assert raised.value.errors[0]["field"] == query.partition("=")[0]
