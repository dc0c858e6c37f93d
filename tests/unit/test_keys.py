"""An issuer's keys are fetched when they are needed, and no oftener than that."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.auth import key_document
from orderflow.auth.key_document import MAX_BYTES, KeyDocumentAwayError, get_document
from orderflow.auth.keys import (
    FETCH_EVERY_S,
    FETCHES_AT_ONCE,
    REFRESH_AFTER_S,
    PublishedKeys,
    usable_keys,
)
from orderflow.errors import KeysAway
from tests.support.issuer import KeyServer, key_server, key_set, make_certificate, public_jwk

ONE, TWO = public_jwk("EdDSA", "one"), public_jwk("ES256", "two")


class Clock:
    """A clock that a test moves."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with key_server() as running:
        yield running


def keys_of(server: KeyServer, clock: Clock | None = None) -> PublishedKeys:
    return PublishedKeys(server.url, clock=clock or Clock())


async def settled(keys: PublishedKeys, version: int) -> None:
    """Wait until a fetch in the background has changed the keys."""
    async with asyncio.timeout(10):
        while keys.version < version:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_all_who_wait_for_a_key_share_one_fetch(server: KeyServer) -> None:
    server.delay_s, keys = 0.2, keys_of(server)

    found = await asyncio.gather(*(keys.find("one") for _ in range(100)))

    assert all(key is not None for key in found)
    assert server.asked == 1


async def test_who_gives_up_waiting_does_not_end_the_fetch_of_the_others(server: KeyServer) -> None:
    server.delay_s, keys = 0.2, keys_of(server)
    first, second = (asyncio.create_task(keys.find("one")) for _ in range(2))
    await asyncio.sleep(0.05)

    first.cancel()

    assert await second is not None
    assert server.asked == 1


async def test_a_known_key_is_not_asked_for_again(server: KeyServer) -> None:
    keys = keys_of(server)

    for _ in range(10):
        keys.refresh_if_due()
        assert await keys.find("one") is not None

    assert server.asked == 1


async def test_a_new_key_is_found_at_once(server: KeyServer) -> None:
    keys = keys_of(server)
    await keys.find("one")

    server.document = key_set(ONE, TWO)

    assert await keys.find("two") is not None


async def test_made_up_key_ids_do_not_have_the_issuer_asked_without_end(server: KeyServer) -> None:
    clock = Clock()
    keys = keys_of(server, clock)
    for number in range(200):
        assert await keys.find(f"made up {number}") is None
    assert server.asked == FETCHES_AT_ONCE

    clock.now_s += FETCH_EVERY_S
    for number in range(200):
        assert await keys.find(f"made up {number}") is None

    assert server.asked == FETCHES_AT_ONCE + 1
    assert await keys.find("one") is not None


@pytest.mark.parametrize("key_id", [None, 1, [], {"a": 1}, ""])
async def test_what_is_no_key_id_finds_nothing(server: KeyServer, key_id: object) -> None:
    assert await keys_of(server).find(key_id) is None


async def test_a_withdrawn_key_is_gone_after_the_next_refresh(server: KeyServer) -> None:
    clock = Clock()
    keys = keys_of(server, clock)
    assert await keys.find("one") is not None
    server.document = key_set(TWO)

    clock.now_s += REFRESH_AFTER_S
    keys.refresh_if_due()
    await settled(keys, 2)

    assert await keys.find("one") is None
    assert await keys.find("two") is not None


async def test_known_keys_stay_while_the_issuer_is_away(server: KeyServer) -> None:
    clock = Clock()
    keys = keys_of(server, clock)
    await keys.find("one")
    server.status = 500

    for _ in range(5):
        clock.now_s += REFRESH_AFTER_S
        keys.refresh_if_due()
        with pytest.raises(KeysAway):
            await keys.find("two")
        assert await keys.find("one") is not None

    server.status, server.document = 200, key_set(TWO)
    clock.now_s += FETCH_EVERY_S
    assert await keys.find("two") is not None


async def test_an_issuer_that_is_away_is_not_asked_by_every_caller(server: KeyServer) -> None:
    server.status, keys = 503, keys_of(server)

    for _ in range(50):
        with pytest.raises(KeysAway):
            await keys.find("one")

    assert server.asked == FETCHES_AT_ONCE


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"[]", b"7", b'{"keys": 1}', b"{}", b"\xff", b"[" * 100_000],
    ids=lambda document: str(document[:12]),
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(KeyDocumentAwayError):
        usable_keys(document)


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "RS256"},
        public_jwk("RS256", "one", use="enc"),
        public_jwk("RS256", "one", alg="HS256"),
        public_jwk("RS256", "one", alg="none"),
        public_jwk("RS256", "one", alg="ES256"),
        public_jwk("RS256", "one", alg="RS1"),
        public_jwk("RS256", "one", kty="EC"),
        public_jwk("RS256", "one", n="AQAB"),
        public_jwk("ES256", "one", crv="P-999"),
        public_jwk("ES256", "one", x="AQAB"),
        public_jwk("EdDSA", "one", crv="X25519"),
        public_jwk("RS256", "one", kid=None),
        public_jwk("RS256", "one", kid=["one"]),
        {},
        [],
        None,
        "one",
    ],
)
def test_a_key_that_must_not_sign_tokens_is_passed_over(jwk: object) -> None:
    assert list(usable_keys(key_set(jwk, TWO))) == ["two"]  # type: ignore[arg-type]


@given(
    jwk=st.sampled_from([ONE, TWO, public_jwk("RS256", "three")]),
    member=st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "kid", "alg", "use", "key_ops"]),
    value=st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text()),
)
def test_whatever_an_issuer_publishes_the_other_keys_are_found(
    jwk: dict[str, Any], member: str, value: Any
) -> None:
    other = public_jwk("EdDSA", "other")

    found = usable_keys(key_set({**jwk, member: value}, other))

    assert "other" in found


@pytest.mark.parametrize("status", [204, 301, 302, 307, 404, 500])
async def test_only_200_is_an_answer_and_no_redirect_is_followed(
    server: KeyServer, status: int
) -> None:
    server.status, server.headers = status, {"Location": server.url}

    with pytest.raises(KeyDocumentAwayError, match=f"the answer is {status}"):
        await get_document(server.url)

    assert server.asked == 1


async def test_a_document_that_is_too_long_is_not_read_to_its_end(server: KeyServer) -> None:
    server.document = b" " * (MAX_BYTES + 1)

    with pytest.raises(KeyDocumentAwayError, match="more than"):
        await get_document(server.url)


async def test_an_issuer_that_does_not_answer_is_waited_for_so_long(server: KeyServer) -> None:
    server.delay_s = 0.5

    with pytest.raises(KeyDocumentAwayError, match="within"):
        await get_document(server.url, within_s=0.1)


async def test_an_issuer_that_nobody_reaches_is_away() -> None:
    with pytest.raises(KeyDocumentAwayError, match="refused"):
        await get_document("http://127.0.0.1:9/keys")


async def test_a_server_that_no_authority_vouches_for_is_not_believed(tmp_path: Path) -> None:
    with key_server(make_certificate(tmp_path / "server.pem")) as server:
        with pytest.raises(KeyDocumentAwayError, match="CERTIFICATE_VERIFY_FAILED"):
            await get_document(server.url)

        assert server.asked == 0


async def test_kubernetes_is_asked_as_the_pod_and_believed_by_its_own_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path / "server.pem")
    (tmp_path / "ca.crt").write_bytes(certificate.read_bytes())
    (tmp_path / "token").write_text("of-the-pod\n")
    monkeypatch.setattr(key_document, "CLUSTER_HOST", "localhost")
    monkeypatch.setattr(key_document, "CLUSTER_ACCOUNT", tmp_path)

    with key_server(certificate) as server:
        document = await get_document(server.url)

    assert (document, server.shown) == (server.document, "Bearer of-the-pod")


async def test_nobody_else_is_shown_the_token_of_the_pod(
    server: KeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("of-the-pod")
    monkeypatch.setattr(key_document, "CLUSTER_ACCOUNT", tmp_path)

    await get_document(server.url)

    assert server.shown == ""


async def test_while_keys_are_fetched_the_event_loop_goes_on(server: KeyServer) -> None:
    server.delay_s, turns = 0.3, 0
    fetching = asyncio.create_task(get_document(server.url))

    while not fetching.done():
        await asyncio.sleep(0.005)
        turns += 1

    assert await fetching
    assert turns > 10
