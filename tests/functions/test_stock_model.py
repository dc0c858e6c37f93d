"""The transactions on a real database against a model on paper, step by step, at random."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from orderflow.audit.checks import audit
from orderflow.database.connection import Connection, retrying
from orderflow.errors import Conflict, InvalidInput, NotFound, OrderFlowError
from orderflow.models import ChangeInventory, PlaceOrder
from orderflow.orders.states import MOVES
from orderflow.stock.holds import expire_orders
from tests.support.function_calls import module_of, reference

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"
Answer = type[OrderFlowError] | None


@dataclass
class PaperOrder:
    """An order as a clerk would keep it."""

    needs: Counter[str]
    on_shortage: str
    hold_minutes: int | None = None
    status: Any = "pending"


@dataclass
class PaperShelf:
    """An item: what is there, its movements as (time, units), what was told and not yet applied."""

    on_hand: int = 0
    counted_at: float = -1
    moved: list[tuple[float, int]] = field(default_factory=list)
    told: list[tuple[float, int | None, int | None]] = field(default_factory=list)


class Paper:
    """The shop on paper: the plainest thing that keeps the promises, one step after the other."""

    def __init__(self, items: Sequence[str]) -> None:
        self.orders: dict[str, PaperOrder] = {}  # in order of arrival
        self.shelves = {item: PaperShelf() for item in items}

    def waiting(self) -> list[PaperOrder]:
        return [order for order in self.orders.values() if order.status == "backordered"]

    def reserved(self, item: str) -> int:
        return sum(o.needs[item] for o in self.orders.values() if o.status == "confirmed")

    def fits(self, order: PaperOrder) -> bool:
        shelves = self.shelves
        return all(shelves[i].on_hand - self.reserved(i) >= n for i, n in order.needs.items())

    def decide(self, names: Sequence[str], due: set[str]) -> list[Answer]:
        """Decide on who may be; serve who waits for what the others want, and decide on these."""
        pending = [o for n, o in self.orders.items() if n in names and o.status == "pending"]
        wanted = {item for order in pending for item in order.needs} & due
        for order in pending:
            if not wanted & order.needs.keys():
                self._decide(order)
        for item in sorted(wanted):
            self.fill(item, due)
        for order in pending:
            if wanted & order.needs.keys():
                self._decide(order)
        return [None if name in self.orders else InvalidInput for name in names]

    def _decide(self, order: PaperOrder) -> None:
        short = "rejected" if order.on_shortage == "reject" else "backordered"
        order.status = "confirmed" if self.fits(order) else short

    def change(self, name: str, status: Any, now: float) -> Answer:
        order = self.orders.get(name)
        if order is None:
            return NotFound
        if order.status == status:
            return None
        if status not in MOVES[order.status]:
            return Conflict
        if status == "shipped":
            if any(self.shelves[i].on_hand < n for i, n in order.needs.items()):
                return Conflict
            for item, units in order.needs.items():
                self.shelves[item].on_hand -= units
                self.shelves[item].moved.append((now, -units))
        order.status = status
        return None

    def expire(self, names: Sequence[str]) -> list[bool]:
        """Let the holds of these orders be over; say of each whether that cancelled it."""
        held = [
            name in self.orders
            and self.orders[name].status == "confirmed"
            and self.orders[name].hold_minutes is not None
            for name in names
        ]
        for name, is_held in zip(names, held, strict=True):
            if is_held:
                self.orders[name].status = "cancelled"
        return held

    def apply(self, item: str) -> None:
        shelf = self.shelves[item]
        for time, stock, adjust in shelf.told:
            if time < shelf.counted_at:
                continue
            if stock is not None:
                kept = sum(units for moved_at, units in shelf.moved if moved_at > time)
                shelf.on_hand, shelf.counted_at = max(stock + kept, 0), time
            elif adjust is not None and shelf.on_hand + adjust >= 0:
                shelf.on_hand += adjust
                shelf.moved.append((time, adjust))
        shelf.told.clear()

    def fill(self, item: str, due: set[str]) -> None:
        """Serve the item's queue, and as one with it each other that shares an order with it."""
        served: set[str] = set()
        joined = {item}
        while joined != served:
            served = set(joined)
            joined |= {i for o in self.queue(served) for i in o.needs.keys() & due}
        for order in self.queue(served):
            if self.fits(order):
                order.status = "confirmed"

    def queue(self, items: set[str]) -> list[PaperOrder]:
        return [o for o in self.waiting() if items & o.needs.keys() and self.fits(o)]


items = st.integers(0, 1)
picks = st.lists(st.integers(0, 30), min_size=1, max_size=4)
lines = st.lists(st.tuples(items, st.integers(1, 4)), min_size=1, max_size=3)
lateness = st.integers(0, 8)
adjustments = st.integers(-6, 12).filter(bool)
shortages = st.sampled_from(["backorder", "backorder", "reject"])
hold_minutes = st.sampled_from([None, 1, 30])


class StockMachine(RuleBasedStateMachine):
    """Each rule does one transaction and the same on paper; what both say must be equal."""

    connection: Connection  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.items = [reference("item") for _ in range(2)]
        self.paper = Paper(self.items)
        self.bodies: list[PlaceOrder] = []
        self.instants: list[str] = []
        self.reserved_before = dict.fromkeys(self.items, 0)

    def begin(self) -> float:
        """Begin a step: return its time on paper, and remember its time by the clock."""
        self.instants.append(datetime.now(UTC).isoformat())
        return len(self.instants) - 0.5

    def names(self, wanted: Sequence[int]) -> list[str]:
        """Return orders by number; beyond those placed, an unknown one."""
        known = list(self.paper.orders)
        return [known[n] if n < len(known) else f"unknown {self.items[0]}" for n in wanted]

    @rule(orders=st.lists(st.tuples(lines, shortages, hold_minutes), min_size=1, max_size=4))
    def place(self, orders: list[tuple[list[tuple[int, int]], Any, int | None]]) -> None:
        self.begin()
        bodies = [
            PlaceOrder.model_validate(
                {
                    "order_id": reference(),
                    "lines": [{"item": self.items[i], "quantity": n} for i, n in wanted],
                    "on_shortage": on_shortage,
                    "hold_minutes": minutes,
                }
            )
            for wanted, on_shortage, minutes in orders
        ]
        assert self.placed(bodies) == [True] * len(bodies)
        for body in bodies:
            needs: Counter[str] = Counter()
            for line in body.lines:
                needs[line.item] += line.quantity
            paper_order = PaperOrder(needs, body.on_shortage, body.hold_minutes)
            self.paper.orders[str(body.order_id)] = paper_order
        self.bodies += bodies

    @rule(wanted=picks)
    def place_again(self, wanted: list[int]) -> None:
        self.begin()
        known = [self.bodies[n] for n in wanted if n < len(self.bodies)]
        assert self.placed(known) == [False] * len(known)

    def placed(self, bodies: list[PlaceOrder]) -> list[bool]:
        create = module_of("create_order")
        placements = [create.requested(body, None, TRACE) for body in bodies]
        return [
            placed.found_by is None for placed in create.place_orders(self.connection, placements)
        ]

    @rule(wanted=picks)
    def decide(self, wanted: list[int]) -> None:
        self.begin()
        names, decide_orders = self.names(wanted), module_of("process_order").decide_orders
        expected = self.paper.decide(names, self.due())
        results = retrying(lambda: decide_orders(self.connection, names))
        assert answers(results) == expected

    @rule(wanted=picks, statuses=st.lists(st.sampled_from(["cancelled", "shipped"]), min_size=4))
    def change(self, wanted: list[int], statuses: list[str]) -> None:
        now, update_order = self.begin(), module_of("update_order")
        changes = list(zip(self.names(wanted), statuses, strict=False))
        expected = [self.paper.change(name, status, now) for name, status in changes]
        asked = [update_order.Change(*change) for change in changes]
        results = retrying(lambda: update_order.change_orders(self.connection, asked))
        assert answers(results) == expected

    @rule(wanted=st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True))
    def expire(self, wanted: list[int]) -> None:
        self.begin()
        names = self.names(wanted)
        expected = self.paper.expire(names)
        sql = """UPDATE orders SET due_at = '1970-01-01' WHERE status = 'confirmed'
          AND order_id = ANY(CAST(:names AS text[]))"""
        self.connection.run(sql, names=names)
        results = retrying(lambda: expire_orders(self.connection, names))
        assert results == expected

    @rule(item=items, stock=st.integers(0, 12), steps_late=lateness, at_once=st.booleans())
    def tell_count(self, item: int, stock: int, steps_late: int, at_once: bool) -> None:
        self.tell(item, steps_late, stock=stock)
        if at_once:
            self.update([item])

    @rule(item=items, adjust=adjustments, steps_late=lateness, at_once=st.booleans())
    def tell_adjustment(self, item: int, adjust: int, steps_late: int, at_once: bool) -> None:
        self.tell(item, steps_late, adjust=adjust)
        if at_once:
            self.update([item])

    def tell(self, item: int, steps_late: int, **fields: int) -> None:
        """Tell a change that is so now, or was so when an earlier step began."""
        time, name = self.begin(), self.items[item]
        body: dict[str, Any] = {"item": name} | fields
        since = len(self.instants) - 1 - steps_late
        if steps_late and since >= 0:
            time, body["occurred_at"] = since, self.instants[since]
        inventory = module_of("update_inventory")
        change = inventory.requested(ChangeInventory.model_validate(body), TRACE)
        (recorded,) = inventory.record_changes(self.connection, [change])
        assert recorded.found_by is None
        told = self.paper.shelves[name].told
        told.append((time, fields.get("stock"), fields.get("adjust")))

    @rule(wanted=st.lists(items, min_size=1, max_size=3))
    def update(self, wanted: list[int]) -> None:
        self.begin()
        names = [self.items[n] for n in wanted]
        due = self.due() | set(names)
        update_items = module_of("apply_inventory").update_items
        results = retrying(lambda: update_items(self.connection, names))
        assert answers(results) == [None] * len(names)
        for name in sorted(set(names)):
            self.paper.apply(name)
        for name in sorted(set(names)):
            self.paper.fill(name, due)
        assert not self.due() & set(names)

    def due(self) -> set[str]:
        sql = """SELECT item FROM stock
          WHERE fill_due AND item = ANY(CAST(:items AS text[]))"""
        return {item for (item,) in self.connection.run(sql, items=self.items)}

    def stored(self, sql: str, **parameters: object) -> list[list[Any]]:
        return self.connection.run(sql, items=self.items, **parameters)

    @invariant()
    def stock_equals_paper_and_ledger(self) -> None:
        rows = self.stored("""
          SELECT name, coalesce(on_hand, 0), coalesce(reserved, 0),
            (SELECT coalesce(sum(on_hand_change), 0)::bigint FROM stock_ledger WHERE item = name),
            (SELECT coalesce(sum(reserved_change), 0)::bigint FROM stock_ledger WHERE item = name)
          FROM unnest(CAST(:items AS text[])) AS wanted (name)
          LEFT JOIN stock ON item = name""")
        for item, on_hand, reserved, *ledger in rows:
            expected = (self.paper.shelves[item].on_hand, self.paper.reserved(item))
            assert (on_hand, reserved) == expected
            assert (on_hand, reserved) == tuple(ledger)
            # After a low count more may be promised than is there, but nothing more is promised.
            assert reserved <= max(on_hand, self.reserved_before[item])
            self.reserved_before[item] = reserved

    @invariant()
    def statuses_and_queue_equal_paper(self) -> None:
        names = list(self.paper.orders)
        rows = self.connection.run(
            """SELECT order_id, status, coalesce((
                SELECT json_object_agg(item, quantity) FROM backorders
                WHERE backorders.position = orders.position
              ), '{}')::text::jsonb
            FROM orders
            WHERE order_id = ANY(CAST(:names AS text[]))
            ORDER BY position""",
            names=names,
        )
        assert [row[:2] for row in rows] == [[n, o.status] for n, o in self.paper.orders.items()]
        queues = [o.needs if o.status == "backordered" else {} for o in self.paper.orders.values()]
        assert [queue for *_, queue in rows] == queues

    @invariant()
    def whoever_waits_does_not_fit_unless_filling_is_due(self) -> None:
        due = self.due()
        for order in self.paper.waiting():
            assert not self.paper.fits(order) or due & order.needs.keys()

    def teardown(self) -> None:
        audited = audit(self.connection)
        assert audited.holds, audited


def answers(results: Sequence[object]) -> list[Answer]:
    """Return the error of each result, if it is one."""
    return [type(result) if isinstance(result, OrderFlowError) else None for result in results]


def test_any_sequence_of_transactions_leaves_what_the_paper_says(alone: Connection) -> None:
    StockMachine.connection = alone

    run_state_machine_as_test(
        StockMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
