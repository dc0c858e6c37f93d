"""Why an order waits, in words and commands: every open state has both."""

import json
import shlex
from typing import Any, get_args
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.orders.diagnosis.commands import Target
from orderflow.orders.diagnosis.explanation import explain
from orderflow.orders.diagnosis.facts import (
    MAX_COUNTED,
    Attempts,
    Facts,
    Letter,
    Queue,
    Shortage,
    Unsent,
)
from orderflow.orders.states import MOVES, Status

LOCAL = Target().gateway
DUE = "2026-03-01T12:00:00+00:00"
LETTER = Letter(id=17, error="there is no order 12345", sendable=True)
FAILED = Attempts(failures=3, last_error="the database is not ready", last_failed_at=DUE)
OPEN = ("pending", "backordered", "confirmed")


def make_facts(status: str = "pending", **overrides: Any) -> Facts:
    facts = {"order_id": "12345", "status": status, "due_at": DUE} | overrides
    return Facts.model_validate(facts)


def make_queue(**overrides: Any) -> Queue:
    return Queue.model_validate({"item": "Laptop", "needs": 5, "free": 2} | overrides)


def waiting(status: str = "pending", **overrides: Any) -> dict[str, Any]:
    explained = explain(make_facts(status, **overrides))
    assert explained is not None
    return explained


def curl(method: str, path: str, **body: object) -> str:
    url, json_type = f"{LOCAL}{path}", "'Content-Type: application/json'"
    return f"curl -X {method} {url} -H {json_type} -d '{json.dumps(body)}'"


AGAIN = ["orderflow retry 12345", curl("POST", "/order/12345/retry")]


def reason(status: str = "pending", **overrides: Any) -> str:
    return str(waiting(status, **overrides)["for"])


def unstick(status: str = "pending", **overrides: Any) -> list[str]:
    return list(waiting(status, **overrides)["unstick"])


@pytest.mark.parametrize("status", [status for status, moves in MOVES.items() if not moves])
def test_a_closed_order_waits_for_nothing(status: str) -> None:
    assert explain(make_facts(status)) is None


@pytest.mark.parametrize("status", [status for status, moves in MOVES.items() if moves])
def test_an_order_that_can_still_move_has_an_explanation(status: str) -> None:
    explained = waiting(status, queues=[make_queue()] if status == "backordered" else [])

    assert explained["for"]
    assert explained["at_deadline"]
    assert explained["unstick"]


def test_an_explanation_always_has_the_same_names() -> None:
    names = {frozenset(waiting(status)) for status in OPEN}

    (same,) = names
    assert same == {
        *("for", "items", "announcements", "next_try", "attempts", "last_error", "last_failed_at"),
        *("dead_letter", "unsent", "deadline", "at_deadline", "attention", "unstick"),
    }


# Pending


def test_a_fresh_order_waits_to_be_decided_and_is_announced_again() -> None:
    explained = waiting()

    assert explained["for"] == "process_order to take its event from Kafka and decide"
    assert explained["next_try"] == explained["deadline"] == DUE
    assert explained["at_deadline"] == "sweep announces it again, which is announcement 2"
    assert explained["unstick"] == AGAIN


def test_failed_attempts_are_counted_with_the_last_error() -> None:
    explained = waiting(attempts=FAILED)

    assert explained["for"] == (
        "process_order to succeed; it failed 3 times, the last time: the database is not ready"
    )
    assert (explained["attempts"], explained["last_failed_at"]) == (3, DUE)
    assert explained["last_error"] == "the database is not ready"


def test_an_event_that_is_not_on_kafka_says_since_when() -> None:
    unsent = Unsent(type="orderflow.order.placed.v1", since=DUE)

    explained = waiting(unsent=unsent)

    assert explained["for"] == f"Kafka: its event is in the outbox since {DUE}"
    assert explained["unsent"] == {"type": "orderflow.order.placed.v1", "since": DUE}


def test_an_event_among_the_dead_letters_is_redriven() -> None:
    explained = waiting(letter=LETTER)

    assert "lies in the dead letters as 17: there is no order 12345" in explained["for"]
    assert explained["dead_letter"] == {"id": 17, "error": "there is no order 12345"}
    assert explained["unstick"] == ["orderflow dead-letters redrive 17", *AGAIN]


def test_a_dead_letter_that_cannot_be_sent_is_not_redriven() -> None:
    letter = LETTER.model_copy(update={"sendable": False})

    assert unstick(letter=letter) == AGAIN


def test_an_order_that_lets_others_go_first_names_the_items() -> None:
    offered = ["a", "b", "c", "d", "e"]

    assert reason(offered=offered) == (
        "others: free a, b, c, 2 more of them is offered to those who wait longer first"
    )


def test_the_cause_that_needs_a_person_most_is_named_first() -> None:
    unsent = Unsent(type="t", since=DUE)
    all_at_once: dict[str, Any] = {
        "letter": LETTER,
        "attempts": FAILED,
        "unsent": unsent,
        "offered": ["a"],
    }

    told = []
    for name in list(all_at_once):
        told.append(reason(**all_at_once))
        del all_at_once[name]

    parts = [
        "dead letters",
        "process_order to succeed",
        "outbox",
        "others",
        "process_order to take",
    ]
    assert [part in sentence for part, sentence in zip(parts, [*told, reason()], strict=True)] == (
        [True] * 5
    )


def test_an_order_that_is_announced_no_more_waits_for_a_person() -> None:
    explained = waiting(due_at=None, announcements=200, attention="still pending")

    assert explained["deadline"] is explained["next_try"] is None
    assert explained["at_deadline"].startswith("nothing: it is announced again only when a person")
    assert explained["attention"] == "still pending"
    assert explained["announcements"] == 200


# Backordered


def test_a_backorder_says_what_is_missing_and_who_is_before_it() -> None:
    explained = waiting("backordered", queues=[make_queue(ahead=1, ahead_units=4)])

    assert explained["for"] == "stock: 3 more Laptop (needs 5, 2 free, 1 order before it)"
    assert explained["items"] == [
        {
            "item": "Laptop",
            "needs": 5,
            "available": 2,
            "short_by": 3,
            "ahead": 1,
            "more_ahead": False,
        }
    ]
    assert explained["next_try"] is None
    assert explained["at_deadline"] == "a person is asked to look at it"


def test_the_restock_of_a_backorder_serves_those_before_it_too() -> None:
    queues = [make_queue(ahead=1, ahead_units=4), make_queue(item="Mouse", needs=1, free=0)]

    assert unstick("backordered", queues=queues) == [
        curl("POST", "/inventory", item="Laptop", adjust=7),
        curl("POST", "/inventory", item="Mouse", adjust=1),
    ]


def test_a_long_queue_is_not_counted_to_its_end() -> None:
    queue = make_queue(ahead=MAX_COUNTED, ahead_units=20_000)

    explained = waiting("backordered", queues=[queue])

    assert explained["for"].endswith("10,000 or more orders before it)")
    assert explained["items"][0]["more_ahead"] is True


def test_what_a_low_count_took_is_missing_as_well() -> None:
    explained = waiting("backordered", queues=[make_queue(free=-3)])

    assert (explained["items"][0]["available"], explained["items"][0]["short_by"]) == (0, 8)
    assert explained["unstick"] == [curl("POST", "/inventory", item="Laptop", adjust=8)]


def test_a_hundred_missing_items_make_one_short_sentence() -> None:
    explained = waiting("backordered", queues=[make_queue(item=f"item {n}") for n in range(100)])

    assert explained["for"].endswith("97 more of them")
    assert len(explained["for"]) < 300
    assert len(explained["items"]) == len(explained["unstick"]) == 100


def test_a_backorder_with_enough_free_waits_for_its_turn() -> None:
    explained = waiting("backordered", queues=[make_queue(free=9, fill_due=True)])

    assert explained["for"].startswith("its turn: enough is free")
    assert explained["items"][0]["short_by"] == 0


def test_stock_that_is_told_and_not_applied_is_named_and_its_letter_redriven() -> None:
    queues = [make_queue(unapplied=2, letter=LETTER), make_queue(item="Mouse", letter=LETTER)]

    explained = waiting("backordered", queues=queues)

    assert explained["for"].endswith("; changes of Laptop are told and not applied yet")
    assert explained["unstick"][0] == "orderflow dead-letters redrive 17"


def test_a_letter_of_an_item_that_nothing_moves_is_old_news() -> None:
    assert unstick("backordered", queues=[make_queue(letter=LETTER)]) == [
        curl("POST", "/inventory", item="Laptop", adjust=3)
    ]


@pytest.mark.parametrize("status", ["backordered", "confirmed"])
def test_what_a_person_was_asked_about_may_also_be_cancelled(status: str) -> None:
    queues = [make_queue()] if status == "backordered" else []

    before = unstick(status, queues=queues)
    explained = waiting(status, queues=queues, due_at=None, attention="look")

    cancel = curl("PATCH", "/order/12345", status="cancelled")
    assert cancel not in before
    assert explained["unstick"] == [*before, cancel]
    assert explained["at_deadline"] == "nothing: a person has been asked to look at it"


# Confirmed


def test_a_confirmed_order_waits_to_be_shipped() -> None:
    explained = waiting("confirmed")

    assert explained["for"] == "someone to ship it; its stock is reserved"
    assert explained["unstick"] == [curl("PATCH", "/order/12345", status="shipped")]
    assert explained["at_deadline"] == "a person is asked to look at it"


@pytest.mark.parametrize(("minutes", "told"), [(1, "1 minute"), (30, "30 minutes")])
def test_a_hold_says_when_it_ends_and_how(minutes: int, told: str) -> None:
    explained = waiting("confirmed", hold_minutes=minutes)

    assert explained["deadline"] == DUE
    assert explained["at_deadline"] == (
        f"its hold of {told} ends: it is cancelled, and its stock is free again"
    )


def test_a_hold_that_is_over_waits_for_sweep() -> None:
    explained = waiting("confirmed", hold_minutes=30, is_overdue=True)

    assert explained["for"] == "sweep to cancel it: its hold of 30 minutes is over"


def test_an_order_that_cannot_be_shipped_says_what_to_count_first() -> None:
    shortages = [Shortage(item="Laptop", needs=5, on_hand=2, reserved=6)]

    explained = waiting("confirmed", shortages=shortages)

    assert explained["for"] == (
        "enough on hand to ship it: Laptop (needs 5; 2 on hand, 6 reserved)"
    )
    assert explained["unstick"] == [
        curl("POST", "/inventory", item="Laptop", adjust=4),
        curl("PATCH", "/order/12345", status="shipped"),
    ]


def test_commands_call_the_gateway_that_the_caller_came_through() -> None:
    explained = explain(make_facts("confirmed"), Target("https://shop.example"))

    assert explained is not None
    assert explained["unstick"][0].startswith("curl -X PATCH https://shop.example/order/12345 ")


def test_commands_work_on_the_installation_that_was_asked() -> None:
    target = Target(options=("--data", "my data"))

    explained = explain(make_facts(letter=LETTER, order_id="-7"), target)

    assert explained is not None
    assert explained["unstick"] == [
        "orderflow dead-letters redrive --data 'my data' 17",
        "orderflow retry --data 'my data' -- -7",
        curl("POST", "/order/-7/retry"),
    ]


# Whatever the names are, a command is one that can be given as it stands

ids = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)


@given(ids)
def test_a_shell_gets_the_id_as_one_argument_that_is_no_option(order_id: str) -> None:
    program, command, *rest = shlex.split(unstick(order_id=order_id)[0])

    assert (program, command) == ("orderflow", "retry")
    assert rest == (["--", order_id] if order_id.startswith("-") else [order_id])


@given(ids)
def test_a_request_names_the_order_as_one_part_of_its_path(order_id: str) -> None:
    (command,) = unstick("confirmed", order_id=order_id)
    program, _, method, url, *_, body = shlex.split(command)

    assert (program, method) == ("curl", "PATCH")
    name = url.removeprefix(f"{LOCAL}/order/")
    assert unquote(name) == order_id
    assert not set("/?#[]{}") & set(name)
    assert json.loads(body) == {"status": "shipped"}


@given(ids)
def test_a_restock_names_the_item_in_json(item: str) -> None:
    (command,) = unstick("backordered", queues=[make_queue(item=item)])
    program, _, method, url, *_, body = shlex.split(command)

    assert (program, method, url) == ("curl", "POST", f"{LOCAL}/inventory")
    assert json.loads(body) == {"item": item, "adjust": 3}


queues = st.builds(
    Queue,
    item=ids,
    needs=st.integers(1, 9),
    free=st.integers(-9, 9),
    ahead=st.integers(0, 9),
    ahead_units=st.integers(0, 9),
    fill_due=st.booleans(),
    unapplied=st.integers(0, 2),
    letter=st.none() | st.just(LETTER),
)


@given(
    st.builds(
        Facts,
        order_id=ids,
        status=st.sampled_from(get_args(Status)),
        hold_minutes=st.none() | st.integers(1, 525_600),
        due_at=st.none() | st.just(DUE),
        is_overdue=st.booleans(),
        attention=st.none() | st.just("look"),
        queues=st.lists(queues, max_size=5).map(tuple),
        offered=st.lists(ids, max_size=5).map(tuple),
        attempts=st.none() | st.just(FAILED),
        letter=st.none() | st.just(LETTER),
    )
)
def test_no_open_order_is_without_a_reason_and_an_outcome(facts: Facts) -> None:
    explained = explain(facts)

    assert (explained is None) == (facts.status not in OPEN)
    if explained is not None:
        assert explained["for"].strip()
        assert explained["at_deadline"].strip()
        json.dumps(explained)
