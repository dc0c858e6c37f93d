"""An event that someone else than the sources posts is refused, and nothing comes of it."""

from pathlib import Path

import httpx
import jwt
import pytest

from knative_local.ports import LOOPBACK
from orderflow_cli.development_tokens import AUDIENCE, ISSUER, SENDER
from tests.support.function_calls import ce_headers
from tests.support.issuer import make_claims
from tests.support.shop import Shop, reference
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.any_broker

SECRET = "a secret that the attacker has made up"
CLAIMS = make_claims(iss=ISSUER, aud=AUDIENCE, sub=SENDER)
FORGED = {
    "none": {},
    "made up": {"Authorization": f"Bearer {jwt.encode(CLAIMS, SECRET, 'HS256')}"},
    "unsigned": {"Authorization": f"Bearer {jwt.encode(CLAIMS, '', 'none')}x"},
    "basic": {"Authorization": "Basic YTpi"},
}
TYPES = {
    "process-order": "orderflow.order.placed.v1",
    "apply-inventory": "orderflow.inventory.changed.v1",
    "keep-dead-letter": "orderflow.order.shipped.v1",
    "sweep": "dev.knative.sources.ping",
}
COUNTS = """SELECT (SELECT count(*) FROM dead_letters), (SELECT count(*) FROM attempts),
  (SELECT count(*) FROM stock), (SELECT count(*) FROM order_history)"""


@pytest.mark.parametrize("function", TYPES)
def test_an_event_without_the_token_of_the_sources_changes_nothing(
    shop: Shop, function: str
) -> None:
    url = f"http://{LOOPBACK}:{shop.component(function, 'Service')['port']}/"
    data = {"order_id": reference("forged"), "item": reference("forged")}
    shop.proof([])  # waits until what other tests placed is decided
    before = shop.query(COUNTS)

    answers = [
        httpx.post(url, json=data, headers=ce_headers(TYPES[function]) | shown, timeout=DEADLINE_S)
        for shown in FORGED.values()
    ]

    assert [answer.status_code for answer in answers] == [401] * len(FORGED)
    assert shop.query(COUNTS) == before


def test_the_token_of_the_sources_is_shown_nowhere(shop: Shop) -> None:
    token = shop.sender_token()
    commands = [c["pid"] for c in shop.components() if c["pid"]]
    lines = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in commands)
    logs = "".join(log.read_text(errors="replace") for log in (shop.data / "logs").glob("*.log"))

    assert token.encode() not in lines
    assert token not in logs + shop.printed.read_text()
    assert token not in (shop.data / "runtime.json").read_text()
