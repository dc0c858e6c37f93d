"""The console in a real browser, against a running stack with 10,000 orders."""

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from rich.console import Console

from orderflow.database.connection import Connection
from orderflow.database.migrate import migrate
from tests.bench.history import fill
from tests.support.browser import PHONE, open_browser, open_page, too_faint
from tests.support.dead_letters import keep, make_letter
from tests.support.server_process import embedded_postgres
from tests.support.shop import Shop, open_shop, reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.any_broker

ORDERS = 10_000
MINUS_TWO = "\N{MINUS SIGN}2"
MARKUP = "<img src=x onerror=alert(1)>\"'&<script>alert(2)</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


class Database:
    """A server that a test can take away and give back at the same address."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._running = folder, ExitStack()

    def start(self) -> str:
        return self._running.enter_context(embedded_postgres(self._folder))

    def stop(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    server = Database(tmp_path_factory.mktemp("database"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shop(
    browser: Browser, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """An OrderFlow that has had many orders, on a database of its own. Without a browser: none."""
    url = database.start()
    migrate(url)
    with closing(Connection(url, answer_timeout_s=60)) as connection:
        fill(Console(quiet=True), connection, ORDERS)
    with open_shop(tmp_path_factory.mktemp("console") / "data", postgres=url) as running:
        yield running


def at(browser: Browser, shop: Shop, path: str, **how: Any) -> AbstractContextManager[Page]:
    """A tab that shows a view."""
    return open_page(browser, f"{shop.url}/console#{path}", **how)


def row(page: Page, text: str) -> Locator:
    """The row of a table that has this text."""
    return page.get_by_role("row").filter(has_text=text)


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def said(page: Page) -> Locator:
    """What the page says at its foot, and to who listens."""
    return page.locator("#said")


def test_the_start_leads_to_the_page(browser: Browser, shop: Shop) -> None:
    with open_page(browser, f"{shop.url}/") as page:
        expect(page.get_by_role("heading", name="Now")).to_be_visible()

        assert page.url == f"{shop.url}/console"


def test_ten_thousand_orders_are_turned_page_by_page(browser: Browser, shop: Shop) -> None:
    with at(browser, shop, "/orders") as page:
        first = page.locator("tbody a.row").first.inner_text()
        page.get_by_role("link", name="Next page").click()
        expect(page.get_by_role("link", name="First page")).to_be_visible()
        second = page.locator("tbody a.row").first.inner_text()
        page.go_back()

        expect(page.locator("tbody a.row").first).to_have_text(first)
        assert second != first
        assert page.locator("tbody tr").count() == 25


def test_orders_are_filtered_and_the_filter_is_in_the_address(browser: Browser, shop: Shop) -> None:
    with at(browser, shop, "/orders") as page:
        page.get_by_label("Status").select_option("rejected")
        expect(page.locator("tbody .badge").first).to_have_text("rejected")
        expect(page.locator("tbody .badge.confirmed")).to_have_count(0)
        page.get_by_label("Item").fill("no such item")
        page.get_by_label("Item").press("Enter")

        expect(page.get_by_text("No order is like that")).to_be_visible()
        assert "status=rejected&item=no+such+item" in page.url


def test_an_order_shows_its_life_and_is_shipped_after_a_question(
    browser: Browser, shop: Shop
) -> None:
    item = reference("item")
    shop.stock(item, 5)
    order_id = shop.placed("confirmed", item=item, quantity=2)

    with at(browser, shop, f"/orders/{order_id}") as page:
        expect(page.locator(".life li strong")).to_have_text(["pending", "confirmed", "next"])
        expect(page.get_by_text("It waits for someone to ship it")).to_be_visible()
        press(page, "Mark as shipped")
        press(page, "Not now")
        assert shop.status(order_id) == "confirmed"
        press(page, "Mark as shipped")
        page.get_by_role("dialog").get_by_role("button", name="Mark as shipped").click()

        expect(said(page)).to_have_text(f"Order {order_id} is shipped.")
        expect(page.locator(".life li strong")).to_have_text(["pending", "confirmed", "shipped"])
        assert shop.status(order_id) == "shipped"


def test_an_order_says_why_it_waits_and_is_cancelled(browser: Browser, shop: Shop) -> None:
    item = reference("item")
    order_id = shop.placed("backordered", item=item, quantity=3)

    with at(browser, shop, "/orders") as page:
        page.get_by_label("Go to an order by its id").fill(order_id)
        page.keyboard.press("Enter")
        expect(row(page, item).first).to_contain_text("3")
        press(page, "Cancel the order")
        page.get_by_role("dialog").get_by_role("button", name="Cancel the order").click()

        expect(page.locator(".summary .badge")).to_have_text("cancelled")
        assert shop.status(order_id) == "cancelled"


def test_what_has_moved_meanwhile_is_refused_in_the_dialog(browser: Browser, shop: Shop) -> None:
    order_id = shop.placed("backordered", item=reference("item"), quantity=1)

    with at(browser, shop, f"/orders/{order_id}", refused=(409,)) as page:
        press(page, "Cancel the order")
        page.route(
            "**/order/*",
            lambda route: (
                route.fulfill(
                    status=409,
                    content_type="application/problem+json",
                    body=json.dumps({"type": "/problems/conflict", "detail": "it was shipped"}),
                )
                if route.request.method == "PATCH"
                else route.continue_()
            ),
        )
        page.get_by_role("dialog").get_by_role("button", name="Cancel the order").click()

        expect(page.get_by_role("dialog")).to_contain_text("It was shipped.")


def test_an_order_that_is_not_there_is_said_to_be_none(browser: Browser, shop: Shop) -> None:
    with at(browser, shop, "/orders/nowhere", refused=(404,)) as page:
        expect(page.get_by_role("alert")).to_have_text(re.compile("There is no order nowhere"))


def test_a_name_that_is_markup_stays_text_everywhere(browser: Browser, shop: Shop) -> None:
    order_id = f"{MARKUP}/..?#{reference()}"
    shop.place(order_id=order_id, item=MARKUP, quantity=1)
    letter = make_letter(order_id=order_id, item=MARKUP, error=MARKUP, data=MARKUP.encode())
    with closing(Connection(shop.servers[0])) as connection:
        (letter_id,) = keep(connection, letter)
    eventually(lambda: shop.order(order_id).get("status") == "backordered")

    with at(browser, shop, "/orders") as page:
        page.on("dialog", lambda dialog: pytest.fail(f"the page ran {dialog.message}"))
        page.get_by_role("link", name=order_id).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {order_id}")
        page.get_by_role("link", name=MARKUP, exact=True).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
        page.get_by_role("link", name="Dead letters").click()
        page.get_by_role("link", name=str(letter_id), exact=True).click()
        expect(page.locator("pre")).to_have_text(MARKUP)

        assert page.locator("main img, main script").count() == 0


def test_a_count_and_a_difference_are_followed_until_they_are_applied(
    browser: Browser, shop: Shop
) -> None:
    item = reference("item")

    with at(browser, shop, "/stock", refused=(404,)) as page:
        press(page, "Count")
        page.get_by_role("dialog").get_by_label("Item").fill(item)
        page.get_by_label("On hand").fill("12")
        press(page, "Save the count")
        expect(said(page)).to_have_text(f"{item}: 12 is applied.")
        page.get_by_label("Go to an item by its name").fill(item)
        page.keyboard.press("Enter")
        press(page, "Adjust")
        page.get_by_label("Difference").fill("-2")
        page.get_by_label("Reason").fill("damaged")
        press(page, "Save the difference")

        expect(said(page)).to_have_text(f"{item}: {MINUS_TWO} is applied.")
        expect(page.locator(".figure").first).to_contain_text("10")
        expect(row(page, "damaged")).to_contain_text(MINUS_TWO)


def test_a_field_that_is_wrong_says_so_beside_itself(browser: Browser, shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 1)

    with at(browser, shop, f"/stock/{item}", refused=(422,)) as page:
        press(page, "Count")
        page.get_by_label("On hand").fill("-3")
        press(page, "Save the count")

        expect(page.locator("#f-stock-wrong")).to_have_text(re.compile("greater than or equal"))
        expect(page.get_by_label("On hand")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_difference_below_zero_is_refused_with_its_reason(browser: Browser, shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 1)

    with at(browser, shop, f"/stock/{item}") as page:
        press(page, "Adjust")
        page.get_by_label("Difference").fill("-5")
        press(page, "Save the difference")

        expect(page.get_by_role("dialog").get_by_role("alert").last).not_to_be_empty()
        expect(page.get_by_text("Refused lately")).to_be_visible()


def kept(shop: Shop, count: int, **letter: Any) -> list[int]:
    """Dead letters of a type of their own; return their ids."""
    with closing(Connection(shop.servers[0])) as connection:
        return keep(connection, *(make_letter(**letter) for _ in range(count)))


def test_chosen_letters_are_discarded_after_a_dry_run(browser: Browser, shop: Shop) -> None:
    error = reference("error")
    one, other, left = kept(shop, 3, error_type=error)

    with at(browser, shop, f"/dead-letters?error={error}") as page:
        page.get_by_label(f"Choose letter {one}", exact=True).check()
        page.get_by_label(f"Choose letter {other}", exact=True).check()
        press(page, "Discard")
        expect(page.get_by_role("dialog")).to_contain_text("2 letters match.")
        page.get_by_label("Who asks").fill("Ada")
        page.get_by_role("dialog").get_by_role("button", name="Discard").click()
        expect(said(page)).to_have_text("2 letters discarded.")

        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("link", name="Record of redrives").click()
        expect(page.locator("tbody tr").first).to_contain_text("Ada")
    assert shop.call("GET", f"/dead-letters/{left}").json()["state"] == "kept"


def test_what_a_filter_finds_is_sent_again_at_a_rate(browser: Browser, shop: Shop) -> None:
    error, order_id = reference("error"), reference()
    ids = kept(shop, 3, error_type=error, type="orderflow.order.placed.v1", order_id=order_id)

    with at(browser, shop, f"/dead-letters?error={error}", refused=(422,)) as page:
        press(page, "Send all that match again")
        expect(page.get_by_role("dialog")).to_contain_text("3 letters match.")
        page.get_by_label("Letters a second").fill("0")
        page.get_by_role("dialog").get_by_role("button", name="Send again").click()
        page.locator("#f-rate_per_s-wrong").filter(has_text="greater").wait_for()
        page.get_by_label("Letters a second").fill("7")
        page.get_by_role("dialog").get_by_role("button", name="Send again").click()

        expect(said(page)).to_have_text("3 letters will be sent again.")
    (record, *_) = shop.call("GET", "/dead-letters/redrives").json()
    assert (record["matched"], record["rate_per_s"]) == (3, 7)
    assert shop.call("GET", f"/dead-letters/{ids[0]}").json()["state"] != "kept"


def test_now_shows_what_comes_in_while_it_comes_in(browser: Browser, shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 100)

    with at(browser, shop, "/now") as page:
        expect(page.locator(".chart.throughput rect.bar")).to_have_count(60)
        expect(page.locator(".heard")).to_have_text("Live")
        shipped = page.locator(".statuses a[href*=shipped] b").inner_text()
        order_id = shop.placed("confirmed", item=item, quantity=1)
        shop.patch(order_id, "shipped")

        expect(page.locator(".statuses a[href*=shipped] b")).not_to_have_text(shipped)
        expect(page.locator(".chart.latency path")).to_have_count(3)
        page.get_by_text("As numbers").click()
        expect(page.locator("table").first.locator("tbody tr")).to_have_count(60)
        page.locator(".chart.throughput").hover(position={"x": 400, "y": 100})
        expect(page.locator(".tip").first).to_contain_text("accepted")


def test_what_needs_a_person_is_listed_each_with_its_button(browser: Browser, shop: Shop) -> None:
    short, low, error = reference("short"), reference("low"), reference("error")
    shop.stock(low, 3)
    assert shop.call("POST", "/inventory", {"item": low, "threshold": 5}).status_code == 202
    assert shop.call("POST", "/inventory", {"item": low, "adjust": -9}).status_code == 202
    order_id = shop.placed("backordered", item=short, quantity=400)
    kept(shop, 2, error_type=error, type=reference("type"))
    promised = shop.placed("confirmed", item=low, quantity=2)
    shop.stock(low, 1)
    eventually(lambda: shop.order(promised)["waiting"]["attention"])

    with at(browser, shop, "/needs-you") as page:
        expect(row(page, error)).to_contain_text("2")
        expect(row(page, promised)).to_contain_text("confirmed")
        expect(row(page, low).filter(has_text="Count it")).to_be_visible()
        row(page, short).get_by_role("button", name="Add units").click()
        expect(page.get_by_label("Difference")).to_have_value("400")
        press(page, "Save the difference")

        expect(said(page)).to_have_text(f"{short}: +400 is applied.")
        expect(row(page, short)).to_have_count(0)
        row(page, error).get_by_role("button", name="Discard").click()
        expect(page.get_by_role("dialog")).to_contain_text("2 letters match.")
        page.get_by_role("dialog").get_by_role("button", name="Discard").click()
        expect(row(page, error)).to_have_count(0)
        row(page, promised).get_by_role("button", name="Cancel").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel the order").click()
        expect(row(page, promised)).to_have_count(0)
    shop.await_status(order_id, "confirmed")


def test_an_item_that_runs_low_is_watched(browser: Browser, shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 4)

    with at(browser, shop, f"/stock/{item}") as page:
        press(page, "Threshold")
        page.get_by_role("dialog").get_by_label("Threshold").fill("9")
        press(page, "Save the threshold")
        expect(said(page)).to_have_text(f"{item}: the threshold 9 is applied.")
        page.goto(f"{shop.url}/console#/needs-you")

        expect(row(page, item)).to_contain_text("Add units")


def test_a_pending_order_is_announced_again(browser: Browser, shop: Shop) -> None:
    (((order_id,),)) = shop.query("SELECT order_id FROM orders WHERE status = 'pending' LIMIT 1")

    with at(browser, shop, f"/orders/{order_id}") as page:
        press(page, "Announce again")
        page.get_by_role("dialog").get_by_role("button", name="Announce again").click()

        expect(said(page)).to_have_text(f"Order {order_id} is announced again.")
        expect(page.locator(".summary .badge")).not_to_have_text("pending")


def test_the_audit_proves_and_names_what_differs(browser: Browser, shop: Shop) -> None:
    item = reference("item")
    shop.stock(item, 2)

    with at(browser, shop, "/proof") as page:
        press(page, "Run the audit")
        expect(page.get_by_role("heading", name="Everything is proven")).to_be_visible()
        assert page.locator(".checks li.good").count() > 5
        shop.query("UPDATE stock SET on_hand = 3 WHERE item = :item", item=item)
        press(page, "Run the audit")
        expect(page.locator(".verdict.bad")).to_be_visible()
        expect(page.locator(".checks li.bad").first).to_contain_text(item)
        shop.query("UPDATE stock SET on_hand = 2 WHERE item = :item", item=item)
        page.get_by_role("row").filter(has_text="all proven").first.get_by_role("link").click()

        expect(page.get_by_role("heading", name="Everything is proven")).to_be_visible()


def test_everything_is_reached_without_a_mouse(browser: Browser, shop: Shop) -> None:
    with at(browser, shop, "/now") as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the content")).to_be_focused()
        page.keyboard.press("3")
        expect(page.get_by_role("heading", level=1)).to_have_text("Orders")
        page.locator("tbody a.row").first.wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        expect(page.locator("tbody a.row").nth(1)).to_be_focused()
        page.keyboard.press("/")
        expect(page.get_by_label("Status")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("12")
        page.keyboard.press("Tab")
        expect(page.get_by_text("No order is like that")).to_be_visible()
        expect(page.get_by_label("Placed after")).to_be_focused()
        page.get_by_role("link", name="Dead letters").focus()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("the six views")
        page.keyboard.press("Escape")

        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("link", name="Dead letters")).to_be_focused()


VIEWS = ["/now", "/needs-you", "/orders", "/stock", "/dead-letters", "/proof"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_phone_and_can_be_read(browser: Browser, shop: Shop, scheme: str) -> None:
    with at(browser, shop, VIEWS[0], size=PHONE, scheme=scheme) as page:
        for view in VIEWS:
            page.goto(f"{shop.url}/console#{view}")
            expect(page.locator(".skeleton:visible")).to_have_count(0)
            widths = "[document.documentElement.scrollWidth, innerWidth]"
            wide, room = page.evaluate(widths)

            assert wide <= room, view
            assert too_faint(page) == [], view
            expect(page.get_by_role("navigation", name="Views")).to_be_in_viewport()


def test_a_text_that_is_too_faint_is_found(browser: Browser, shop: Shop) -> None:
    with at(browser, shop, "/orders") as page:
        heading = page.get_by_role("heading", level=1)
        heading.evaluate("node => { node.style.color = 'rgb(180, 180, 180)'; }")

        assert [told.partition(":")[0] for told in too_faint(page)] == ["Orders"]


def test_an_outage_of_the_database_is_told_and_its_end_is_seen(
    browser: Browser, shop: Shop, database: Database
) -> None:
    with at(browser, shop, "/orders", refused=(503, 504)) as page:
        page.locator("tbody a.row").first.wait_for()
        database.stop()
        expect(page.locator(".kept .banner")).to_contain_text(
            re.compile("(does not answer|difficulty).*Showing what was known")
        )
        expect(page.locator(".heard")).to_contain_text("No answer")
        expect(page.locator("tbody a.row").first).to_be_visible()
        page.goto(f"{shop.url}/console#/now")
        expect(page.locator(".banner")).to_contain_text("Showing what was known")
        database.start()
        page.get_by_role("button", name="Try now").click()

        expect(page.locator(".heard")).to_have_text("Live")
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.locator(".chart.throughput rect.bar")).to_have_count(60)
