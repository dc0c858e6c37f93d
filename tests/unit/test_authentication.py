"""Who makes a request: by its token, remembered until it expires, or anyone on this machine."""

import time
from typing import Any

import pytest
from starlette.requests import Request

from orderflow.auth.authentication import (
    Authentication,
    BearerTokens,
    authentication,
    bearer_token,
)
from orderflow.auth.caller import LOCAL
from orderflow.auth.keys import PublishedKeys
from orderflow.auth.loopback import is_loopback
from orderflow.auth.tokens import TokenVerifier, Verified
from orderflow.errors import BadRequest, ConfigurationError, Unauthorized
from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    SECRET,
    key_set,
    make_token,
    public_jwk,
)

NAMES = ("AUTH", "JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS_URL", "JWT_SECRET")


def request(
    *authorization: str, server: str = "127.0.0.1", hosts: tuple[tuple[str, str], ...] = ()
) -> Request:
    headers = [(b"authorization", value.encode()) for value in authorization]
    headers += [(name.encode(), value.encode()) for name, value in hosts]
    return Request({"type": "http", "headers": headers, "server": (server, 8080)})


def bearer(token: str) -> Request:
    return request(f"Bearer {token}")


class CountingVerifier(TokenVerifier):
    """Counts the tokens that it verifies, and publishes the keys that it is told."""

    def __init__(self) -> None:
        self.verified, self.published = 0, [public_jwk("EdDSA", "one")]
        keys = PublishedKeys("https://issuer.example/keys", get=self._get, clock=self._clock)
        super().__init__(keys, issuer=ISSUER, audience=AUDIENCE)
        self.now_s = 0.0

    async def _get(self, _: str) -> bytes:
        return key_set(*self.published)

    def _clock(self) -> float:
        return getattr(self, "now_s", 0.0)

    async def verify(self, token: str) -> Verified:
        self.verified += 1
        return await super().verify(token)


@pytest.fixture
def verifier() -> CountingVerifier:
    return CountingVerifier()


async def test_a_token_is_verified_once(verifier: CountingVerifier) -> None:
    tokens, token = BearerTokens(verifier), make_token()

    callers = {await tokens(bearer(token)) for _ in range(5)}

    assert {caller.subject for caller in callers} == {"alice"}
    assert verifier.verified == 1


async def test_a_remembered_token_expires_like_any_other(verifier: CountingVerifier) -> None:
    now = int(time.time())
    later = [float(now)]
    tokens, token = BearerTokens(verifier, clock=lambda: later[0]), make_token(exp=now - 28)
    await tokens(bearer(token))

    later[0] += 600
    await tokens(bearer(token))  # looked at anew, and still good by the real clock

    assert verifier.verified == 2


async def test_a_bad_token_is_not_remembered_and_makes_none_be_forgotten(
    verifier: CountingVerifier,
) -> None:
    tokens, good = BearerTokens(verifier, max_remembered=2), make_token()
    await tokens(bearer(good))

    for number in range(5):
        with pytest.raises(Unauthorized):
            await tokens(bearer(make_token(aud=f"another-{number}")))
    await tokens(bearer(good))

    assert verifier.verified == 6


async def test_the_one_not_seen_for_longest_is_forgotten(verifier: CountingVerifier) -> None:
    tokens = BearerTokens(verifier, max_remembered=2)
    first, second, third = (make_token(sub=name) for name in ("first", "second", "third"))
    for token in (first, second, first, third):
        await tokens(bearer(token))
    assert verifier.verified == 3

    await tokens(bearer(first))
    assert verifier.verified == 3
    await tokens(bearer(second))
    assert verifier.verified == 4


async def test_a_token_of_a_withdrawn_key_is_forgotten_with_it(verifier: CountingVerifier) -> None:
    tokens, token = BearerTokens(verifier), make_token()
    await tokens(bearer(token))
    verifier.published, verifier.now_s = [public_jwk("EdDSA", "two")], 10_000.0
    await tokens(bearer(token))  # has the keys looked for in the background
    await tokens(bearer(make_token(key_id="two")))

    with pytest.raises(Unauthorized, match="unknown key"):
        await tokens(bearer(token))


@pytest.mark.parametrize("given", [(), ("Basic YTpi",), ("",), ("Token abc",), ("Bearer",)])
def test_who_shows_no_token_is_told_what_to_show(given: tuple[str, ...]) -> None:
    if given == ("Bearer",):
        assert bearer_token(request(*given)) == ""
        return
    with pytest.raises(Unauthorized) as raised:
        bearer_token(request(*given))

    assert raised.value.headers["WWW-Authenticate"] == 'Bearer realm="orderflow"'


def test_two_headers_are_one_too_many() -> None:
    with pytest.raises(BadRequest):
        bearer_token(request("Bearer a", "Bearer b"))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_of_any_case(scheme: str) -> None:
    assert bearer_token(request(f"{scheme} abc")) == "abc"


async def test_a_refused_token_is_told_why_in_words_of_ours(verifier: CountingVerifier) -> None:
    with pytest.raises(Unauthorized) as raised:
        await BearerTokens(verifier)(bearer(make_token(aud='x", error="none')))

    assert raised.value.headers["WWW-Authenticate"] == (
        'Bearer realm="orderflow", error="invalid_token", '
        'error_description="the token is for another audience"'
    )


# What the settings say.


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(f"ORDERFLOW_{name}", raising=False)
        monkeypatch.delenv(f"ORDERFLOW_EVENTS_{name}", raising=False)
    for name in ("HOST", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def told(monkeypatch: pytest.MonkeyPatch, prefix: str = "ORDERFLOW_", **named: str) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name if name.isupper() and name == "HOST" else prefix + name, value)


def by_secret(**overrides: str) -> dict[str, str]:
    given = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_SECRET": SECRET}
    return given | overrides


def configured(**choices: Any) -> Authentication:
    return authentication("ORDERFLOW_", **choices)


def test_without_settings_one_line_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError) as raised:
        configured()

    for name in ("JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS_URL", "AUTH=off"):
        assert f"ORDERFLOW_{name}" in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_a_secret_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, **by_secret())

    caller = await configured()(bearer(make_token("HS256", key=SECRET)))

    assert caller.subject == "alice"


async def test_events_have_settings_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, "ORDERFLOW_EVENTS_", **by_secret())

    caller = await authentication("ORDERFLOW_EVENTS_")(bearer(make_token("HS256", key=SECRET)))

    assert caller.subject == "alice"
    with pytest.raises(ConfigurationError):
        configured()


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"JWT_SECRET": ""}, "JWT_JWKS_URL"),
        ({"JWT_SECRET": "of less than thirty-two bytes"}, "JWT_SECRET"),
        ({"JWT_JWKS_URL": "https://issuer.example/keys"}, "JWT_JWKS_URL"),
        ({"JWT_SECRET": "", "JWT_JWKS_URL": "http://issuer.example/keys"}, "JWT_JWKS_URL"),
        ({"JWT_SECRET": "", "JWT_JWKS_URL": "file:///etc/passwd"}, "JWT_JWKS_URL"),
        ({"JWT_SECRET": "", "JWT_JWKS_URL": "https:///keys"}, "JWT_JWKS_URL"),
        ({"JWT_ISSUER": ""}, "JWT_ISSUER"),
        ({"AUTH": "yes"}, "AUTH"),
        ({"AUTH": "network"}, "AUTH"),
        ({"AUTH": "off"}, "AUTH"),
        ({"JWT_DEFAULT_SCOPES": "orders:reed"}, "JWT_DEFAULT_SCOPES"),
    ],
    ids=str,
)
def test_a_wrong_setting_names_itself_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, overrides: dict[str, str], named: str
) -> None:
    told(monkeypatch, **by_secret(**overrides))

    with pytest.raises(ConfigurationError) as raised:
        configured()

    assert f"ORDERFLOW_{named}" in str(raised.value)
    assert "thirty-two" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example/keys",
        "http://127.0.0.1:8080/keys",
        "http://[::1]/keys",
        "http://keycloak.auth.svc.cluster.local:8080/keys",
    ],
)
def test_keys_come_by_https_or_from_nearby(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    told(monkeypatch, **by_secret(JWT_SECRET="", JWT_JWKS_URL=url))

    assert isinstance(configured(), BearerTokens)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
async def test_off_takes_every_call_within_this_machine(
    monkeypatch: pytest.MonkeyPatch, host: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    told(monkeypatch, AUTH="off", HOST=host)

    assert await configured()(request()) is LOCAL


@pytest.mark.parametrize("host", [None, "0.0.0.0", "::", "10.0.0.7", "example.com", ""])
def test_off_is_refused_where_others_can_call(
    monkeypatch: pytest.MonkeyPatch, host: str | None
) -> None:
    told(monkeypatch, AUTH="off", **({} if host is None else {"HOST": host}))

    with pytest.raises(ConfigurationError, match=r"ORDERFLOW_AUTH=off is only for HOST=127\.0"):
        configured()


def test_off_is_refused_in_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, AUTH="off", HOST="127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")

    with pytest.raises(ConfigurationError, match="not for a cluster"):
        configured()


async def test_off_refuses_a_call_that_comes_to_another_address_after_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told(monkeypatch, AUTH="off", HOST="127.0.0.1")  # and --host 0.0.0.0 on the command line

    with pytest.raises(ConfigurationError, match="loopback"):
        await configured()(request(server="10.0.0.7"))


@pytest.mark.parametrize(
    "hosts",
    [
        (("host", "evil.example"),),
        (("host", "evil.example:8080"),),
        (("host", "127.0.0.1.evil.example"),),
        (("host", "localhost.evil.example"),),
        (("host", "localhost@evil.example"),),
        (("host", "localhost:80@evil.example"),),
        (("host", "evil.example"), ("x-forwarded-host", "127.0.0.1")),
        (("host", "127.0.0.1"), ("x-forwarded-host", "evil.example")),
        (("host", "127.0.0.1"), ("host", "evil.example")),
        (("host", ""),),
        (("host", "[::1"),),
    ],
    ids=str,
)
async def test_off_refuses_a_page_of_elsewhere_whose_name_leads_here(
    monkeypatch: pytest.MonkeyPatch, hosts: tuple[tuple[str, str], ...]
) -> None:
    told(monkeypatch, AUTH="off", HOST="127.0.0.1")

    with pytest.raises(Unauthorized):
        await configured()(request(hosts=hosts))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:80", "[::1]:8080", "[::1]"]
)
async def test_off_answers_to_the_names_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    told(monkeypatch, AUTH="off", HOST="127.0.0.1")

    assert await configured()(request(hosts=(("host", host),))) is LOCAL


async def test_events_may_be_left_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, AUTH="network")

    assert await configured(of_events=True)(request(server="10.0.0.7")) is LOCAL


@pytest.mark.parametrize("host", ["", "localhost.example.com", "127.0.0.1.example.com", "127"])
def test_a_name_that_only_looks_like_loopback_is_none(host: str) -> None:
    assert not is_loopback(host)
