"""The console where tokens are asked for: signing in with an issuer or a pasted token."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_browser, open_page
from tests.support.impatient_project import ORDERS_ALONE, impatient_project
from tests.support.login_issuer import CLIENT_ID, LoginIssuer, login_issuer
from tests.support.shop import Shop, open_shop, reference

pytestmark = pytest.mark.any_broker

SERVICES = (*ORDERS_ALONE, "redrive", "update-order", "list-inventory", "console", "overview")
EXPIRED_S = -31  # beyond the half minute that clocks may differ by
KEPT = "JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def issuer() -> Iterator[LoginIssuer]:
    with login_issuer() as serving:
        yield serving


@pytest.fixture(scope="module")
def shop(
    browser: Browser, issuer: LoginIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """An OrderFlow that takes this issuer's tokens. Without a browser: none."""
    folder = tmp_path_factory.mktemp("login")
    project = impatient_project(folder / "project", SERVICES)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in issuer.settings().items():
            patch.setenv(name, value)
        options = ["--auth", "--project", str(project)]
        with open_shop(folder / "data", options=options) as running:
            issuer.redirect_uri = f"{running.url}/console"
            yield running


def at(
    browser: Browser, shop: Shop, issuer: LoginIssuer, path: str, **how: Any
) -> AbstractContextManager[Page]:
    """A tab that shows a view, and may call the issuer."""
    return open_page(
        browser, f"{shop.url}/console#{path}", calls=(urlsplit(issuer.url).netloc,), **how
    )


def sign_in(page: Page) -> None:
    page.get_by_role("button", name="Sign in with").click()
    page.get_by_role("link", name="Agree").click()


def paste(page: Page, token: str) -> None:
    page.get_by_label("Paste a token").fill(token)
    page.get_by_role("button", name="Use this token").click()


def test_who_signs_in_comes_back_to_where_they_wanted_to_go(
    browser: Browser, shop: Shop, issuer: LoginIssuer
) -> None:
    order_id = shop.place({"Authorization": f"Bearer {issuer.token()}"}, item="Lamp", quantity=1)

    with at(browser, shop, issuer, f"/orders/{order_id}") as page:
        sign_in(page)

        expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {order_id}")
        expect(page.get_by_text("alice").first).to_be_visible()
        assert page.url == f"{shop.url}/console#/orders/{order_id}"
        (asked, *_) = issuer.asked[-1:]
        assert asked["client_id"] == CLIENT_ID
        assert "openid" in asked["scope"]
        assert "operations" in asked["scope"]


def test_a_token_is_kept_for_the_tab_alone(
    browser: Browser, shop: Shop, issuer: LoginIssuer
) -> None:
    with at(browser, shop, issuer, "/orders") as page:
        sign_in(page)
        expect(page.get_by_role("heading", name="Orders")).to_be_visible()
        session, local, cookie = page.evaluate(f"JSON.parse({KEPT})")
        assert set(session) == {"orderflow.session"}
        assert (local, cookie) == ({}, "")
        page.get_by_role("button", name="Sign out").click()

        expect(page.get_by_role("heading", name="Sign in to OrderFlow")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0
        page.reload()
        expect(page.get_by_role("heading", name="Sign in to OrderFlow")).to_be_visible()


def test_who_refuses_is_told_so(browser: Browser, shop: Shop, issuer: LoginIssuer) -> None:
    with at(browser, shop, issuer, "/orders") as page:
        page.get_by_role("button", name="Sign in with").click()
        page.get_by_role("link", name="Refuse").click()

        expect(page.get_by_role("alert")).to_have_text("The issuer refused: alice said no.")


def test_a_sign_in_that_this_tab_did_not_begin_is_refused(
    browser: Browser, shop: Shop, issuer: LoginIssuer
) -> None:
    asked = dict(issuer.asked[-1]) if issuer.asked else {}
    issuer.codes["stolen"] = asked

    with at(browser, shop, issuer, "/orders") as page:
        page.goto(f"{shop.url}/console?code=stolen&state=made-up")

        expect(page.get_by_role("alert")).to_contain_text("was not begun in this tab")
        assert "code=" not in page.url
        assert "stolen" in issuer.codes


def test_a_token_that_has_expired_is_renewed(
    browser: Browser, shop: Shop, issuer: LoginIssuer
) -> None:
    before, issuer.lifetime_s = issuer.renewed, EXPIRED_S

    with at(browser, shop, issuer, "/orders", refused=(401,)) as page:
        sign_in(page)
        expect(page.locator("tbody a.row, .empty").first).to_be_visible()
    issuer.lifetime_s = 600

    assert issuer.renewed == before + 1


def test_a_pasted_token_does_as_well(browser: Browser, shop: Shop, issuer: LoginIssuer) -> None:
    with at(browser, shop, issuer, "/orders") as page:
        paste(page, "no token")
        expect(page.get_by_role("alert")).to_contain_text("This is no token")
        paste(page, f"Bearer {issuer.token(sub='bob')}")

        expect(page.get_by_role("heading", name="Orders")).to_be_visible()
        expect(page.get_by_text("bob").first).to_be_visible()


def test_a_token_that_is_refused_leads_back_to_the_sign_in(
    browser: Browser, shop: Shop, issuer: LoginIssuer
) -> None:
    with at(browser, shop, issuer, "/orders", refused=(401,)) as page:
        paste(page, issuer.token(exp=int(time.time()) + EXPIRED_S))

        expect(page.get_by_role("heading", name="Sign in to OrderFlow")).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text("You are signed out")


def test_a_view_names_the_scope_that_is_missing(
    browser: Browser, shop: Shop, issuer: LoginIssuer
) -> None:
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    order_id = shop.place(headers, item=reference("item"), quantity=1)

    with at(browser, shop, issuer, "/dead-letters", refused=(403,)) as page:
        paste(page, issuer.token("orders:read orders:all"))
        expect(page.get_by_role("alert")).to_contain_text("it needs the scope operations")
        page.goto(f"{shop.url}/console#/now")
        expect(page.get_by_role("alert")).to_contain_text("it needs the scope operations")
        page.goto(f"{shop.url}/console#/orders/{order_id}")
        page.get_by_role("button", name="Cancel the order").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel the order").click()

        expect(page.get_by_role("dialog")).to_contain_text("it needs the scope orders:write")


def test_what_a_token_does_not_open_is_named_and_the_rest_is_shown(
    browser: Browser, shop: Shop, issuer: LoginIssuer
) -> None:
    order_id = shop.place({"Authorization": f"Bearer {issuer.token()}"}, item="Lamp", quantity=1)
    marked = "UPDATE orders SET attention = 'look at it' WHERE order_id = :order_id"

    with at(browser, shop, issuer, "/needs-you", refused=(403,)) as page:
        shop.query(marked, order_id=order_id)
        paste(page, issuer.token("orders:read orders:all inventory:read"))

        expect(page.get_by_text("Not all can be seen")).to_contain_text("operations")
        expect(page.get_by_role("row").filter(has_text=order_id)).to_contain_text("look at it")
