"""The documentation: readable without a network, a database or a token."""

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from orderflow.contract.openapi import openapi
from orderflow.contract.problems import problem_types
from tests.support.contract import check_answer
from tests.support.function_calls import client_of, database_away, using

VOID = {"meta", "br"}
PAGES = ["/docs", *(row.uri for row in problem_types())]


class Page(HTMLParser):
    """The parts of a page; fails on a tag that is closed out of turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.headings: list[int] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told: dict[str, Any] = dict(attrs)
        self.tags[tag] += 1
        self.attributes += [(f"{tag} {name}", value) for name, value in attrs]
        self.ids += [told["id"]] if "id" in told else []
        self.links += [told["href"]] if "href" in told else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self._open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


async def get(path: str) -> httpx.Response:
    return await client_of("api_docs").get(path)


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_takes_nothing_from_elsewhere(path: str) -> None:
    response = await get(path)
    page = Page(response.text)

    assert response.status_code == 200
    assert page.tags.keys().isdisjoint({"script", "img", "iframe", "link", "object", "form"})
    assert all(link.startswith(("/", "#")) for link in page.links)
    assert not [a for a, _ in page.attributes if a.endswith((" src", " style")) or " on" in a]
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


async def test_the_style_is_what_the_policy_allows() -> None:
    response = await get("/docs")
    (style,) = re.findall("<style>(.*?)</style>", response.text, re.DOTALL)

    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_can_be_read_by_ear_and_by_keyboard(path: str) -> None:
    text = (await get(path)).text
    page = Page(text)

    assert '<html lang="en">' in text
    assert page.tags["main"] == page.tags["title"] == page.tags["h1"] == 1
    steps = zip(page.headings, page.headings[1:], strict=False)
    assert all(below - above <= 1 for above, below in steps)
    assert max(Counter(page.ids).values()) == 1
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert page.tags["table"] == page.tags["caption"]
    assert [v for a, v in page.attributes if a == "th scope"] == ["col"] * page.tags["th"]


async def test_the_documentation_names_every_call_type_and_problem() -> None:
    page = Page((await get("/docs")).text)
    document = openapi()
    calls = {o["operationId"] for path in document["paths"].values() for o in path.values()}

    assert calls | document["components"]["schemas"].keys() <= set(page.ids)
    assert {row.uri for row in problem_types()} <= set(page.links)


async def test_every_link_to_another_page_leads_there() -> None:
    links = {
        link.partition("#")[0] for path in PAGES for link in Page((await get(path)).text).links
    }

    for link in links - {""}:
        assert (await get(link)).status_code == 200, link


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("get_contract", "/openapi.json", 200),
        ("get_documentation", "/docs", 200),
        ("get_problem_type", "/problems/invalid-input", 200),
        ("get_problem_type", "/problems/no-such", 404),
    ],
)
async def test_the_answers_are_as_documented(name: str, path: str, status: int) -> None:
    response = await get(path)

    check_answer(name, response)
    assert response.status_code == status


async def test_the_document_that_is_served_is_the_contract() -> None:
    assert (await get("/openapi.json")).json() == openapi()


@pytest.mark.parametrize("path", ["/readyz", "/healthz", "/docs"])
async def test_it_is_there_without_a_database(path: str) -> None:
    with using(worker=database_away()):
        response = await get(path)

    assert response.status_code == 200


async def test_nothing_else_is_there() -> None:
    assert (await get("/docs/")).status_code == 404
    assert (await client_of("api_docs").post("/docs")).status_code == 405
    assert (await client_of("api_docs").head("/docs")).status_code == 200
