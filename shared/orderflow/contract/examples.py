"""An example of each operation: its body, and its first answer."""

from typing import Any, NamedTuple

from orderflow.events.models import EventData

_AT, _LATER = "2026-11-26T18:15:00.120000+00:00", "2026-11-26T18:15:00.170000+00:00"
_LINE = {"item": "Laptop", "quantity": 1}
_ORDER = {
    "order_id": "12345",
    **_LINE,
    "status": "confirmed",
    "hold_minutes": None,
    "placed_at": _AT,
    "updated_at": _LATER,
    "lines": [_LINE],
}
_FIGURES = {
    "item": "Laptop",
    "on_hand": 100,
    "reserved": 1,
    "available": 99,
    "short": 0,
    "threshold": 10,
}
_CHANGE_ID = "01a2082e-08c4-7e61-a871-d00637062b5a"
_CHANGE = {
    "change_id": _CHANGE_ID,
    "item": "Laptop",
    "stock": 100,
    "adjust": None,
    "threshold": None,
    "reason": None,
    "status": "applied",
    "why": None,
    "occurred_at": _AT,
    "received_at": _AT,
    "applied_at": _LATER,
}
_LETTER = {
    "id": 17,
    "state": "kept",
    "event_id": "6d7b0c6e-1f0a-8c4e-ab5e-0a6c6f2d9f11",
    "type": "orderflow.order.placed.v1",
    "order_id": "12345",
    "item": None,
    "topic": "orders",
    "partition": 0,
    "offset": 4711,
    "sendable": True,
    "consumer": "process-order",
    "destination": "http://process-order.orderflow.svc.cluster.local",
    "error_code": 422,
    "error": "invalid-input",
    "detail": "there is no order 12345",
    "failures": 1,
    "first_failed_at": _AT,
    "last_failed_at": _AT,
}
_OUTCOME = {"matched": 1, "skipped": 0, "cannot_be_sent": 0, "more": False, "redrive": 3}
_LISTED_AUDIT = {
    "audit_id": 7,
    "started_at": _AT,
    "finished_at": _LATER,
    "asked_by": "schedule",
    "passed": False,
    "differences": 1,
}
_AUDIT = {
    **_LISTED_AUDIT,
    "counted": {"ledger": 4},
    "checks": [
        {
            "name": "ledger",
            "title": "stock is the sum of its ledger",
            "differences": 1,
            "examples": [{"item": "Laptop", "on_hand": 99, "on_hand_by_ledger": 100}],
            "remedy": "orderflow audit --repair --by NAME repairs it by entries of the ledger.",
            "remark": None,
        }
    ],
}
_PAGE = "<!doctype html>…"


class Example(NamedTuple):
    """What is sent, if it has a body, and what comes back; an item of a list."""

    answer: Any
    body: Any = None


EXAMPLES = {
    "place_order": Example(
        {
            "message": "Order received, stored in DB, and sent to Kafka",
            "order_id": "12345",
            "status": "pending",
        },
        {"order_id": "12345", "item": "Laptop", "quantity": 1},
    ),
    "list_orders": Example([{**_ORDER, "attention": None}]),
    "get_order": Example(
        {
            **_ORDER,
            "on_shortage": "backorder",
            "placed_by": "alice",
            "history": [
                {
                    "sequence": 1,
                    "status": "pending",
                    "cause": "order received",
                    "by": "alice",
                    "at": _AT,
                },
                {
                    "sequence": 2,
                    "status": "confirmed",
                    "cause": "stock reserved for every line",
                    "by": None,
                    "at": _LATER,
                },
            ],
        }
    ),
    "change_order": Example({"order_id": "12345", "status": "cancelled"}, {"status": "cancelled"}),
    "retry_order": Example(
        {"message": "Order will be announced within 10 s", "order_id": "12345"}, {}
    ),
    "change_inventory": Example(
        {"message": "Inventory update received and sent to Kafka", "change_id": _CHANGE_ID},
        {"item": "Laptop", "stock": 100},
    ),
    "list_inventory": Example([_FIGURES]),
    "get_item": Example(
        {
            **_FIGURES,
            "counted_at": _AT,
            "backordered": {"orders": 0, "units": 0, "more": False},
            "opening": None,
            "ledger": [
                {
                    "entry": 1,
                    "kind": "count",
                    "on_hand_change": 100,
                    "reserved_change": 0,
                    "order_id": None,
                    "change_id": _CHANGE_ID,
                    "reason": None,
                    "occurred_at": _AT,
                    "recorded_at": _LATER,
                }
            ],
            "refused_changes": [],
        }
    ),
    "list_inventory_changes": Example([_CHANGE]),
    "get_inventory_change": Example(_CHANGE),
    "list_dead_letters": Example([_LETTER]),
    "get_dead_letter": Example(
        {
            **_LETTER,
            "attributes": {"id": _LETTER["event_id"], "type": _LETTER["type"]},
            "data": {"order_id": "12345"},
            "data_bytes": 20,
            "redrives": [],
        }
    ),
    "redrive_dead_letters": Example(
        {**_OUTCOME, "last_send_at": _LATER}, {"ids": [17], "by": "alice", "rate_per_s": 50}
    ),
    "discard_dead_letters": Example(
        {**_OUTCOME, "last_send_at": None},
        {"filter": {"error": "invalid-input"}, "by": "alice"},
    ),
    "list_redrives": Example(
        [
            {
                "id": 3,
                "action": "redrive",
                "by": "alice",
                "at": _AT,
                "selection": {"ids": [17]},
                "rate_per_s": 50,
                "matched": 1,
                "sent": 1,
                "waiting": 0,
                "given_up": 0,
                "came_back": 0,
            }
        ]
    ),
    "get_overview": Example(
        {
            "at": _LATER,
            "orders": {
                "pending": 0,
                "confirmed": 1,
                "backordered": 0,
                "rejected": 0,
                "cancelled": 0,
                "shipped": 0,
            },
            "per_minute": [
                {"minute": f"2026-11-26T{at}:00+00:00", "accepted": new, "allocated": new}
                for at, new in [
                    *((f"17:{minute}", 0) for minute in range(16, 60)),
                    *((f"18:{minute:02}", int(minute == 15)) for minute in range(16)),
                ]
            ],
            "allocation_ms": {"p50": 50, "p95": 50, "p99": 50, "orders": 1, "minutes": 5},
            "oldest_pending": None,
            "outbox": {"waiting": 0, "oldest_s": None},
            "consumer_lag": [{"group": "orderflow-process-order", "topic": "orders", "lag": 0}],
            "attention": {"orders": 0, "inventory_changes": 0, "refused_changes": 0},
            "dead_letters": {"kept": 0, "redriving": 0},
            "short_items": {"count": 0, "items": []},
            "low_items": {"count": 0, "items": []},
            "last_sweep": {"at": _AT, "age_s": 0.1},
            "last_audit": {"audit_id": 7, "at": _AT, "passed": True, "differences": 0},
        }
    ),
    "run_audit": Example(_AUDIT, {}),
    "list_audits": Example([_LISTED_AUDIT]),
    "get_audit": Example(_AUDIT),
    "get_contract": Example({"openapi": "3.1.0"}),
    "get_documentation": Example(_PAGE),
    "get_console": Example(_PAGE),
    "get_console_file": Example('import { startApp } from "./app.js";'),
    "get_problem_type": Example(_PAGE),
}
_EVENT_DATA = {
    "order_id": "12345",
    "lines": [_LINE],
    "on_shortage": "backorder",
    "item": "Laptop",
    "change_id": _CHANGE_ID,
    "cause": "stock reserved for every line",
}
PATH_EXAMPLES = {
    "order_id": "12345",
    "item": "Laptop",
    "change_id": _CHANGE_ID,
    "letter_id": 17,
    "audit_id": 7,
    "type": "invalid-input",
    "file": "main.js",
}


def event_example(model: type[EventData]) -> dict[str, Any]:
    """Return an example of an event's data."""
    return {name: _EVENT_DATA[name] for name in model.model_fields}
