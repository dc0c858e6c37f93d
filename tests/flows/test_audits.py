"""The audit by HTTP, by command and by client, through the gateway, on a shop at work."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from orderflow.audit.checks import LOCK_AUDIT
from orderflow.database.connection import Connection
from orderflow_client import OrderFlow, Problem
from tests.support.commands import orderflow
from tests.support.shop import Shop, reference
from tests.support.waiting import eventually

pytestmark = pytest.mark.any_broker


def audits(shop: Shop) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.call("GET", "/audits").json()
    return found


def auditing(shop: Shop) -> bool:
    """Whether a statement of an audit runs."""
    sql = """SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%looked_at%'
      AND datname = current_database() AND pid <> pg_backend_pid()"""
    return shop.query(sql) != []


def test_an_audit_of_a_shop_at_work_is_run_and_found_again(shop: Shop) -> None:
    shop.placed("backordered", item=reference("item"), quantity=1)

    made = shop.call("POST", "/audits", {})

    assert made.status_code == 201, made.text
    assert made.json()["passed"]
    assert shop.call("GET", made.headers["location"]).json() == made.json()
    assert audits(shop)[0]["audit_id"] == made.json()["audit_id"]
    last = eventually(lambda: shop.call("GET", "/overview").json()["last_audit"])
    assert last["passed"]


def test_what_the_command_finds_is_kept_under_whoever_asked(shop: Shop) -> None:
    by_nobody = json.loads(orderflow("audit", "--data", shop.data, "--json").stdout)
    by_night = orderflow("audit", "--data", shop.data, "--by", "schedule")

    night, nobody = audits(shop)[:2]
    assert (night["asked_by"], nobody["asked_by"]) == ("schedule", "command line")
    assert nobody["audit_id"] == by_nobody["audit_id"]
    assert f"kept as audit {night['audit_id']}" in by_night.stdout


def test_the_client_has_the_audit_run(shop: Shop) -> None:
    with OrderFlow(shop.url) as client:
        made = client.run_audit()

        assert client.audit(made["audit_id"]) == made
        assert next(client.audits())["audit_id"] == made["audit_id"]
        with pytest.raises(Problem, match="there is no audit"):
            client.audit(10**15)


def test_while_one_runs_another_is_refused_and_it_ends_with_its_caller(shop: Shop) -> None:
    before = audits(shop)

    def leave_early() -> None:
        with httpx.Client(base_url=shop.url, timeout=2) as caller, pytest.raises(httpx.ReadTimeout):
            caller.post("/audits", json={})

    with closing(Connection(shop.servers[0])) as other, other.transaction():
        other.script("LOCK TABLE order_lines IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(1) as callers:
            left = callers.submit(leave_early)
            assert eventually(lambda: auditing(shop), within_s=2)
            refused = shop.call("POST", "/audits", {})
            left.result()

        # Left alone, it would wait for the lock for 5 s.
        assert eventually(lambda: not auditing(shop), within_s=2.5)
    assert (refused.status_code, refused.headers["retry-after"]) == (409, "10")
    assert audits(shop) == before


def test_the_command_is_refused_while_another_process_audits(shop: Shop) -> None:
    with closing(Connection(shop.servers[0])) as other, other.transaction():
        assert other.run(LOCK_AUDIT) == [[True]]

        refused = orderflow("audit", "--data", shop.data)

    assert refused.status == 1
    assert refused.stderr.endswith("orderflow: another audit is under way; wait for its outcome\n")
