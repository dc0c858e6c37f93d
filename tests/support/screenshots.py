"""`make screenshots`: pictures of the console on a shop at work, for the README."""

import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import httpx
from playwright.sync_api import Browser, Page

from orderflow.database.connection import Connection
from orderflow.events.models import OrderPlaced
from tests.support.browser import DESKTOP, PHONE, open_browser, open_page
from tests.support.dead_letters import keep, make_letter
from tests.support.shop import ROOT, Shop, open_shop

FOLDER = ROOT / "functions/console/screenshots"
MAX_BYTES = 150_000
ORDERS = 120
CALLERS = 8
TRICKLE_S = 0.2  # between orders while pictures are taken
SEED = 7
STOCK = {
    "Beeswax candle": 1500,
    "Cast iron pan 26 cm": 70,
    "Desk lamp, brass": 400,
    "Espresso cups, set of 4": 40,
    "Field notebook A5": 900,
    "Linen apron": 250,
    "Oak cutting board": 160,
    "Pour-over kettle": 170,
    "Wool blanket, grey": 220,
}
SCARCE = "Walnut tray"  # of which there is nothing yet
# The minutes before the shop was opened, as if it had been busy then.
BUSY_HOUR = """
  INSERT INTO order_minutes (minute, what, latency_bucket, n)
  SELECT
    date_trunc('minute', now()) - n * interval '1 minute', what,
    CASE what WHEN 'accepted' THEN 0 ELSE 22 END,
    round(260 + 90 * sin(n / 8.0) + 25 * sin(n * 2.3) + CASE what WHEN 'accepted' THEN 6 ELSE 0 END)
  FROM generate_series(1, 59) AS n, unnest(ARRAY['accepted', 'allocated']) AS what
"""


class Picture(NamedTuple):
    """A view to take, and what has to be seen before it is."""

    name: str
    path: str
    awaited: str
    scheme: Literal["light", "dark"] = "light"
    size: tuple[int, int] = DESKTOP


def pictures(order_id: str) -> list[Picture]:
    """What is taken."""
    return [
        Picture("now", "/now", ".chart.latency .dot.p50", size=(1280, 900)),
        Picture("order", f"/orders/{order_id}", ".life .next", size=(1280, 720)),
        Picture("needs-you-dark", "/needs-you", "section table", "dark"),
        Picture("phone", "/now", ".chart.latency .dot.p50", "dark", PHONE),
    ]


def order(chance: random.Random, number: int) -> dict[str, Any]:
    """An order as people make it."""
    items = chance.sample([*STOCK], chance.choice([1, 1, 1, 2, 3]))
    lines = [{"item": item, "quantity": chance.randint(1, 2)} for item in items]
    shop = chance.choice(["web", "shop", "app"])
    return {"order_id": f"{shop}-{20_000 + number}", "lines": lines}


def fill(shop: Shop) -> str:
    """Have a busy shop; return an order that waits for its stock."""
    for item, units in STOCK.items():
        shop.stock(item, units)
    shop.call("POST", "/inventory", {"item": "Linen apron", "threshold": 300})
    with closing(Connection(shop.servers[0])) as connection:
        connection.run(BUSY_HOUR)
        letters = [make_letter(order_id=f"old-{n}", type=OrderPlaced.type) for n in range(3)]
        keep(connection, *letters)
    chance = random.Random(SEED)
    orders = [order(chance, number) for number in range(ORDERS)]
    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(lambda one: shop.call("POST", "/order", one), orders))
        moved = [(one, "shipped" if n % 20 else "cancelled") for n, one in enumerate(orders[:80])]
        list(callers.map(lambda one: shop.patch(one[0]["order_id"], one[1]), moved))
    for number in range(9):
        shop.place(order_id=f"web-{19_300 + number}", item=SCARCE, quantity=3)
    lines = [{"item": SCARCE, "quantity": 2}, {"item": "Field notebook A5", "quantity": 4}]
    waits = shop.placed("backordered", order_id="web-19417", lines=lines)
    shop.call("POST", "/audits", {})
    return waits


@contextmanager
def trickle(shop: Shop) -> Iterator[None]:
    """Place orders during the block."""
    stopped, chance = threading.Event(), random.Random(SEED)

    def place() -> None:
        with httpx.Client(base_url=shop.url) as client:
            for number in range(100_000):
                client.post("/order", json=order(chance, ORDERS + number))
                if stopped.wait(TRICKLE_S):
                    return

    thread = threading.Thread(target=place)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def take(page: Page, picture: Picture) -> Path:
    """Wait for what has to be seen, and write the file."""
    page.locator(picture.awaited).first.wait_for()
    if "chart" in picture.awaited:
        time.sleep(20)  # for a line that is more than a point
    file = FOLDER / f"{picture.name}.png"
    page.screenshot(path=file)
    return file


def main() -> int:
    """Take all of them; fail if one is too large for a README."""
    FOLDER.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        open_browser() as browser,
        open_shop(Path(folder, "data")) as shop,
    ):
        pictured = pictures(fill(shop))
        with trickle(shop):
            files = [taken(browser, shop, picture) for picture in pictured]
    too_large = [file.name for file in files if file.stat().st_size > MAX_BYTES]
    for file in files:
        print(f"{file.relative_to(ROOT)}  {file.stat().st_size // 1000} kB")
    return 1 if too_large else 0


def taken(browser: Browser, shop: Shop, picture: Picture) -> Path:
    """Open a view and take it."""
    at = f"{shop.url}/console#{picture.path}"
    with open_page(browser, at, size=picture.size, scheme=picture.scheme) as page:
        return take(page, picture)


if __name__ == "__main__":
    sys.exit(main())
