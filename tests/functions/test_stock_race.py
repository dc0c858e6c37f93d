"""All transactions at once over a few items: what must hold at every commit holds at every look."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orderflow.database import Connection, retrying, statement
from orderflow.errors import OrderFlowError
from orderflow.holds import expire_orders
from orderflow.models import ChangeInventory, PlaceOrder
from tests.functions.support import module_of, reference

SELECT_VIOLATIONS = statement(Path(__file__).with_name("select_violations.sql"))
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
THREADS = 4
STEPS = 60  # a thread; each is one transaction or two


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    connection = Connection(url)
    try:
        yield connection
    finally:
        connection.close()


class Shop:
    """Random transactions on items and orders that all threads share."""

    def __init__(self, url: str) -> None:
        self.items = [reference("item") for _ in range(3)]
        self.orders: list[str] = []
        self._url = url

    def work(self, seed: int) -> None:
        chance = random.Random(seed)
        steps = [self.place, self.decide, self.decide, self.change, self.tell, self.update]
        steps += [self.expire]
        with connected(self._url) as connection:
            for _ in range(STEPS):
                chance.choice(steps)(connection, chance)

    def place(self, connection: Connection, chance: random.Random) -> None:
        create = module_of("create_order")
        hold = chance.choice([None, 1])
        lines = [
            {"item": chance.choice(self.items), "quantity": chance.randint(1, 4)}
            for _ in range(chance.randint(1, 3))
        ]
        body = {"order_id": reference(), "lines": lines, "hold_minutes": hold}
        bodies = [PlaceOrder.model_validate(body)] * 2
        placements = [create.requested(body, None, TRACE) for body in bodies]
        create.place_orders(connection, placements)
        self.orders.append(str(bodies[0].order_id))

    def some_orders(self, chance: random.Random) -> list[str]:
        known = self.orders[-25:]
        return chance.sample(known, min(len(known), 6))

    def decide(self, connection: Connection, chance: random.Random) -> None:
        names, decide_orders = self.some_orders(chance), module_of("process_order").decide_orders
        retrying(lambda: decide_orders(connection, names))

    def change(self, connection: Connection, chance: random.Random) -> None:
        update_order = module_of("update_order")
        changes = [
            update_order.Change(name, chance.choice(["cancelled", "cancelled", "shipped"]))
            for name in self.some_orders(chance)[:3]
        ]
        retrying(lambda: update_order.change_orders(connection, changes))

    def expire(self, connection: Connection, chance: random.Random) -> None:
        names = self.some_orders(chance)
        sql = """UPDATE orders SET due_at = '1970-01-01'
          WHERE order_id = :name AND status = 'confirmed' AND hold_minutes IS NOT NULL"""
        for name in names:
            connection.run(sql, name=name)
        retrying(lambda: expire_orders(connection, names))

    def tell(self, connection: Connection, chance: random.Random) -> None:
        inventory = module_of("update_inventory")
        fields: dict[str, Any] = {"item": chance.choice(self.items)}
        fields |= chance.choice(
            [{"stock": chance.randint(0, 12)}, {"adjust": chance.randint(1, 9)}]
        )
        told = inventory.requested(ChangeInventory.model_validate(fields), TRACE)
        inventory.record_changes(connection, [told])
        self.update(connection, chance)

    def update(self, connection: Connection, chance: random.Random) -> None:
        names = chance.sample(self.items, chance.randint(1, 3))
        update_items = module_of("apply_inventory").update_items
        results = retrying(lambda: update_items(connection, names))
        assert not [result for result in results if isinstance(result, OrderFlowError)]


def test_whatever_runs_at_once_no_commit_breaks_a_promise(
    postgres: str, database: Connection
) -> None:
    shop, done, seen = Shop(postgres), threading.Event(), []

    def look() -> int:
        looks = 0
        with connected(postgres) as connection:
            while not done.is_set():
                seen.extend(connection.run(SELECT_VIOLATIONS, items=shop.items))
                looks += 1
        return looks

    with ThreadPoolExecutor(THREADS + 1) as threads:
        looking = threads.submit(look)
        try:
            list(threads.map(shop.work, range(THREADS)))
        finally:
            done.set()

    assert seen == []
    assert looking.result() > 20
    update_items = module_of("apply_inventory").update_items
    retrying(lambda: update_items(database, shop.items))
    sql = """SELECT item FROM stock
      WHERE fill_due AND item IN (SELECT jsonb_array_elements_text(CAST(:items AS jsonb)))"""
    assert database.run(sql, items=shop.items) == []
    assert database.run(SELECT_VIOLATIONS, items=shop.items) == []
