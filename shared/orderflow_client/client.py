"""The two clients: the same calls, one for threads and one for an event loop."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack

import httpx

from orderflow_client.answers import (
    Audit,
    ChangeAccepted,
    DeadLetter,
    InventoryChange,
    Item,
    Line,
    ListedAudit,
    ListedOrder,
    Order,
    OrderAccepted,
    OrderChanged,
    OrderRetried,
    Overview,
    Redriven,
    Status,
    Stock,
)
from orderflow_client.transfer import (
    AUDIT_TIMEOUT_S,
    TIMEOUT_S,
    Attempts,
    Call,
    get,
    next_page,
    write,
)

A = TypeVar("A")
Token = str | Callable[[], str]
AsyncToken = Token | Callable[[], Awaitable[str]]


class NewOrder(TypedDict, total=False):
    """`item` and `quantity`, or 1 to 100 `lines`; without `order_id` the server makes one."""

    order_id: str
    item: str
    quantity: int
    lines: Sequence[Line]
    on_shortage: Literal["backorder", "reject"]
    hold_minutes: int


class OrderFilter(TypedDict, total=False):
    """Which orders to list; times are RFC 3339, `limit` is of a page."""

    status: Status
    item: str
    placed_after: str
    placed_before: str
    attention: Literal["true", "false"]
    limit: int


class Change(TypedDict, total=False):
    """What goes with a count or a difference; `occurred_at` is when it was true (RFC 3339)."""

    threshold: int
    reason: str
    change_id: str
    occurred_at: str


class ChangeFilter(TypedDict, total=False):
    """Which inventory changes to list; `limit` is of a page."""

    outcome: Literal["pending", "applied", "superseded", "refused"]
    item: str
    limit: int


class LetterFilter(TypedDict, total=False):
    """Which dead letters; times are RFC 3339."""

    type: str
    item: str
    order_id: str
    error: str
    failed_after: str
    failed_before: str


def _redrive(
    ids: Sequence[int] | None, by: str | None, rate: int | None, chosen: LetterFilter
) -> Call:
    which: dict[str, Any] = {"filter": chosen} if ids is None else {"ids": list(ids)}
    how = {"by": by, "rate_per_s": rate}
    given = {name: value for name, value in how.items() if value is not None}
    return write("POST", "dead-letters", "redrive", body=which | given)


class OrderFlow:
    """Calls OrderFlow at `url`; use it as a context manager, from any number of threads.

    `token` is a bearer token or what returns one, asked before each attempt. Every method raises
    `Problem` for what OrderFlow refuses and `Unreachable` when there is no answer.
    """

    def __init__(
        self, url: str, *, token: Token | None = None, http: httpx.Client | None = None
    ) -> None:
        self._token = token
        self._http = http or httpx.Client(timeout=TIMEOUT_S)
        self._http.base_url = httpx.URL(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def place_order(
        self, *, idempotency_key: str | None = None, **order: Unpack[NewOrder]
    ) -> OrderAccepted:
        """Place an order; repeated with the same id or key, it gets the first answer again."""
        return self._json(
            OrderAccepted, write("POST", "order", body=order, idempotency_key=idempotency_key)
        )

    def order(self, order_id: str) -> Order:
        """Return an order, its history and, while it is open, why it waits."""
        return self._json(Order, get("order", order_id))

    def orders(self, **chosen: Unpack[OrderFilter]) -> Iterator[ListedOrder]:
        """Return orders, newest first, page after page."""
        return self._pages(ListedOrder, get("orders", **chosen))

    def cancel(self, order_id: str) -> OrderChanged:
        """Cancel an order; its stock is free again."""
        return self._json(
            OrderChanged, write("PATCH", "order", order_id, body={"status": "cancelled"})
        )

    def ship(self, order_id: str) -> OrderChanged:
        """Mark a confirmed order shipped; its stock is gone."""
        return self._json(
            OrderChanged, write("PATCH", "order", order_id, body={"status": "shipped"})
        )

    def retry(self, order_id: str) -> OrderRetried:
        """Have a pending order announced again, as if for the first time."""
        return self._json(OrderRetried, write("POST", "order", order_id, "retry", body={}))

    def count(self, item: str, stock: int, **change: Unpack[Change]) -> ChangeAccepted:
        """Tell how many of an item are on the shelf."""
        return self._json(
            ChangeAccepted,
            write("POST", "inventory", body={"item": item, "stock": stock, **change}),
        )

    def adjust(self, item: str, adjust: int, **change: Unpack[Change]) -> ChangeAccepted:
        """Tell how many of an item came or went."""
        body = {"item": item, "adjust": adjust, **change}
        return self._json(ChangeAccepted, write("POST", "inventory", body=body))

    def set_threshold(self, item: str, threshold: int) -> ChangeAccepted:
        """Have an item listed as low while fewer units than that are available; 0: never."""
        body = {"item": item, "threshold": threshold}
        return self._json(ChangeAccepted, write("POST", "inventory", body=body))

    def change(self, change_id: str) -> InventoryChange:
        """Return a count or difference and what became of it."""
        return self._json(InventoryChange, get("inventory", "changes", change_id))

    def inventory_changes(self, **chosen: Unpack[ChangeFilter]) -> Iterator[InventoryChange]:
        """Return counts and differences and what became of them, newest first, page after page."""
        return self._pages(InventoryChange, get("inventory", "changes", **chosen))

    def item(self, item: str) -> Item:
        """Return an item's stock, who waits for it and the newest entries of its ledger."""
        return self._json(Item, get("inventory", item))

    def items(self) -> Iterator[Stock]:
        """Return the stock of every item by name, page after page."""
        return self._pages(Stock, get("inventory"))

    def overview(self) -> Overview:
        """Return how the whole does at this moment."""
        return self._json(Overview, get("overview"))

    def dead_letters(self, **chosen: Unpack[LetterFilter]) -> Iterator[DeadLetter]:
        """Return what no function could process, what failed last first."""
        return self._pages(DeadLetter, get("dead-letters", **chosen))

    def redrive(
        self,
        ids: Sequence[int] | None = None,
        *,
        by: str | None = None,
        rate_per_s: int | None = None,
        **chosen: Unpack[LetterFilter],
    ) -> Redriven:
        """Have dead letters sent again: some by id, or those that a filter finds.

        `by` says who asks where there is no token that does.
        """
        return self._json(Redriven, _redrive(ids, by, rate_per_s, chosen))

    def run_audit(self) -> Audit:
        """Have the audit run now, which may take minutes, and return what it found."""
        return self._json(Audit, write("POST", "audits", body={}, timeout_s=AUDIT_TIMEOUT_S))

    def audits(self) -> Iterator[ListedAudit]:
        """Return the audits that are kept, newest first, page after page."""
        return self._pages(ListedAudit, get("audits"))

    def audit(self, audit_id: int) -> Audit:
        """Return an audit and what each check found."""
        return self._json(Audit, get("audits", str(audit_id)))

    def _json(self, of: type[A], call: Call) -> A:
        found: A = self._send(call).json()
        return found

    def _pages(self, of: type[A], call: Call | None) -> Iterator[A]:
        while call is not None:
            page = self._send(call)
            yield from page.json()
            call = next_page(page)

    def _send(self, call: Call) -> httpx.Response:
        attempts = Attempts()
        while True:
            token = self._token() if callable(self._token) else self._token
            try:
                response = self._http.send(call.request(self._http, token))
            except httpx.TransportError as error:
                time.sleep(attempts.pause_without_answer(error))
                continue
            pause_s = attempts.pause_after(response)
            if pause_s is None:
                return response
            time.sleep(pause_s)


class AsyncOrderFlow:
    """The same calls for an event loop; `token` may be a coroutine function too."""

    def __init__(
        self, url: str, *, token: AsyncToken | None = None, http: httpx.AsyncClient | None = None
    ) -> None:
        self._token = token
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT_S)
        self._http.base_url = httpx.URL(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def place_order(
        self, *, idempotency_key: str | None = None, **order: Unpack[NewOrder]
    ) -> OrderAccepted:
        """Place an order; repeated with the same id or key, it gets the first answer again."""
        return await self._json(
            OrderAccepted, write("POST", "order", body=order, idempotency_key=idempotency_key)
        )

    async def order(self, order_id: str) -> Order:
        """Return an order, its history and, while it is open, why it waits."""
        return await self._json(Order, get("order", order_id))

    def orders(self, **chosen: Unpack[OrderFilter]) -> AsyncIterator[ListedOrder]:
        """Return orders, newest first, page after page."""
        return self._pages(ListedOrder, get("orders", **chosen))

    async def cancel(self, order_id: str) -> OrderChanged:
        """Cancel an order; its stock is free again."""
        return await self._json(
            OrderChanged, write("PATCH", "order", order_id, body={"status": "cancelled"})
        )

    async def ship(self, order_id: str) -> OrderChanged:
        """Mark a confirmed order shipped; its stock is gone."""
        return await self._json(
            OrderChanged, write("PATCH", "order", order_id, body={"status": "shipped"})
        )

    async def retry(self, order_id: str) -> OrderRetried:
        """Have a pending order announced again, as if for the first time."""
        return await self._json(OrderRetried, write("POST", "order", order_id, "retry", body={}))

    async def count(self, item: str, stock: int, **change: Unpack[Change]) -> ChangeAccepted:
        """Tell how many of an item are on the shelf."""
        return await self._json(
            ChangeAccepted,
            write("POST", "inventory", body={"item": item, "stock": stock, **change}),
        )

    async def adjust(self, item: str, adjust: int, **change: Unpack[Change]) -> ChangeAccepted:
        """Tell how many of an item came or went."""
        body = {"item": item, "adjust": adjust, **change}
        return await self._json(ChangeAccepted, write("POST", "inventory", body=body))

    async def set_threshold(self, item: str, threshold: int) -> ChangeAccepted:
        """Have an item listed as low while fewer units than that are available; 0: never."""
        body = {"item": item, "threshold": threshold}
        return await self._json(ChangeAccepted, write("POST", "inventory", body=body))

    async def change(self, change_id: str) -> InventoryChange:
        """Return a count or difference and what became of it."""
        return await self._json(InventoryChange, get("inventory", "changes", change_id))

    def inventory_changes(self, **chosen: Unpack[ChangeFilter]) -> AsyncIterator[InventoryChange]:
        """Return counts and differences and what became of them, newest first, page after page."""
        return self._pages(InventoryChange, get("inventory", "changes", **chosen))

    async def item(self, item: str) -> Item:
        """Return an item's stock, who waits for it and the newest entries of its ledger."""
        return await self._json(Item, get("inventory", item))

    def items(self) -> AsyncIterator[Stock]:
        """Return the stock of every item by name, page after page."""
        return self._pages(Stock, get("inventory"))

    async def overview(self) -> Overview:
        """Return how the whole does at this moment."""
        return await self._json(Overview, get("overview"))

    def dead_letters(self, **chosen: Unpack[LetterFilter]) -> AsyncIterator[DeadLetter]:
        """Return what no function could process, what failed last first."""
        return self._pages(DeadLetter, get("dead-letters", **chosen))

    async def redrive(
        self,
        ids: Sequence[int] | None = None,
        *,
        by: str | None = None,
        rate_per_s: int | None = None,
        **chosen: Unpack[LetterFilter],
    ) -> Redriven:
        """Have dead letters sent again: some by id, or those that a filter finds.

        `by` says who asks where there is no token that does.
        """
        return await self._json(Redriven, _redrive(ids, by, rate_per_s, chosen))

    async def run_audit(self) -> Audit:
        """Have the audit run now, which may take minutes, and return what it found."""
        return await self._json(Audit, write("POST", "audits", body={}, timeout_s=AUDIT_TIMEOUT_S))

    def audits(self) -> AsyncIterator[ListedAudit]:
        """Return the audits that are kept, newest first, page after page."""
        return self._pages(ListedAudit, get("audits"))

    async def audit(self, audit_id: int) -> Audit:
        """Return an audit and what each check found."""
        return await self._json(Audit, get("audits", str(audit_id)))

    async def _json(self, of: type[A], call: Call) -> A:
        found: A = (await self._send(call)).json()
        return found

    async def _pages(self, of: type[A], call: Call | None) -> AsyncIterator[A]:
        while call is not None:
            page = await self._send(call)
            for row in page.json():
                yield row
            call = next_page(page)

    async def _send(self, call: Call) -> httpx.Response:
        attempts = Attempts()
        while True:
            token = self._token() if callable(self._token) else self._token
            if inspect.isawaitable(token):
                token = await token
            try:
                response = await self._http.send(call.request(self._http, token))
            except httpx.TransportError as error:
                await asyncio.sleep(attempts.pause_without_answer(error))
                continue
            pause_s = attempts.pause_after(response)
            if pause_s is None:
                return response
            await asyncio.sleep(pause_s)
