"""Two families of errors, each with an answer of its own."""

from collections.abc import Iterator

import orjson
import pytest

from orderflow.errors import (
    BodyTooLarge,
    BodyTooSlow,
    Conflict,
    DatabaseAway,
    InvalidInput,
    Later,
    MalformedBody,
    MethodNotAllowed,
    Never,
    NotFound,
    NotJson,
    OrderFlowError,
    QueueFull,
)
from orderflow.http.handler import problem

STATUSES = {
    MalformedBody: 400,
    NotFound: 404,
    BodyTooSlow: 408,
    Conflict: 409,
    BodyTooLarge: 413,
    NotJson: 415,
    InvalidInput: 422,
    QueueFull: 503,
    DatabaseAway: 503,
}


def family(of: type[OrderFlowError]) -> Iterator[type[OrderFlowError]]:
    for error in of.__subclasses__():
        if error.__module__ == "orderflow.errors":
            yield error
            yield from family(error)


@pytest.mark.parametrize("error", STATUSES)
def test_an_error_has_the_status_of_the_contract(error: type[OrderFlowError]) -> None:
    assert error("because").status == STATUSES[error]


def test_what_may_work_later_is_503_or_429_and_what_never_will_is_4xx() -> None:
    assert {error.status for error in family(Later)} == {429, 503}
    assert all(400 <= error.status < 500 for error in family(Never) if error is not Never)


def test_no_two_errors_share_a_type_or_a_title() -> None:
    leaves = [error for error in family(OrderFlowError) if error is not Never]

    assert len({error.slug for error in leaves}) == len(leaves)
    assert len({error.title for error in leaves}) == len(leaves)


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    response = problem(Conflict("it exists"))

    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert orjson.loads(response.body) == {
        "type": "/problems/conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "it exists",
    }


def test_bad_input_names_each_field() -> None:
    errors = [{"field": "quantity", "message": "too small"}]

    assert InvalidInput("quantity: too small", errors=errors).problem()["errors"] == errors


def test_later_says_when() -> None:
    assert problem(Later("shortly", retry_after_s=7)).headers["retry-after"] == "7"


def test_a_refused_method_names_those_allowed() -> None:
    error = MethodNotAllowed(("GET", "HEAD"))

    assert problem(error).headers["allow"] == "GET, HEAD"
    assert error.detail == "use GET or HEAD"
