"""A token is taken if the issuer signed it for us and it is valid now; no other one is."""

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from orderflow.auth.caller import SCOPES, Caller
from orderflow.auth.key_document import KeyDocumentAwayError
from orderflow.auth.keys import PublishedKeys, SecretKey
from orderflow.auth.tokens import MAX_TOKEN_BYTES, TokenVerifier, scopes_of
from orderflow.errors import KeysAway, Unauthorized
from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    SECRET,
    key_set,
    make_claims,
    make_token,
    private_key,
    public_jwk,
)

DEEP = b'{"a":' + b"[" * 4000
KEYS = [public_jwk(algorithm, algorithm) for algorithm in ("RS256", "ES256", "EdDSA")]


async def published(_: str) -> bytes:
    return key_set(*KEYS)


def verifier(**choices: Any) -> TokenVerifier:
    keys = PublishedKeys("https://issuer.example/keys", get=published)
    return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, **choices)


def shared() -> TokenVerifier:
    return TokenVerifier(SecretKey(SECRET.encode()), issuer=ISSUER, audience=AUDIENCE)


async def refusal(token: str, by: TokenVerifier | None = None) -> str:
    """Why a token is refused."""
    with pytest.raises(Unauthorized) as raised:
        await (by or verifier()).verify(token)
    assert raised.value.status == 401
    return raised.value.detail


def signed(algorithm: str = "EdDSA", **rest: Any) -> str:
    return make_token(algorithm, algorithm, **rest)


def encoded(part: object) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_of_the_issuer_is_its_subjects(algorithm: str) -> None:
    token = signed(algorithm, exp=int(time.time()) + 600)

    found = await verifier().verify(token)

    assert found.caller == Caller("alice", frozenset({"orders:read", "orders:write"}))
    assert found.until_s == pytest.approx(time.time() + 630, abs=2)


async def test_a_token_signed_with_the_shared_secret_is_taken() -> None:
    token = make_token("HS256", key=SECRET)

    assert (await shared().verify(token)).caller.subject == "alice"


@pytest.mark.parametrize("kind", ["JWT", "at+jwt", "AT+JWT", "application/at+jwt", None])
async def test_an_access_token_may_say_so_in_several_ways(kind: str | None) -> None:
    assert (await verifier().verify(signed(header={"typ": kind}))).caller.subject == "alice"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": -31}, "has expired"),
        ({"nbf": +31}, "not valid yet"),
        ({"iat": +40}, "not valid yet"),
        ({"aud": "billing"}, "another audience"),
        ({"aud": ["billing", "orderflow-2"]}, "another audience"),
        ({"iss": "https://issuer.example"}, "another issuer"),
        ({"iss": ["https://issuer.example/"]}, "another issuer"),
        *[({name: ...}, "needs the claims") for name in ("exp", "iss", "aud", "sub")],
        *[({name: None}, "needs the claims") for name in ("exp", "iss", "aud", "sub")],
        ({"sub": 7}, "not valid"),
        ({"sub": ""}, "not valid"),
        ({"sub": "a\nb"}, "not valid"),
        ({"sub": "a\0b"}, "not valid"),
        ({"sub": "a" * 256}, "not valid"),
        ({"exp": "soon"}, "not valid"),
        ({"exp": 10**400}, "not valid"),
        ({"exp": float("inf")}, "not valid"),
        ({"nbf": {}}, "not valid"),
    ],
    ids=str,
)
async def test_a_claim_that_does_not_hold_is_refused(claims: dict[str, Any], reason: str) -> None:
    now = int(time.time())
    dated = {
        name: now + value if abs(value) < 100 else value
        for name, value in claims.items()
        if name in {"exp", "nbf", "iat"} and isinstance(value, int)
    }

    assert reason in await refusal(signed(**(claims | dated)))


@pytest.mark.parametrize("claims", [{"exp": -25}, {"nbf": +25}, {"exp": -25, "nbf": -60}], ids=str)
async def test_clocks_may_differ_by_half_a_minute(claims: dict[str, Any]) -> None:
    now = int(time.time())
    token = signed(**{name: now + value for name, value in claims.items()})

    assert (await verifier().verify(token)).caller.subject == "alice"


async def test_one_audience_of_several_is_enough() -> None:
    token = signed(aud=["billing", AUDIENCE])

    assert (await verifier().verify(token)).caller.subject == "alice"


@pytest.mark.parametrize("name", ["none", "None", "NONE", "", "nOnE"])
async def test_a_token_without_a_signature_is_refused(name: str) -> None:
    header = {"alg": name, "typ": "JWT", "kid": "EdDSA"}
    for signature in ("", encoded(b"x")):
        await refusal(f"{encoded(header)}.{encoded(make_claims())}.{signature}")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_public_key_is_no_secret_to_sign_with(algorithm: str) -> None:
    public = private_key(algorithm, algorithm).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hmac: Any = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    for secret in (pem, pem.strip(), json.dumps(public_jwk(algorithm, algorithm)).encode()):
        head = {"alg": "HS256", "typ": "JWT", "kid": algorithm}
        content = f"{encoded(head)}.{encoded(make_claims())}"
        forged = f"{content}.{encoded(hmac.sign(content.encode(), secret))}"

        await refusal(forged)


async def test_a_secret_takes_no_token_of_another_algorithm() -> None:
    await refusal(signed("RS256"), shared())
    await refusal(make_token("HS512", key=SECRET * 2), shared())
    await refusal(make_token("HS256", key="another secret of thirty-two bytes"), shared())


async def test_a_key_signs_with_its_own_algorithm_only() -> None:
    token = make_token("RS384", "RS256", key=private_key("RS256", "RS256"))

    await refusal(token)


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
async def test_a_token_does_not_bring_its_own_key(member: str) -> None:
    own = private_key("EdDSA", "of an attacker")
    brought = public_jwk("EdDSA", "of an attacker", kid="EdDSA")

    await refusal(make_token("EdDSA", "EdDSA", key=own, header={member: brought}))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "dpop+jwt"},
        {"typ": "logout+jwt"},
        {"typ": "JWE"},
        {"typ": ["JWT"]},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": True},
        {"kid": "unknown"},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
    ],
    ids=str,
)
async def test_a_header_that_says_something_else_is_refused(header: dict[str, Any]) -> None:
    content = signed().split(".")[1]
    head = {"alg": "EdDSA", "typ": "JWT", "kid": "EdDSA"} | header
    signing = f"{encoded(head)}.{content}".encode()
    signature = private_key("EdDSA", "EdDSA").sign(signing)

    await refusal(f"{signing.decode()}.{encoded(signature)}")


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a b.c.d",
        "é.é.é",
        "e30.e30.e30",
        f"{encoded(DEEP)}.e30.e30",
        f"{encoded(b'[]')}.e30.e30",
        f"{encoded(b'7')}.e30.e30",
        "x" * (MAX_TOKEN_BYTES + 1),
    ],
    ids=lambda token: token[:12],
)
async def test_what_is_no_token_is_refused(token: str) -> None:
    await refusal(token)


async def test_a_token_that_is_too_long_is_refused_though_it_is_good() -> None:
    assert "at most" in await refusal(signed(note="x" * MAX_TOKEN_BYTES))


async def test_deep_nesting_in_signed_claims_is_no_fault_of_ours() -> None:
    head = encoded({"alg": "EdDSA", "kid": "EdDSA"})
    signing = f"{head}.{encoded(DEEP)}".encode()
    signature = private_key("EdDSA", "EdDSA").sign(signing)

    await refusal(f"{signing.decode()}.{encoded(signature)}")


@given(at=st.integers(min_value=0), to=st.characters(codec="ascii"))
async def test_no_character_of_a_token_can_be_changed(at: int, to: str) -> None:
    token = signed(exp=4_000_000_000, iat=1)
    place = at % len(token)
    changed = token[:place] + to + token[place + 1 :]

    if changed != token:
        await refusal(changed)


@given(start=st.integers(0, 400), length=st.integers(1, 400))
async def test_no_part_of_a_token_can_be_cut_out_or_doubled(start: int, length: int) -> None:
    token = signed()
    start %= len(token)

    await refusal(token[:start] + token[start + length :])
    await refusal(token[: start + length] + token[start:])


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=100))
@example(b'{"alg":"EdDSA","kid":"EdDSA"}', b"{}", b"")
async def test_whatever_is_not_signed_is_refused(head: bytes, content: bytes, sign: bytes) -> None:
    await refusal(".".join(map(encoded, (head, content, sign))))


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    ),
    name=st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "scope", "scp", "jti"]),
)
async def test_a_strange_claim_of_the_issuer_is_refused_or_harmless(value: Any, name: str) -> None:
    try:
        found = await verifier().verify(signed(**{name: value}))
    except Unauthorized:
        return
    assert found.caller.scopes <= SCOPES
    assert 1 <= len(found.caller.subject) <= 255


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "openid orders:read  profile"}, "orders:read"),
        ({"scp": ["orders:read", "inventory:read"]}, "orders:read inventory:read"),
        ({"scp": "orders:read operations"}, "orders:read operations"),
        ({"permissions": ["orders:all"], "scope": "openid"}, "orders:all"),
        ({"permissions": ["orders:all"], "scope": "orders:read"}, "orders:read"),
        ({"permissions": ["operations"], "scp": ["orders:read"]}, "orders:read"),
        ({"scope": "ORDERS:READ orders:readx orders"}, ""),
        ({"scope": ""}, ""),
        ({"scope": None, "scp": {"orders:read": 1}, "permissions": [["orders:read"]]}, ""),
        ({}, "inventory:read"),
    ],
    ids=str,
)
def test_scopes_are_where_issuers_put_them(claims: dict[str, Any], scopes: str) -> None:
    assert scopes_of(claims, frozenset({"inventory:read"})) == set(scopes.split())


async def test_only_those_who_are_expected_are_taken_if_it_is_said_who() -> None:
    expecting = verifier(subjects=["bob", "carol"])

    assert "not expected" in await refusal(signed(), expecting)
    assert (await expecting.verify(signed(sub="bob"))).caller.subject == "bob"


async def test_without_the_issuers_keys_nothing_can_be_said() -> None:
    async def away(_: str) -> bytes:
        raise KeyDocumentAwayError("connection refused")

    keys = PublishedKeys("https://issuer.example/keys", get=away)

    with pytest.raises(KeysAway):
        await TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE).verify(signed())
