"""Dead letters sent again, through everything: what can act then acts once, the rest comes back."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.commands import orderflow
from tests.support.kafka_topics import Record, announcement, produce, records
from tests.support.shop import Shop, reference
from tests.support.waiting import eventually

REDRIVEN_WITHIN_S = 45.0  # the next sweep, and a slow machine

# An order that came some other way, without an announcement: only the redriven event tells of it.
IMPORT = """
  WITH placed AS (
    INSERT INTO orders (
      order_id, idempotency_key, fingerprint, on_shortage, status, traceparent, due_at
    )
    VALUES (:order_id, :order_id, '', 'backorder', 'pending', '', now() + interval '1 day')
    RETURNING position
  ),
  lines AS (
    INSERT INTO order_lines (position, line, item, quantity)
    SELECT position, 1, :item, 1 FROM placed
  )
  INSERT INTO order_history (position, sequence, status, cause)
  SELECT position, 1, 'pending', 'imported' FROM placed
"""

Redrive = Callable[[Shop, Sequence[int]], int]


def told(record: Record) -> dict[str, Any]:
    """The headers of a record; what delivers events writes their time its own way."""
    attributes = record.attributes()
    return attributes | {"ce_time": datetime.fromisoformat(attributes["ce_time"])}


def letters(shop: Shop, **filters: str) -> list[dict[str, Any]]:
    """The first page of the list."""
    answer = shop.call("GET", f"/dead-letters?{urlencode(filters)}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def letter(shop: Shop, letter_id: int) -> dict[str, Any]:
    """Everything about one letter."""
    found: dict[str, Any] = shop.call("GET", f"/dead-letters/{letter_id}").json()
    return found


def failed(shop: Shop, *order_ids: str) -> list[int]:
    """Announce orders that are not there; return the ids of the letters that become of it."""
    produce(shop.servers[1], *map(announcement, order_ids))
    kept = [eventually(partial(letters, shop, order_id=order_id)) for order_id in order_ids]
    return [of_order[0]["id"] for of_order in kept]


def over_http(shop: Shop, ids: Sequence[int]) -> int:
    """Have letters sent again by a call; return the number of the redrive."""
    asked = {"ids": list(ids), "by": "Ada", "rate_per_s": 1000}
    answer = shop.call("POST", "/dead-letters/redrive", asked)
    assert answer.status_code == 202, answer.text
    return int(answer.json()["redrive"])


def by_command(shop: Shop, ids: Sequence[int]) -> int:
    """Have letters sent again by a command; return the number of the redrive."""
    words = ["--rate", "1000", "--data", str(shop.data), "--json"]
    done = orderflow("dead-letters", "redrive", *ids, *words)
    assert done.status == 0, done.stderr
    return int(json.loads(done.stdout)["redrive"])


def record_of(shop: Shop, redrive: int) -> dict[str, Any]:
    """What the record says of a redrive."""
    listed = shop.call("GET", "/dead-letters/redrives").json()
    return next(row for row in listed if row["id"] == redrive)


def became(shop: Shop, redrive: int) -> tuple[int, int, int]:
    """How many letters of a redrive were sent, still wait, and came back."""
    record = record_of(shop, redrive)
    return record["sent"], record["waiting"], record["came_back"]


@pytest.mark.parametrize("redrive", [over_http, by_command], ids=lambda how: how.__name__)
def test_what_can_act_by_then_acts_once_as_the_event_that_it_was(
    shop: Shop, redrive: Redrive
) -> None:
    item, order_id = reference("item"), f"50% grün {reference()}"
    shop.stock(item, 5)
    (letter_id,) = failed(shop, order_id)
    shop.query(IMPORT, order_id=order_id, item=item)

    number = redrive(shop, [letter_id])

    eventually(lambda: shop.status(order_id) == "confirmed", within_s=REDRIVEN_WITHIN_S)
    assert shop.history(order_id) == ["pending", "confirmed"]
    assert shop.shelf(item)["reserved"] == 1
    first, again = records(shop.servers[1], "orders", order_id, 2)
    assert told(again) == told(first)
    assert again.value == first.value
    eventually(lambda: became(shop, number) == (1, 0, 0))
    assert letter(shop, letter_id)["state"] == "redriven"


def test_what_still_fails_comes_back_and_is_counted(shop: Shop) -> None:
    (letter_id,) = failed(shop, reference())
    before = letter(shop, letter_id)

    number = over_http(shop, [letter_id])

    eventually(lambda: became(shop, number) == (1, 0, 1), within_s=REDRIVEN_WITHIN_S)
    after = letter(shop, letter_id)
    assert (before["failures"], after["failures"], after["state"]) == (1, 2, "kept")
    assert after["attributes"] == before["attributes"]
    assert after["data"] == before["data"]
    assert after["first_failed_at"] == before["first_failed_at"] < after["last_failed_at"]
    assert (after["topic"], after["offset"]) != (before["topic"], before["offset"])


# As an event in JSON the value would be read first of all, whatever other headers say.
@pytest.mark.parametrize(
    "headers",
    [(("x", b"1"),), (("content-type", b"application/cloudevents+json"),)],
    ids=["no type", "type of an event"],
)
def test_a_record_that_was_no_event_comes_back_as_the_letter_that_it_was(
    shop: Shop, headers: tuple[tuple[str, bytes], ...]
) -> None:
    key = reference("key")
    produce(shop.servers[1], Record("orders", key.encode(), b"\xff no event", headers))
    sql = "SELECT position FROM dead_letters WHERE attributes ->> 'key' = :key"
    ((letter_id,),) = eventually(lambda: shop.query(sql, key=key))
    before = letter(shop, letter_id)

    number = over_http(shop, [letter_id])

    eventually(lambda: became(shop, number) == (1, 0, 1), within_s=REDRIVEN_WITHIN_S)
    after = letter(shop, letter_id)
    assert shop.query(sql, key=key) == [[letter_id]]
    assert (after["failures"], after["event_id"]) == (2, before["event_id"])
    assert after["attributes"] == before["attributes"]
    assert after["data_base64"] == before["data_base64"]


def test_many_are_found_by_filter_and_each_is_sent_once(shop: Shop) -> None:
    item, order_ids = reference("item"), [reference() for _ in range(30)]
    shop.stock(item, 30)
    kept = failed(shop, *order_ids)
    for order_id in order_ids[:20]:
        shop.query(IMPORT, order_id=order_id, item=item)
    first = min(letter(shop, letter_id)["last_failed_at"] for letter_id in kept)
    since = (datetime.fromisoformat(first) - timedelta(microseconds=1)).isoformat()
    wanted = {"type": "orderflow.order.placed.v1", "error": "invalid-input", "failed_after": since}
    asked = {"filter": wanted, "by": "Ada", "rate_per_s": 20}

    dry = shop.call("POST", "/dead-letters/redrive", asked | {"dry_run": True}).json()
    number = shop.call("POST", "/dead-letters/redrive", asked).json()["redrive"]
    again = shop.call("POST", "/dead-letters/redrive", asked).json()

    assert (dry["matched"], again["matched"]) == (30, 0)
    eventually(lambda: became(shop, number) == (30, 0, 10), within_s=REDRIVEN_WITHIN_S)
    # The ten that cannot act may come back before the last of the others has acted.
    eventually(lambda: {shop.status(order_id) for order_id in order_ids[:20]} == {"confirmed"})
    assert shop.shelf(item)["reserved"] == 20
    assert len(records(shop.servers[1], "orders", order_ids[0], 2)) == 2


def test_none_is_left_out_when_its_sender_is_killed_meanwhile(shop: Shop) -> None:
    kept = failed(shop, *(reference() for _ in range(20)))
    asked = {"ids": kept, "by": "Ada", "rate_per_s": 4}
    number = shop.call("POST", "/dead-letters/redrive", asked).json()["redrive"]
    eventually(lambda: became(shop, number)[0] > 0, within_s=REDRIVEN_WITHIN_S)
    sweep = shop.component("sweep", "Service")["pid"]
    assert sweep is not None

    os.killpg(sweep, signal.SIGKILL)

    eventually(lambda: became(shop, number) == (20, 0, 20), within_s=2 * REDRIVEN_WITHIN_S)
    eventually(shop.is_ready)
    assert {letter(shop, letter_id)["failures"] for letter_id in kept} <= {2, 3}
