"""A function lets in who has a token with its scope, and looks at nothing else before."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from orderflow.auth.authentication import BearerTokens
from orderflow.auth.keys import SecretKey
from orderflow.auth.rate_limit import WINDOW_S, RateLimiter
from orderflow.auth.tokens import TokenVerifier
from orderflow.database.connection import Connection
from orderflow.resources import resources
from tests.support.function_calls import ce_headers, client_of, make_order, reference
from tests.support.issuer import AUDIENCE, ISSUER, SECRET, make_token

ROUTES = [
    ("create_order", "POST", "/order", "orders:write"),
    ("update_order", "PATCH", "/order/1", "orders:write"),
    ("list_orders", "GET", "/orders", "orders:read"),
    ("list_orders", "GET", "/order/1", "orders:read"),
    ("list_orders", "HEAD", "/orders", "orders:read"),
    ("update_inventory", "POST", "/inventory", "inventory:write"),
    ("list_inventory", "GET", "/inventory", "inventory:read"),
    ("list_inventory", "GET", "/inventory/Lamp", "inventory:read"),
    ("redrive", "GET", "/dead-letters", "operations"),
    ("redrive", "POST", "/dead-letters/redrive", "operations"),
    ("redrive", "POST", "/dead-letters/discard", "operations"),
]
OTHERS = {
    "orders:write": "orders:read orders:all inventory:write operations",
    "orders:read": "orders:write orders:all inventory:read operations",
    "inventory:write": "inventory:read orders:write orders:all operations",
    "inventory:read": "inventory:write orders:read orders:all operations",
    "operations": "orders:read orders:write orders:all inventory:read inventory:write",
}
EVENT_FUNCTIONS = ["process_order", "apply_inventory", "keep_dead_letter", "sweep"]


@pytest.fixture(autouse=True)
def with_tokens(environment: None) -> Iterator[None]:
    """Every function takes tokens of the secret's issuer."""
    with pytest.MonkeyPatch.context() as patch:
        for who in ("callers", "senders"):
            patch.setitem(resources().__dict__, who, BearerTokens(verifier()))
        yield


def verifier() -> TokenVerifier:
    return TokenVerifier(SecretKey(SECRET.encode()), issuer=ISSUER, audience=AUDIENCE)


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token('HS256', key=SECRET, **claims)}"}


def scoped(scope: str) -> dict[str, str]:
    return bearer(scope=scope)


@pytest.mark.parametrize(("function", "method", "path", "scope"), ROUTES)
async def test_without_a_token_the_answer_is_401(
    function: str, method: str, path: str, scope: str
) -> None:
    answer = await client_of(function).request(method, path)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="orderflow"'
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("function", "method", "path", "scope"), ROUTES)
async def test_all_other_scopes_together_are_not_the_one_that_is_needed(
    function: str, method: str, path: str, scope: str
) -> None:
    answer = await client_of(function).request(method, path, headers=scoped(OTHERS[scope]))

    assert answer.status_code == 403
    assert f'error="insufficient_scope", scope="{scope}"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("function", "method", "path", "scope"), ROUTES)
async def test_the_one_scope_that_is_needed_is_enough(
    function: str, method: str, path: str, scope: str
) -> None:
    answer = await client_of(function).request(method, path, headers=scoped(scope))

    assert answer.status_code not in {401, 403}


async def test_an_order_is_placed_with_a_token_and_not_with_an_expired_one() -> None:
    order = make_order()
    create = client_of("create_order")

    refused = await create.post("/order", json=order, headers=bearer(exp=1))
    placed = await create.post("/order", json=order, headers=bearer())

    assert (refused.status_code, placed.status_code) == (401, 201)
    assert refused.json()["detail"] == "the token has expired"


async def test_a_body_is_not_read_before_the_token_is_checked() -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"{"

    answer = await client_of("create_order").post("/order", content=body())

    assert answer.status_code == 401
    assert read == []


async def test_who_calls_too_often_is_told_when_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    callers = BearerTokens(verifier(), RateLimiter(1))
    monkeypatch.setitem(resources().__dict__, "callers", callers)
    orders, shown = client_of("list_orders"), {"alice": bearer(), "bob": bearer(sub="bob")}

    answers = [await orders.get("/orders?limit=1", headers=shown["alice"]) for _ in range(30)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 30 - WINDOW_S - 5  # what came back while they called
    assert {name: refused[0].headers[name] for name in ("Retry-After", "RateLimit")} == {
        "Retry-After": "1",
        "RateLimit": '"subject";r=0;t=1',
    }
    assert refused[0].json()["type"] == "/problems/too-many-requests"
    assert (await orders.get("/orders?limit=1", headers=shown["bob"])).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_need_no_token(path: str) -> None:
    assert (await client_of("create_order").get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz/", "/readyz/x", "//healthz", "/HEALTHZ", "/healthz;x"])
async def test_what_looks_like_a_probe_needs_one(path: str) -> None:
    assert (await client_of("create_order").get(path)).status_code == 401


async def test_a_token_in_the_query_or_a_cookie_is_none() -> None:
    token = make_token("HS256", key=SECRET)
    orders = client_of("list_orders")

    by_query = await orders.get(f"/orders?access_token={token}")
    by_cookie = await orders.get("/orders", headers={"Cookie": f"access_token={token}"})

    assert [by_query.status_code, by_cookie.status_code] == [401, 401]


@pytest.mark.parametrize("function", EVENT_FUNCTIONS)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer e30.e30.e30"}], ids=str)
async def test_an_event_from_elsewhere_is_refused_and_changes_nothing(
    function: str, headers: dict[str, str], database: Connection
) -> None:
    attributes = ce_headers("orderflow.order.placed.v1", id=reference("forged"))
    count = "SELECT (SELECT count(*) FROM dead_letters), (SELECT count(*) FROM attempts)"
    before = database.run(count)

    answer = await client_of(function).post(
        "/", json={"order_id": "1"}, headers=attributes | headers
    )

    assert answer.status_code == 401
    assert database.run(count) == before


async def test_an_event_of_who_has_the_token_is_taken() -> None:
    headers = ce_headers("dev.knative.sources.ping") | bearer()

    answer = await client_of("sweep").post("/", json={}, headers=headers)

    assert answer.status_code == 204


async def test_a_problem_tells_nothing_of_the_token(capfd: pytest.CaptureFixture[str]) -> None:
    token = make_token("HS256", key="another secret of thirty-two bytes!", sub="mallory")

    answer = await client_of("list_orders").get(
        "/orders", headers={"Authorization": f"Bearer {token}"}
    )

    assert isinstance(answer, httpx.Response)
    assert answer.status_code == 401
    assert token not in answer.text + str(answer.headers)
    assert "mallory" not in answer.text
