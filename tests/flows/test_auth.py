"""`orderflow up --auth`: who has no good token gets nowhere, called through the gateway."""

import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from knative_local.ports import LOOPBACK
from orderflow_cli.development_tokens import AUDIENCE, ISSUER, KEY_SET_PATH
from tests.support.commands import orderflow, said
from tests.support.impatient_project import ORDERS_ALONE, impatient_project
from tests.support.issuer import make_claims
from tests.support.shop import Shop, open_shop, reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.any_broker

SERVICES = (*ORDERS_ALONE, "audits", "redrive", "overview")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """An OrderFlow that asks for tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    project = impatient_project(folder / "project", SERVICES)
    options = ["--auth", "--project", str(project)]
    with open_shop(folder / "data", options=options) as shop:
        yield shop


def token(shop: Shop, scope: str = "orders:read orders:write", *more: str) -> str:
    """A token as the command prints it."""
    done = orderflow("token", "--data", shop.data, "--scope", scope, *more)
    assert done.status == 0, done.stderr
    return done.stdout.strip()


def bearer(shown: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {shown}"}


def own_key(shop: Shop) -> tuple[str, bytes]:
    """The id and the private part of the key that signs."""
    newest = max((shop.data / "issuer").glob("*.pem"))
    return newest.stem, newest.read_bytes()


def forged(shop: Shop, **claims: Any) -> str:
    """A token that is signed with the issuer's key and says something else."""
    key_id, key = own_key(shop)
    good = make_claims(iss=ISSUER, aud=AUDIENCE)
    told = {name: value for name, value in (good | claims).items() if value is not ...}
    return jwt.encode(told, key, "EdDSA", headers={"kid": key_id})


def test_an_order_goes_all_the_way_with_tokens(guarded: Shop) -> None:
    shown, order_id = bearer(token(guarded)), reference()

    placed = guarded.call(
        "POST", "/order", {"order_id": order_id, "item": reference("item"), "quantity": 1}, shown
    )

    assert placed.status_code == 201

    def status() -> str:
        answer = guarded.call("GET", f"/order/{order_id}", headers=shown)
        return str(answer.json()["status"])

    assert eventually(lambda: status() == "backordered")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/order"),
        ("GET", "/orders"),
        ("GET", "/order/x"),
        ("GET", "/dead-letters"),
        ("POST", "/dead-letters/redrive"),
        ("POST", "/order/x/retry"),
        ("POST", "/audits"),
        ("GET", "/audits"),
        ("POST", "/dead-letters/redriv%65"),
    ],
)
def test_without_a_token_there_is_nothing_to_be_had(guarded: Shop, method: str, path: str) -> None:
    answer = guarded.call(method, path, {} if method == "POST" else None)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_who_places_orders_may_not_retry_nor_audit_which_an_operator_may(guarded: Shop) -> None:
    order_id = reference()
    owner = bearer(token(guarded))
    operator = bearer(token(guarded, "operations", "--subject", "oscar"))
    body = {"order_id": order_id, "item": reference("item"), "quantity": 1}
    assert guarded.call("POST", "/order", body, owner).status_code == 201

    paths = (f"/order/{order_id}/retry", "/audits")
    refused = [guarded.call("POST", path, {}, owner) for path in paths]
    refused.append(guarded.call("GET", "/audits", headers=owner))
    retried, audited = (guarded.call("POST", path, {}, operator) for path in paths)

    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert retried.status_code in {202, 409}  # 409: it was decided meanwhile
    assert (audited.status_code, audited.json()["asked_by"]) == (201, "oscar")


def test_a_reader_may_not_redrive_nor_place(guarded: Shop) -> None:
    shown = bearer(token(guarded, "orders:read"))

    asked = [
        guarded.call("POST", "/dead-letters/redrive", {"all": True, "by": "mallory"}, shown),
        guarded.call("GET", "/dead-letters", headers=shown),
        guarded.call("POST", "/order", {"item": "Lamp", "quantity": 1}, shown),
    ]

    assert [answer.status_code for answer in asked] == [403, 403, 403]
    assert [a.headers["WWW-Authenticate"].rpartition("scope=")[2] for a in asked] == [
        '"operations"',
        '"operations"',
        '"orders:write"',
    ]
    assert guarded.call("GET", "/orders", headers=shown).status_code == 200


FORGERIES: dict[str, Callable[[Shop], str]] = {
    "expired": lambda shop: forged(shop, exp=int(time.time()) - 31),
    "not yet valid": lambda shop: forged(shop, nbf=int(time.time()) + 60),
    "another audience": lambda shop: forged(shop, aud="billing"),
    "another issuer": lambda shop: forged(shop, iss="https://accounts.google.com"),
    "without an end": lambda shop: forged(shop, exp=...),
    "of nobody": lambda shop: forged(shop, sub=...),
    "unsigned": lambda shop: jwt.encode(
        make_claims(iss=ISSUER, aud=AUDIENCE), "", "none", headers={"kid": own_key(shop)[0]}
    ),
    "signed by someone else": lambda shop: jwt.encode(
        make_claims(iss=ISSUER, aud=AUDIENCE),
        Ed25519PrivateKey.generate(),
        "EdDSA",
        headers={"kid": own_key(shop)[0]},
    ),
    "signed with the public key": lambda shop: jwt.encode(
        make_claims(iss=ISSUER, aud=AUDIENCE),
        shop.call("GET", KEY_SET_PATH).json()["keys"][0]["x"],
        "HS256",
        headers={"kid": own_key(shop)[0]},
    ),
    "of an unknown key": lambda shop: jwt.encode(
        make_claims(iss=ISSUER, aud=AUDIENCE),
        Ed25519PrivateKey.generate(),
        "EdDSA",
        headers={"kid": "unknown"},
    ),
    "cut": lambda shop: forged(shop)[:-1],
    "too long": lambda shop: forged(shop, note="x" * 9_000),
}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_token_that_is_not_good_is_refused(guarded: Shop, how: str) -> None:
    shown = bearer(FORGERIES[how](guarded))
    order = {"order_id": reference(), "item": reference("item"), "quantity": 1}

    answer = guarded.call("POST", "/order", order, shown)

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    found = guarded.call("GET", f"/order/{order['order_id']}", headers=bearer(token(guarded)))
    assert found.status_code == 404


def test_keys_change_while_it_runs(guarded: Shop) -> None:
    before = bearer(token(guarded))
    assert guarded.call("GET", "/orders", headers=before).status_code == 200

    after = bearer(token(guarded, "orders:read", "--new-key"))

    assert guarded.call("GET", "/orders", headers=after).status_code == 200
    assert guarded.call("GET", "/orders", headers=before).status_code == 200


def test_while_the_issuer_is_away_known_keys_are_as_good_as_ever(guarded: Shop) -> None:
    assert guarded.call("GET", "/orders", headers=bearer(token(guarded))).status_code == 200
    key_set = guarded.data / "issuer" / "jwks.json"
    aside = key_set.with_suffix(".aside")
    shutil.move(key_set, aside)

    try:
        assert guarded.call("GET", KEY_SET_PATH).status_code >= 500
        known = guarded.call("GET", "/orders", headers=bearer(token(guarded)))
        unknown = guarded.call(
            "GET", "/orders", headers=bearer(FORGERIES["of an unknown key"](guarded))
        )
    finally:
        shutil.move(aside, key_set)

    assert known.status_code == 200
    assert unknown.status_code in {401, 503}


def test_private_keys_are_for_their_owner_alone_and_never_published(guarded: Shop) -> None:
    folder = guarded.data / "issuer"

    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert (stat.S_IMODE(folder.stat().st_mode), modes) == (0o700, {0o600})
    published = guarded.call("GET", KEY_SET_PATH).json()["keys"]
    assert published
    assert all(set(key) == {"kty", "crv", "x", "kid", "use"} for key in published)


def test_tokens_are_in_no_log(guarded: Shop) -> None:
    shown = token(guarded, "orders:read", "--subject", "alice")
    assert guarded.call("GET", "/orders", headers=bearer(shown)).status_code == 200

    logs = guarded.data / "logs"
    eventually(lambda: '"caller":"alice"' in (logs / "list-orders.log").read_text())

    said_by_all = "".join(log.read_text(errors="replace") for log in logs.glob("*.log"))
    assert shown not in said_by_all + guarded.printed.read_text()
    assert shown.rpartition(".")[2] not in said_by_all


def test_probes_are_not_reached_through_the_gateway_and_need_no_token(guarded: Shop) -> None:
    port = guarded.component("create-order", "Service")["port"]

    assert httpx.get(f"http://{LOOPBACK}:{port}/readyz").status_code == 200
    assert guarded.call("GET", "/readyz").status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_tokens_a_page_whose_name_leads_here_gets_nothing(shop: Shop, method: str) -> None:
    path, body = ("/orders", None) if method == "GET" else ("/order", {"item": "x", "quantity": 1})
    elsewhere = {"Host": "evil.example", "X-Forwarded-Host": LOOPBACK}

    assert shop.call(method, path, body, elsewhere).status_code == 401
    assert shop.call(method, path, body, {"Host": "localhost"}).status_code in {200, 201}


def test_the_command_says_what_is_wrong(guarded: Shop, tmp_path: Path) -> None:
    no_keys = orderflow("token", "--data", tmp_path, "--scope", "orders:read")
    no_scope = orderflow("token", "--data", guarded.data, "--scope", "orders:reed")

    assert "start it once with `orderflow up --auth`" in said(no_keys)
    assert "there is no scope orders:reed" in said(no_scope)


def test_the_overview_is_for_who_runs_the_shop(guarded: Shop) -> None:
    where = ["--once", "--data", guarded.data]

    without = guarded.call("GET", "/overview")
    reader = guarded.call("GET", "/overview", headers=bearer(token(guarded)))
    operator = guarded.call("GET", "/overview", headers=bearer(token(guarded, "operations")))
    told = [
        orderflow("top", *where, ORDERFLOW_TOKEN=shown)
        for shown in ("", token(guarded), token(guarded, "operations"))
    ]

    assert [a.status_code for a in (without, reader, operator)] == [401, 403, 200]
    assert [done.status for done in told] == [1, 1, 0]
    assert "set ORDERFLOW_TOKEN to a token with the scope operations" in said(told[1])
