"""The console's files: served as they are, under a policy that lets nothing else in."""

import re
from pathlib import Path

import httpx
import pytest

from tests.support.contract import check_answer
from tests.support.function_calls import FUNCTIONS, client_of, database_away, module_of, using

FOLDER = FUNCTIONS / "console"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in {".js", ".css", ".svg"})
MODULES = sorted(FOLDER.glob("*.js"))
MAX_LINES = 160  # of a module or a style sheet
MAX_PAGE_BYTES = 150_000  # of all of it, before any compression


async def get(path: str, **headers: str) -> httpx.Response:
    return await client_of("console").get(path, headers=headers)


async def test_the_start_leads_to_the_console() -> None:
    response = await get("/")

    assert (response.status_code, response.headers["location"]) == (307, "/console")


async def test_the_page_takes_nothing_from_elsewhere() -> None:
    response = await get("/console")

    check_answer("get_console", response)
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    linked = re.findall(r'(?:href|src)="([^"]+)"', response.text)
    assert all(link.startswith(("/", "#")) for link in linked)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", response.text)


@pytest.mark.parametrize("name", FILES)
async def test_a_file_is_served_as_what_it_is(name: str) -> None:
    response = await get(f"/console/{name}")

    check_answer("get_console_file", response)
    assert response.content == (FOLDER / name).read_bytes()
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    assert response.headers["content-type"].startswith(kinds[Path(name).suffix])


async def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    tag = (await get("/console/main.js")).headers["etag"]

    again = await get("/console/main.js", **{"If-None-Match": tag})
    other = await get("/console/main.js", **{"If-None-Match": '"another"'})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/console/main.py", "/console/grants.sql", "/console/", "/console/%2E%2E%2Fmain.py", "/x"],
)
async def test_nothing_else_of_the_folder_is_served(path: str) -> None:
    response = await get(path)

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_it_says_which_tokens_count() -> None:
    response = await get("/console/settings.json")

    assert response.json()["auth"] == "off"
    check_answer("get_console_file", response)


async def test_who_issues_tokens_may_be_called_where_there_is_a_client_id() -> None:
    module = module_of("console")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORDERFLOW_JWT_ISSUER", "https://issuer.example:8443/realms/shop")
        patch.setenv("ORDERFLOW_CONSOLE_CLIENT_ID", "console")
        for cached in (module.told, module.files, module.safe_headers):
            cached.cache_clear()
        policy = (await get("/console")).headers["content-security-policy"]
        settings = (await get("/console/settings.json")).json()
    for cached in (module.told, module.files, module.safe_headers):
        cached.cache_clear()

    assert "connect-src 'self' https://issuer.example:8443;" in policy
    assert settings["console_client_id"] == "console"


@pytest.mark.parametrize("path", ["/readyz", "/console"])
async def test_it_is_there_without_a_database(path: str) -> None:
    with using(worker=database_away()):
        response = await get(path)

    assert response.status_code == 200


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_never_parses_markup_and_imports_only_what_is_there(path: Path) -> None:
    text = path.read_text()

    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    assert re.findall(forbidden, text) == []
    assert {f"./{module.name}" for module in MODULES} >= set(re.findall(r'from "([^"]+)"', text))


@pytest.mark.parametrize("path", [FOLDER / name for name in FILES], ids=lambda path: path.name)
def test_a_file_is_short_and_says_what_it_is_for(path: Path) -> None:
    lines = path.read_text().splitlines()

    assert len(lines) <= MAX_LINES
    assert lines[0].startswith(("// ", "/* ", "<svg"))


def test_the_whole_page_is_small() -> None:
    assert sum((FOLDER / name).stat().st_size for name in FILES) < MAX_PAGE_BYTES


def test_every_icon_that_a_view_names_is_drawn() -> None:
    drawn = set(re.findall(r"^  (\w+): \"", (FOLDER / "icons.js").read_text(), re.M))
    named = {name for path in MODULES for name in re.findall(r'icon\("(\w+)"\)', path.read_text())}

    assert named
    assert named <= drawn
