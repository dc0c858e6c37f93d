"""What the HTTP API can be asked: the one table that its documents are made from."""

from typing import Any

from orderflow.contract.answers.audits import ListedAudit, OneAudit
from orderflow.contract.answers.dead_letters import (
    ListedLetter,
    OneLetter,
    RecordedRedrive,
    Redriven,
)
from orderflow.contract.answers.inventory import ChangeAccepted, Figures, InventoryChange, OneItem
from orderflow.contract.answers.orders import (
    ListedOrder,
    OneOrder,
    OrderAccepted,
    OrderChanged,
    OrderRetried,
)
from orderflow.contract.answers.overview import Overview
from orderflow.contract.operation import (
    CSS,
    HTML,
    JAVASCRIPT,
    JSON,
    NDJSON,
    SVG,
    Answer,
    Operation,
)
from orderflow.dead_letters.selections import (
    DiscardLetters,
    LetterPage,
    RedriveLetters,
    RedrivePage,
)
from orderflow.http.pagination import Page
from orderflow.models import ChangeInventory, ChangeOrder, NoFields, PlaceOrder
from orderflow.orders.lists import OrderPage
from orderflow.stock.lists import ChangePage

BODY = (400, 408, 412, 413, 415, 422)  # whatever takes a body
EVERY = (400, 414, 431, 503, 504)  # whatever goes through the gateway
TOKEN = (401, 403, 429)  # whatever needs a token
PAGED, REPEATED = ("Link",), ("Location", "Idempotent-Replayed")

OPERATIONS = (
    Operation(
        "place_order",
        "POST /order",
        "Place an order",
        "orders:write",
        (
            Answer(201, "The order is stored.", OrderAccepted, ("Location",)),
            Answer(200, "It was stored before: the first answer again.", OrderAccepted, REPEATED),
        ),
        (*BODY, 409),
        body=PlaceOrder,
        headers=("Idempotency-Key", "traceparent"),
    ),
    Operation(
        "list_orders",
        "GET /orders",
        "List orders, newest first",
        "orders:read",
        (
            Answer(
                200,
                "A page; as NDJSON every match, one a line.",
                list[ListedOrder],
                PAGED,
                (JSON, NDJSON),
            ),
        ),
        (422,),
        query=OrderPage,
    ),
    Operation(
        "get_order",
        "GET /order/{order_id}",
        "Show an order, its history and why it waits",
        "orders:read",
        (Answer(200, "The order.", OneOrder),),
        (404,),
    ),
    Operation(
        "change_order",
        "PATCH /order/{order_id}",
        "Cancel an order or mark it shipped",
        "orders:write",
        (Answer(200, "The order has this status now.", OrderChanged, ("Idempotent-Replayed",)),),
        (*BODY, 404, 409),
        body=ChangeOrder,
        headers=("Idempotency-Key",),
    ),
    Operation(
        "retry_order",
        "POST /order/{order_id}/retry",
        "Have a pending order announced again, as if for the first time",
        "operations",
        (Answer(202, "Its event will be sent within 10 s.", OrderRetried),),
        (*BODY, 404, 409),
        body=NoFields,
    ),
    Operation(
        "change_inventory",
        "POST /inventory",
        "Tell a count of an item, or a difference",
        "inventory:write",
        (Answer(202, "The change is stored and will be applied.", ChangeAccepted, REPEATED),),
        (*BODY, 409),
        body=ChangeInventory,
        headers=("Idempotency-Key", "traceparent"),
    ),
    Operation(
        "list_inventory",
        "GET /inventory",
        "List items by name",
        "inventory:read",
        (Answer(200, "A page.", list[Figures], PAGED),),
        (422,),
        query=Page,
    ),
    Operation(
        "get_item",
        "GET /inventory/{item}",
        "Show an item and a page of its ledger, newest first",
        "inventory:read",
        (Answer(200, "The item.", OneItem, PAGED),),
        (404, 422),
        query=Page,
    ),
    Operation(
        "list_inventory_changes",
        "GET /inventory/changes",
        "List changes and what became of them, newest first",
        "inventory:read",
        (Answer(200, "A page.", list[InventoryChange], PAGED),),
        (422,),
        query=ChangePage,
    ),
    Operation(
        "get_inventory_change",
        "GET /inventory/changes/{change_id}",
        "Show what became of a change",
        "inventory:read",
        (Answer(200, "The change.", InventoryChange),),
        (404, 422),
    ),
    Operation(
        "list_dead_letters",
        "GET /dead-letters",
        "List events that no function could process, what failed last first",
        "operations",
        (Answer(200, "A page.", list[ListedLetter], PAGED),),
        (422,),
        query=LetterPage,
    ),
    Operation(
        "get_dead_letter",
        "GET /dead-letters/{letter_id}",
        "Show a dead letter and its event",
        "operations",
        (Answer(200, "The letter.", OneLetter),),
        (404,),
    ),
    Operation(
        "redrive_dead_letters",
        "POST /dead-letters/redrive",
        "Send dead letters again",
        "operations",
        (
            Answer(202, "They are scheduled.", Redriven, REPEATED[1:]),
            Answer(200, "There is nothing to send, or it was a dry run.", Redriven, REPEATED[1:]),
        ),
        (*BODY, 404, 409),
        body=RedriveLetters,
        headers=("Idempotency-Key",),
    ),
    Operation(
        "discard_dead_letters",
        "POST /dead-letters/discard",
        "Discard dead letters",
        "operations",
        (Answer(200, "They are discarded, or it was a dry run.", Redriven, REPEATED[1:]),),
        (*BODY, 404, 409),
        body=DiscardLetters,
        headers=("Idempotency-Key",),
    ),
    Operation(
        "list_redrives",
        "GET /dead-letters/redrives",
        "List who had letters sent again or discarded, newest first",
        "operations",
        (Answer(200, "A page.", list[RecordedRedrive], PAGED),),
        (422,),
        query=RedrivePage,
    ),
    Operation(
        "get_console",
        "GET /console",
        "A page for who runs a shop, on the calls above",
        None,
        (Answer(200, "A page.", str, (), (HTML,)),),
    ),
    Operation(
        "get_console_file",
        "GET /console/{file}",
        "A file of that page, or which tokens it needs",
        None,
        (Answer(200, "The file.", Any, (), (JAVASCRIPT, CSS, SVG, HTML, JSON)),),
        (404,),
    ),
    Operation(
        "get_overview",
        "GET /overview",
        "Show how the whole does at this moment",
        "operations",
        (Answer(200, "The figures.", Overview),),
    ),
    Operation(
        "run_audit",
        "POST /audits",
        "Audit now: prove that all adds up, and keep what is found",
        "operations",
        (Answer(201, "It is done and kept.", OneAudit, ("Location",)),),
        (*BODY, 409),
        body=NoFields,
    ),
    Operation(
        "list_audits",
        "GET /audits",
        "List audits, newest first",
        "operations",
        (Answer(200, "A page.", list[ListedAudit], PAGED),),
        (422,),
        query=Page,
    ),
    Operation(
        "get_audit",
        "GET /audits/{audit_id}",
        "Show an audit and what each check found",
        "operations",
        (Answer(200, "The audit.", OneAudit),),
        (404,),
    ),
    Operation(
        "get_contract",
        "GET /openapi.json",
        "This document",
        None,
        (Answer(200, "OpenAPI 3.1.", dict[str, Any]),),
    ),
    Operation(
        "get_documentation",
        "GET /docs",
        "This document as a page",
        None,
        (Answer(200, "A page.", str, (), (HTML,)),),
    ),
    Operation(
        "get_problem_type",
        "GET /problems/{type}",
        "What a type of problem means, and what to do",
        None,
        (Answer(200, "A page.", str, (), (HTML,)),),
        (404,),
    ),
)
