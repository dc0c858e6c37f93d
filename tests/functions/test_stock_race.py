"""All transactions at once over a few items: what must hold at every commit holds at every look."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from orderflow.audit.checks import Audit, audit
from orderflow.database.connection import Connection, retrying
from orderflow.errors import OrderFlowError
from orderflow.models import ChangeInventory, PlaceOrder
from orderflow.stock.holds import expire_orders
from orderflow_cli.audit.repair import Repair, repair
from tests.support.function_calls import module_of, own_database, reference

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


def differences(audited: Audit) -> list[Any]:
    return [finding for finding in audited.findings if finding.found]


def run_at_once(shop: Shop, beside: Callable[[], None], runs: int = 1) -> int:
    """Run all threads of the shop, and `beside` again and again until they are done."""
    done = threading.Event()

    def again() -> int:
        times = 0
        while not done.is_set():
            beside()
            times += 1
        return times

    with ThreadPoolExecutor(THREADS + runs) as threads:
        running = [threads.submit(again) for _ in range(runs)]
        try:
            list(threads.map(shop.work, range(THREADS)))
        finally:
            done.set()
    return sum(times.result() for times in running)


def fill_all(shop: Shop, connection: Connection) -> None:
    update_items = module_of("apply_inventory").update_items
    retrying(lambda: update_items(connection, shop.items))


def test_whatever_runs_at_once_no_commit_breaks_a_promise(postgres: str) -> None:
    with own_database(postgres) as url, connected(url) as connection:
        shop, seen = Shop(url), list[Any]()

        looks = run_at_once(shop, lambda: seen.extend(differences(audit(connection))))

        assert seen == []
        assert looks > 5
        fill_all(shop, connection)
        assert connection.run("SELECT item FROM stock WHERE fill_due") == []
        assert differences(audit(connection)) == []


def test_repairs_at_once_with_all_else_mend_everything_and_break_nothing(postgres: str) -> None:
    with own_database(postgres) as url, connected(url) as connection:
        shop, made = Shop(url), list[Repair]()
        chance = random.Random(1)

        def spoil_and_repair() -> None:
            with connected(url) as own:
                spoil(own, chance.choice(shop.items))
                made.extend(repair(own, "two at once"))

        run_at_once(shop, spoil_and_repair, runs=2)

        made.extend(repair(connection, "the last"))
        fill_all(shop, connection)
        assert "entry" in {done.kind for done in made}
        # Every entry was told, and nothing remains to be repaired.
        entries = connection.run("SELECT entry FROM stock_ledger WHERE kind = 'repair'")
        told = sorted(done.what["entry"] for done in made if done.kind == "entry")
        assert told == sorted(entry for (entry,) in entries)
        assert differences(audit(connection)) == []


def spoil(connection: Connection, item: str) -> None:
    """Do what hands on the database do: another figure, a reservation too many, a queue cut."""
    connection.script(f"""
      UPDATE stock SET on_hand = on_hand + 2, reserved = reserved + 1
      WHERE item = '{item}' AND reserved <= on_hand + 1;
      DELETE FROM backorders WHERE (item, position) IN (
        SELECT item, position FROM backorders WHERE item = '{item}' ORDER BY position LIMIT 1
      );
    """)
