"""The client's names are those of the contract, and its pauses are bounded."""

from typing import Any

import httpx
import pytest

from orderflow.contract.answers import dead_letters, inventory, orders, overview
from orderflow_client import Problem, Unreachable, answers
from orderflow_client.transfer import (
    ATTEMPTS,
    LONGEST_PAUSE_S,
    LONGEST_RETRY_AFTER_S,
    RETRIED,
    Attempts,
    next_page,
    path_of,
)

SAME: dict[type[Any], type[Any]] = {
    answers.OrderAccepted: orders.OrderAccepted,
    answers.OrderChanged: orders.OrderChanged,
    answers.ListedOrder: orders.ListedOrder,
    answers.Order: orders.OneOrder,
    answers.Moved: orders.Moved,
    answers.Line: orders.OrderLine,
    answers.ChangeAccepted: inventory.ChangeAccepted,
    answers.Stock: inventory.Figures,
    answers.Item: inventory.OneItem,
    answers.InventoryChange: inventory.InventoryChange,
    answers.DeadLetter: dead_letters.ListedLetter,
    answers.Redriven: dead_letters.Redriven,
    answers.Overview: overview.Overview,
    answers.Minute: overview.Minute,
    answers.AllocationTimes: overview.AllocationTimes,
    answers.ConsumerLag: overview.ConsumerLag,
    answers.ItemList: overview.ShortItems,
}


@pytest.mark.parametrize("answer", SAME, ids=lambda answer: answer.__name__)
def test_every_field_is_one_of_the_contract(answer: type[Any]) -> None:
    optional = {"attention"} if answer is answers.Order else set()

    assert set(answer.__annotations__) - optional <= set(SAME[answer].__annotations__)
    assert answer.__required_keys__ - optional <= SAME[answer].__required_keys__


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_not_now_is_tried_again_so_many_times(status: int) -> None:
    attempts, response = Attempts(), httpx.Response(status)

    pauses = [attempts.pause_after(response) for _ in range(ATTEMPTS - 1)]

    assert all(pause is not None and pause <= LONGEST_PAUSE_S for pause in pauses)
    with pytest.raises(Problem):
        attempts.pause_after(response)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
def test_no_is_said_at_once(status: int) -> None:
    with pytest.raises(Problem) as refused:
        Attempts().pause_after(httpx.Response(status, content=b"[1]"))

    assert refused.value.status == status


def test_retry_after_is_waited_for_unless_it_is_long() -> None:
    told = httpx.Response(503, headers={"Retry-After": "3"})
    too_long = httpx.Response(429, headers={"Retry-After": str(LONGEST_RETRY_AFTER_S + 1)[:2]})

    pause_s = Attempts().pause_after(told)

    assert pause_s is not None
    assert pause_s >= 3
    with pytest.raises(Problem) as refused:
        Attempts().pause_after(too_long)
    assert refused.value.retry_after_s == 31


def test_no_answer_at_all_is_told_after_the_last_attempt() -> None:
    attempts, error = Attempts(), httpx.ConnectError("refused")
    for _ in range(ATTEMPTS - 1):
        attempts.pause_without_answer(error)

    with pytest.raises(Unreachable, match="refused"):
        attempts.pause_without_answer(error)


def test_a_name_stays_one_segment_of_a_path() -> None:
    assert path_of("order", "a/b?c#d ä") == "/order/a%2Fb%3Fc%23d%20%C3%A4"


def test_the_last_page_has_no_next_one() -> None:
    link = {"Link": '</orders?after=MTI&limit=2>; rel="next"'}
    following = next_page(httpx.Response(200, headers=link))

    assert following is not None
    assert following.path == "/orders?after=MTI&limit=2"
    assert next_page(httpx.Response(200)) is None
