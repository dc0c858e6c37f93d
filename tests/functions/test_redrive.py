"""GET /dead-letters and what is asked of them: every letter is found, and sent once when asked."""

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pg8000 import native
from pg8000.native import to_statement

from orderflow.database.connection import Connection
from orderflow.database.migrate import migrate
from orderflow.dead_letters import lists as dead_letters
from orderflow.dead_letters import redrives, resending
from orderflow.dead_letters.resending import send_due, send_due_once
from orderflow.dead_letters.selections import DiscardLetters, LetterFilter, RedriveLetters
from orderflow.errors import Conflict, NotFound
from orderflow.retention import purging
from tests.functions.test_list_orders import rows_read, scans
from tests.support.dead_letters import (
    LETTER,
    ask,
    connections,
    get,
    ids_of,
    keep,
    keep_many,
    make_letter,
    record_of,
    state_of,
)
from tests.support.function_calls import ce_headers, client_of, reference

MANY = 30_000
PATIENCE_S = 100  # with so many at once, on a machine that does other things too


async def pages(between: Callable[[], None] = lambda: None, **query: Any) -> list[int]:
    """Follow the links to the last page; return all ids. `between` is called after each page."""
    response = await get(**query)
    found = ids_of(response)
    while link := response.links.get("next", {}).get("url"):
        between()
        response = await client_of("redrive").get(link)
        found += ids_of(response)
    return found


# The list


async def test_the_list_shows_what_is_kept_and_failed_last_first(database: Connection) -> None:
    of_type = reference("type")
    old, new = (datetime.now(UTC) - timedelta(minutes=n) for n in (2, 1))
    later = make_letter(type=of_type, order_id="o 1", item="i 1", failed_at=new.isoformat())
    earlier = make_letter(type=of_type, failed_at=old.isoformat())
    settled = make_letter(type=of_type, state="redriven")
    first, second, _ = keep(database, later, earlier, settled)

    letters = (await get(type=of_type)).json()

    assert [letter["id"] for letter in letters] == [first, second]
    assert letters[0] == {
        "id": first,
        "state": "kept",
        "event_id": later["event_id"],
        "type": of_type,
        "order_id": "o 1",
        "item": "i 1",
        "topic": "orders",
        "partition": 0,
        "offset": 7,
        "sendable": True,
        "consumer": "process-order",
        "destination": LETTER["destination"],
        "error_code": 422,
        "error": "invalid-input",
        "detail": "there is no such order",
        "failures": 1,
        "first_failed_at": letters[0]["last_failed_at"],
        "last_failed_at": letters[0]["last_failed_at"],
    }
    assert datetime.fromisoformat(letters[0]["last_failed_at"]) == new


async def test_filters_alone_and_together_find_what_they_say(database: Connection) -> None:
    a, b, order, item = (reference(what) for what in ("type", "type", "order", "item"))
    at = [datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=n) for n in range(5)]
    ids = keep(
        database,
        make_letter(type=a, order_id=order, failed_at=at[0].isoformat()),
        make_letter(type=a, item=item, failed_at=at[1].isoformat()),
        make_letter(type=b, order_id=order, error_type="given-up", failed_at=at[2].isoformat()),
        make_letter(type=b, item=item, error_type=None, failed_at=at[3].isoformat()),
        make_letter(type=b, error_type=None, error_code=None, failed_at=at[4].isoformat()),
        make_letter(type=b, order_id=order, item=item, state="discarded"),
    )

    async def found(**query: Any) -> list[int]:
        return [ids.index(letter_id) for letter_id in ids_of(await get(**query))]

    assert await found(type=a) == [1, 0]
    assert await found(order_id=order) == [2, 0]
    assert await found(item=item) == [3, 1]
    assert await found(type=b, error="given-up") == [2]
    assert await found(type=b, error="422") == [3]
    assert await found(type=b, error="no-answer") == [4]
    assert await found(type=b, state="discarded") == [5]
    assert await found(order_id=order, item=item, state="discarded") == [5]
    assert await found(order_id=order, type=a) == [0]
    assert await found(item=item, type=b) == [3]
    assert await found(order_id=order, error="given-up", type=a) == []
    assert await found(type=b, failed_after=at[2].isoformat()) == [4, 3]
    assert await found(type=b, failed_before=at[3].isoformat()) == [2]
    window = {"failed_after": at[0].isoformat(), "failed_before": at[4].isoformat()}
    assert await found(**window) == [3, 2, 1]


async def test_pages_hold_every_letter_once_while_others_come_and_fail_again(
    database: Connection,
) -> None:
    of_type, kept = keep_many(database, 31)
    listed_by_then = kept[-1]
    again = "UPDATE dead_letters SET failures = 2, last_failed_at = now() WHERE position = :id"

    def come() -> None:
        keep(database, make_letter(type=of_type))
        database.run(again, id=listed_by_then)

    found = await pages(come, type=of_type, limit=4)

    assert found == kept[::-1]


async def test_letters_that_failed_at_one_instant_have_pages_too(database: Connection) -> None:
    of_type, kept = keep_many(database, 9, failed_at=datetime.now(UTC).isoformat())

    assert await pages(type=of_type, limit=2) == kept[::-1]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "7",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00 1",
        "2026-13-01T00:00:00+00:00 1",
        "2026-01-01T00:00:00+00:00 9999999999999999999",
        "infinity 1",
        "é 1",
    ],
)
async def test_a_bad_cursor_is_refused(cursor: str) -> None:
    response = await get(after=base64.urlsafe_b64encode(cursor.encode()).decode())

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "after"


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"state": "lost"},
        {"type": ""},
        {"order_id": "x" * 257},
        {"error": "a\0b"},
        {"failed_after": "yesterday"},
        {"failed_before": "2026-01-01T00:00:00"},
        {"colour": "red"},
    ],
    ids=str,
)
async def test_a_wrong_parameter_names_itself(query: dict[str, Any]) -> None:
    response = await get(**query)

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == next(iter(query))


# One letter


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b'{"order_id": "x"}', {"data": {"order_id": "x"}}),
        (b"null", {"data": None}),
        (b'{"order_id": ', {"data": '{"order_id": '}),
        ("grüß".encode(), {"data": "grüß"}),
        (b"", {"data": ""}),
        (b"\xff\x00", {"data_base64": "/wA="}),
    ],
    ids=repr,
)
async def test_a_letter_shows_its_data_as_readably_as_can_be(
    database: Connection, data: bytes, shown: dict[str, Any]
) -> None:
    made = make_letter(data)
    (letter_id,) = keep(database, made)

    letter = (await get(f"/dead-letters/{letter_id}")).json()

    assert {name: letter.get(name) for name in shown} == shown
    assert letter.keys() >= {"failures", "first_failed_at", "last_failed_at", "detail"}
    assert (letter["attributes"], letter["data_bytes"]) == (made["attributes"], len(data))
    assert letter["redrives"] == []


async def test_a_letter_shows_what_became_of_its_redrives(database: Connection) -> None:
    (letter_id,) = keep(database, make_letter())
    redrive = (await ask(ids=[letter_id])).json()["redrive"]
    await send_due_once()
    discard = (await ask("discard", ids=[letter_id], by="Grace")).json()["redrive"]

    shown = (await get(f"/dead-letters/{letter_id}")).json()["redrives"]

    assert [(row["redrive"], row["action"], row["by"]) for row in shown] == [
        (discard, "discard", "Grace"),
        (redrive, "redrive", "Ada"),
    ]
    assert shown[1]["acknowledged_at"] >= shown[1]["sent_at"]
    assert shown[1]["came_back_at"] is None


@pytest.mark.parametrize("path", ["/dead-letters/0", "/dead-letters/x", "/dead-letters/1/2"])
async def test_an_unknown_letter_is_not_found(path: str) -> None:
    assert (await get(path)).status_code == 404


@pytest.mark.parametrize("number", ["9" * 30, "-1", "%C2%B2"])
async def test_an_id_that_no_letter_can_have_is_not_found(number: str) -> None:
    assert (await get(f"/dead-letters/{number}")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/dead-letters/redrive", "POST"),
        ("GET", "/dead-letters/discard", "POST"),
        ("POST", "/dead-letters", "GET, HEAD"),
        ("POST", "/dead-letters/7", "GET, HEAD"),
        ("DELETE", "/dead-letters/7", "GET, HEAD, POST"),
    ],
)
async def test_another_method_is_not_allowed(method: str, path: str, allowed: str) -> None:
    response = await client_of("redrive").request(method, path)

    assert (response.status_code, response.headers["allow"]) == (405, allowed)


# Asking for a redrive


async def test_letters_named_by_id_are_scheduled_and_sent(database: Connection) -> None:
    _, (first, second, other) = keep_many(database, 3)

    answer = await ask(ids=[first, second, first])
    waiting = state_of(database, first)
    await send_due()

    body = answer.json()
    assert answer.status_code == 202
    assert body | {"matched": 2, "skipped": 0, "cannot_be_sent": 0, "more": False} == body
    assert waiting == "redriving"
    assert [state_of(database, letter) for letter in (first, second, other)] == [
        "redriven",
        "redriven",
        "kept",
    ]


async def test_a_filter_chooses_what_the_list_shows(database: Connection) -> None:
    of_type, kept = keep_many(database, 4)
    query: dict[str, Any] = {"type": of_type, "error": "invalid-input"}
    others = keep(database, make_letter(type=of_type, error_type="given-up"))
    listed = ids_of(await get(**query))

    answer = (await ask(filter=query)).json()

    assert (answer["matched"], answer["more"]) == (4, False)
    assert sorted(listed) == kept
    assert {state_of(database, letter) for letter in kept} == {"redriving"}
    assert state_of(database, others[0]) == "kept"


async def test_what_was_redriven_is_chosen_when_asked_for(database: Connection) -> None:
    of_type, (letter,) = keep_many(database, 1, state="redriven")

    default = (await ask(filter={"type": of_type})).json()
    asked = (await ask(filter={"type": of_type, "state": "redriven"})).json()

    assert (default["matched"], asked["matched"]) == (0, 1)
    assert state_of(database, letter) == "redriving"


async def test_the_rate_spreads_the_letters_from_the_oldest_on(database: Connection) -> None:
    _, kept = keep_many(database, 5)

    answer = (await ask(ids=kept[::-1], rate_per_s=4)).json()

    sql = """SELECT letter, extract(epoch FROM send_at - asked_at)::float
      FROM redriven_letters JOIN redrives ON redrives.position = redrive
      WHERE redrive = :id ORDER BY send_at"""
    rows = database.run(sql, id=answer["redrive"])
    assert [letter for letter, _ in rows] == kept
    assert [after_s for _, after_s in rows] == [0, 0.25, 0.5, 0.75, 1]
    asked_at = (await record_of(answer["redrive"]))["at"]
    last = datetime.fromisoformat(answer["last_send_at"])
    assert last - datetime.fromisoformat(asked_at) == timedelta(seconds=1)


async def test_a_dry_run_tells_and_changes_nothing(database: Connection) -> None:
    of_type, kept = keep_many(database, 22)
    keep(database, make_letter(type=of_type, error_type="given-up"))
    before = (await get("/dead-letters/redrives")).json()

    answer = await ask(filter={"type": of_type}, dry_run=True)

    body = answer.json()
    assert (answer.status_code, body["matched"], body["more"]) == (200, 23, False)
    assert body["kinds"] == [
        {"type": of_type, "error": "invalid-input", "letters": 22},
        {"type": of_type, "error": "given-up", "letters": 1},
    ]
    oldest_first = (await get(type=of_type)).json()[::-1]
    assert body["first"] == oldest_first[:20]
    assert {state_of(database, letter) for letter in kept} == {"kept"}
    assert (await get("/dead-letters/redrives")).json() == before


async def test_a_repeated_redrive_schedules_nothing_twice(database: Connection) -> None:
    of_type, kept = keep_many(database, 3)
    first = await ask(ids=kept)

    again = await ask(ids=kept)
    filtered = await ask(filter={"type": of_type})

    assert (first.status_code, again.status_code, filtered.status_code) == (202, 200, 200)
    assert (again.json()["matched"], again.json()["skipped"]) == (0, 3)
    assert (again.json()["redrive"], filtered.json()["redrive"]) == (None, None)
    sql = "SELECT count(*) FROM redriven_letters WHERE letter = :id"
    assert database.run(sql, id=kept[0]) == [[1]]


async def test_where_nothing_matches_there_is_no_record() -> None:
    before = (await get("/dead-letters/redrives")).json()

    answer = await ask(filter={"type": reference("type")})

    assert (answer.status_code, answer.json()["matched"]) == (200, 0)
    assert (await get("/dead-letters/redrives")).json() == before


async def test_unknown_ids_are_named_and_the_others_left_alone(database: Connection) -> None:
    _, (known,) = keep_many(database, 1)

    answer = await ask(ids=[known, 10**15, 10**15 + 1])

    assert answer.status_code == 404
    assert answer.json()["detail"] == f"there is no dead letter {10**15}, {10**15 + 1}"
    assert state_of(database, known) == "kept"


@pytest.mark.parametrize("dry_run", [True, False])
async def test_ids_that_cannot_be_sent_are_refused_with_the_reason(
    database: Connection, dry_run: bool
) -> None:
    cut, homeless = keep(database, make_letter(data_bytes=10**6), make_letter(topic=None))

    answer = await ask(ids=[cut, homeless], dry_run=dry_run)

    detail = answer.json()["detail"]
    assert answer.status_code == 409
    assert f"{cut} is kept without the end of its data" in detail
    assert "topic orders, partition 0, offset 7" in detail
    assert f"{homeless} does not say which topic" in detail
    assert state_of(database, cut) == "kept"


SHIPPED, PLACED = "orderflow.order.shipped.v1", "orderflow.order.placed.v1"


@pytest.mark.parametrize(
    ("topic", "of_type", "consumer"),
    [
        ("order-events", SHIPPED, "process-order"),
        ("order-events", "com.example.made", "process-order"),
        ("made-up", PLACED, "process-order"),
        ("orders", SHIPPED, "process-order"),
        ("inventory", PLACED, "apply-inventory"),
        ("orders", PLACED, "apply-inventory"),
        ("orders", PLACED, ""),
    ],
)
async def test_a_forged_letter_is_kept_and_never_sent(
    database: Connection, topic: str, of_type: str, consumer: str
) -> None:
    added = {"kafkatopic": topic, "knativeerrordest": "http://process-order.elsewhere.svc"}
    headers = ce_headers(of_type, **added, **({"kafkaconsumer": consumer} if consumer else {}))
    kept = await client_of("keep_dead_letter").post("/", content=b"{}", headers=headers)
    sql = "SELECT position FROM dead_letters WHERE event_id = :id"
    ((letter,),) = database.run(sql, id=headers["ce-id"])

    answer = await ask(ids=[letter])
    shown = (await get(f"/dead-letters/{letter}")).json()

    assert (kept.status_code, answer.status_code) == (204, 409)
    assert f"{letter} is {of_type} from {topic} to" in answer.json()["detail"]
    assert (shown["sendable"], shown["state"]) == (False, "kept")
    assert shown["consumer"] == (consumer or "process-order.elsewhere.svc")
    make_due_anyway = """WITH asked AS (
        INSERT INTO redrives (action, asked_by, selection, matched, rate_per_s)
        VALUES ('redrive', 'test', '{}', 1, 1) RETURNING position
      )
      INSERT INTO redriven_letters (redrive, letter, send_at)
      SELECT position, :letter, '1970-01-01' FROM asked"""
    database.run(make_due_anyway, letter=letter)
    await send_due()
    assert state_of(database, letter) == "kept"


async def test_many_that_cannot_be_sent_are_left_out_and_counted(database: Connection) -> None:
    of_type, kept = keep_many(database, 2)
    cut = make_letter(type=of_type, data_bytes=10**6)
    keep(database, cut, make_letter(type=of_type, topic=None), make_letter(data_bytes=10**6))

    dry = (await ask(filter={"type": of_type}, dry_run=True)).json()
    answer = (await ask(filter={"type": of_type})).json()

    assert (dry["matched"], dry["cannot_be_sent"]) == (2, 2)
    assert (answer["matched"], answer["cannot_be_sent"]) == (2, 2)
    assert {state_of(database, letter) for letter in kept} == {"redriving"}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "(body)"),
    ({"ids": [1], "all": True}, "(body)"),
    ({"ids": [1], "filter": {"type": "x"}}, "(body)"),
    ({"ids": []}, "ids"),
    ({"ids": [0]}, "ids.0"),
    ({"ids": ["1"]}, "ids.0"),
    ({"ids": [True]}, "ids.0"),
    ({"ids": [2**63]}, "ids.0"),
    ({"ids": list(range(1, 1002))}, "ids"),
    ({"ids": 1}, "ids"),
    ({"all": False}, "all"),
    ({"all": "yes"}, "all"),
    ({"filter": {}}, "filter"),
    ({"filter": {"colour": "red"}}, "filter.colour"),
    ({"filter": {"limit": 1}}, "filter.limit"),
    ({"filter": {"state": "redriving"}}, "filter.state"),
    ({"filter": {"type": 1}}, "filter.type"),
    ({"filter": {"item": "a\0"}}, "filter.item"),
    ({"filter": {"failed_after": "noon"}}, "filter.failed_after"),
    ({"all": True, "by": ""}, "by"),
    ({"all": True, "by": "a\nb"}, "by"),
    ({"all": True, "by": "a" * 201}, "by"),
    ({"all": True, "by": None}, "by"),
    ({"all": True, "dry_run": "no"}, "dry_run"),
    ({"all": True, "colour": "red"}, "colour"),
]


@pytest.mark.parametrize("action", ["redrive", "discard"])
@pytest.mark.parametrize(("body", "field"), WRONG, ids=[str(body)[:40] for body, _ in WRONG])
async def test_wrong_input_names_the_field(action: str, body: dict[str, Any], field: str) -> None:
    answer = await ask(action, **body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("rate", [0, 1001, 1.5, "50", None])
async def test_a_wrong_rate_is_refused(rate: Any) -> None:
    answer = await ask(all=True, rate_per_s=rate)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "rate_per_s"


async def test_who_asks_has_to_say_so() -> None:
    answer = await client_of("redrive").post("/dead-letters/redrive", json={"all": True})

    assert answer.json()["errors"][0] == {"field": "by", "message": "say who asks"}


async def test_a_discard_has_no_rate() -> None:
    assert (await ask("discard", all=True, rate_per_s=5)).status_code == 422


async def test_redrives_of_the_same_letters_at_one_instant_schedule_each_once(
    database: Connection, postgres: str
) -> None:
    of_type, kept = keep_many(database, 300)
    by_filter = RedriveLetters(filter=LetterFilter(type=of_type), by="Ada")
    by_ids = RedriveLetters(ids=tuple(kept[::-1]), by="Grace")
    asked = [by_filter, by_ids, by_filter, by_ids]

    with ThreadPoolExecutor(4) as threads, connections(postgres, 4) as own:
        answers = [*threads.map(redrives.redrive, asked, own)]

    assert sum(done.answer["matched"] for done in answers) == 300
    sql = """SELECT count(*), count(DISTINCT letter) FROM redriven_letters
      WHERE letter BETWEEN :first AND :last"""
    assert database.run(sql, first=kept[0], last=kept[-1]) == [[300, 300]]


# Discarding, and the record


async def test_what_is_discarded_is_settled_and_recorded(database: Connection) -> None:
    of_type, kept = keep_many(database, 2)
    keep(database, make_letter(type=of_type, topic=None))

    answer = await ask("discard", filter={"type": of_type})
    again = await ask("discard", ids=kept)

    body = answer.json()
    assert (answer.status_code, body["matched"], body["cannot_be_sent"]) == (200, 3, 0)
    assert {state_of(database, letter) for letter in kept} == {"discarded"}
    assert ids_of(await get(type=of_type)) == []
    assert (again.json()["matched"], again.json()["skipped"]) == (0, 2)
    record = await record_of(body["redrive"])
    assert (record["action"], record["rate_per_s"], record["sent"]) == ("discard", None, 0)


async def test_what_is_discarded_is_redriven_by_its_id_only(database: Connection) -> None:
    of_type, kept = keep_many(database, 1, state="discarded")

    filtered = await ask(filter={"type": of_type})
    named = await ask(ids=kept)

    assert (filtered.json()["matched"], named.json()["matched"]) == (0, 1)


async def test_what_waits_to_be_sent_is_not_discarded(database: Connection) -> None:
    _, (letter_id,) = keep_many(database, 1)
    await ask(ids=[letter_id])

    answer = (await ask("discard", ids=[letter_id])).json()

    assert (answer["matched"], answer["skipped"]) == (0, 1)
    assert state_of(database, letter_id) == "redriving"


async def test_the_record_says_who_when_and_what(database: Connection) -> None:
    of_type, _ = keep_many(database, 3)
    selection = {"type": of_type, "failed_after": "2020-01-01T00:00:00Z"}
    asked_at = datetime.now(UTC)

    redrive = (await ask(filter=selection, by="Ada Lovelace", rate_per_s=1)).json()["redrive"]
    record = await record_of(redrive)

    assert asked_at - timedelta(seconds=5) < datetime.fromisoformat(record.pop("at"))
    assert record == {
        "id": redrive,
        "action": "redrive",
        "by": "Ada Lovelace",
        "selection": {"filter": selection},
        "rate_per_s": 1,
        "matched": 3,
        "sent": 0,
        "waiting": 3,
        "given_up": 0,
        "came_back": 0,
    }


async def test_the_record_has_pages(database: Connection) -> None:
    _, kept = keep_many(database, 5)
    asked = [(await ask("discard", ids=[letter])).json()["redrive"] for letter in kept]

    first = await get("/dead-letters/redrives", limit=3)
    second = await client_of("redrive").get(first.links["next"]["url"])

    assert [*ids_of(first), *ids_of(second)[:2]] == asked[::-1]


# What it costs on a table of 30,000 letters


@pytest.fixture(scope="module")
def large(postgres: str, database: Connection) -> Iterator[Connection]:
    """A connection to a database of its own with many letters, a second apart."""
    name = reference("letters").replace("-", "_")
    database.script(f"CREATE DATABASE {name}")
    url = f"{postgres.rpartition('/')[0]}/{name}"
    migrate(url)
    connection = Connection(url, answer_timeout_s=PATIENCE_S)
    connection.script(f"SET statement_timeout = '{PATIENCE_S} s'")
    connection.script(f"""
      INSERT INTO dead_letters (
        identity, event_id, type, order_id, item, topic, attributes, data, data_bytes,
        destination, consumer, error_type, error, last_failed_at, state
      )
      SELECT
        'identity ' || n, 'event ' || n, 'type ' || n % 7, 'order ' || n % 300,
        'item ' || n % 300, 'orders', '{{}}', '', 0, 'there', 'process-order',
        'error ' || n % 11, 'why',
        timestamptz '2026-01-01T00:00:00Z' + n * interval '1 second',
        (ARRAY['kept', 'redriven', 'discarded'])[n % 3 + 1]
      FROM generate_series(1, {MANY}) AS n;
      ANALYZE;
    """)
    yield connection
    connection.close()
    database.script(f"DROP DATABASE {name} WITH (FORCE)")


def explained(connection: Connection, sql: str, **parameters: object) -> dict[str, Any]:
    """Return the plan that a function gets: made once, for any values (`plan_cache_mode`)."""
    name = reference("plan").replace("-", "_")
    numbered, values = to_statement(sql)
    connection.script(f"PREPARE {name} AS {numbered}")
    given = ", ".join(map(native.literal, values(parameters)))
    executed = f"EXECUTE {name} ({given})" if given else f"EXECUTE {name}"
    ((plan,),) = connection.run(f"EXPLAIN (ANALYZE, FORMAT JSON) {executed}")
    return dict(plan[0]["Plan"])


def at(second: int) -> str:
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).isoformat()


NO_FILTER = dict.fromkeys(("type", "item", "order_id", "error", "consumer"))


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"type": "type 3"},
        {"item": "item 6"},
        {"order_id": "order 6"},
        {"error": "error 4"},
        {"consumer": "process-order"},
    ],
    ids=str,
)
@pytest.mark.parametrize("failed_after", ["-infinity", "2026-01-01T05:00:00Z"])
def test_a_page_reads_its_own_letters_only_at_any_depth(
    large: Connection, filters: dict[str, str], failed_after: str
) -> None:
    for second in (MANY + 1, 20_000, 5_000, 50):
        page = {"below_at": at(second), "below": 1, "count": 20, "sendable": False}
        parameters = {**NO_FILTER, "failed_after": failed_after, **page, **filters}

        with large.transaction():
            large.script(dead_letters.IN_ORDER)
            plan = explained(large, dead_letters.FIND_LETTERS, state="kept", **parameters)

        assert "Seq Scan" not in scans(plan), plan
        assert rows_read(plan) <= 20 * 2, (second, plan)


def test_what_is_due_is_found_without_reading_the_rest(large: Connection) -> None:
    asked = RedriveLetters(filter=LetterFilter(type="type 0"), by="Ada", rate_per_s=1)
    assert redrives.redrive(asked, large).answer["matched"] > 1_000
    large.script("ANALYZE")

    limits = {"count": 2_000, "step_s": 1.25, "bytes": 10**6}
    plan = explained(large, resending.CLAIM_DUE_LETTERS, **limits)

    assert "Seq Scan" not in scans(plan), plan
    assert rows_read(plan) <= 40 * 10, plan


@pytest.mark.parametrize("sql", [purging.DELETE_LETTERS, purging.DELETE_ATTEMPTS])
def test_forgetting_reads_only_what_is_old(large: Connection, sql: str) -> None:
    plan = explained(large, sql, days=1, count=10)

    assert "Seq Scan" not in scans(plan), plan
    assert rows_read(plan) <= 10 * 6, plan


def test_one_call_schedules_a_bounded_number_and_says_that_more_are_left(
    large: Connection,
) -> None:
    large.script("""
      UPDATE dead_letters SET state = 'kept' WHERE state <> 'redriving';
    """)
    everything = RedriveLetters(all=True, by="Ada", rate_per_s=1_000)
    dry = redrives.redrive(everything.model_copy(update={"dry_run": True}), large).answer

    answers = [redrives.redrive(everything, large).answer for _ in range(4)]

    assert [answer["matched"] for answer in answers[:2]] == [10_000, 10_000]
    assert [answer["more"] for answer in answers] == [True, True, False, False]
    assert sum(answer["matched"] for answer in answers) == dry["matched"]
    assert answers[3]["redrive"] is None


def test_all_can_be_discarded(large: Connection) -> None:
    large.script("UPDATE dead_letters SET state = 'kept'; DELETE FROM redriven_letters;")

    answer = redrives.redrive(DiscardLetters(all=True, by="Ada"), large).answer

    assert (answer["matched"], answer["more"]) == (10_000, True)


def test_the_library_refuses_as_the_function_does(large: Connection) -> None:
    (letter,) = keep(large, make_letter(topic=None))

    with pytest.raises(NotFound, match="there is no dead letter 999999"):
        redrives.redrive(RedriveLetters(ids=(letter, 999_999), by="Ada"), large)
    with pytest.raises(Conflict, match=f"{letter} does not say"):
        redrives.redrive(RedriveLetters(ids=(letter,), by="Ada"), large)
