"""POST /order."""

import asyncio
from typing import Any

import httpx
import pytest

from orderflow.database.connection import Connection
from orderflow.http.request_body import MAX_BODY_BYTES
from tests.support.function_calls import (
    client_of,
    history_of,
    kafka_away,
    make_lines,
    make_order,
    module_of,
    place,
    records_of,
    reference,
    status_of,
    tick,
    unpublished,
    using,
)
from tests.support.waiting import eventually_async

SENT = "Order received, stored in DB, and sent to Kafka"
QUEUED = "Order received, stored in DB, and queued for Kafka"


async def post(body: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client_of("create_order").post("/order", json=body or make_order(), headers=named)


async def post_raw(content: bytes, **headers: str) -> httpx.Response:
    named = {"content-type": "application/json"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await client_of("create_order").post("/order", content=content, headers=named)


def count_of(database: Connection, item: str) -> int:
    ((count,),) = database.run("SELECT count(*) FROM order_lines WHERE item = :item", item=item)
    return int(count)


async def test_an_order_is_stored_and_sent(database: Connection) -> None:
    order_id = reference()

    response = await post(make_order(order_id=order_id))

    assert response.status_code == 201
    assert response.json() == {"message": SENT, "order_id": order_id, "status": "pending"}
    assert response.headers["location"] == f"/order/{order_id}"
    assert "idempotent-replayed" not in response.headers
    assert history_of(database, order_id) == ["pending"]


async def test_the_event_is_on_the_topic_and_gone_from_the_outbox(database: Connection) -> None:
    body = make_order(quantity=3)
    trace = f"00-{'a' * 32}-{'b' * 16}-01"

    await post(body, traceparent=trace)

    (record,) = records_of("orders", body["order_id"], 1)
    lines = [{"item": body["item"], "quantity": 3}]
    assert record.data == {"order_id": body["order_id"], "lines": lines, "on_shortage": "backorder"}
    assert record.attributes["type"] == "orderflow.order.placed.v1"
    assert record.attributes["source"] == "/orderflow/create_order"
    assert record.attributes["sequence"] == "1"
    assert record.attributes["traceparent"] == trace
    await eventually_async(lambda: unpublished(database, body["order_id"]) == [])


async def test_a_repeated_order_gets_the_first_answer_marked() -> None:
    body = make_order()
    first = await post(body)

    again = await post(body)

    assert again.status_code == 200
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("hold_minutes", [..., None, 1, 525_600])
async def test_how_long_stock_is_held_is_stored_and_shown(hold_minutes: Any) -> None:
    item = reference("item")
    order_id = await place(item=item, hold_minutes=hold_minutes)

    one = await client_of("list_orders").get(f"/order/{order_id}")
    listed = await client_of("list_orders").get("/orders", params={"item": item})

    expected = None if hold_minutes is ... else hold_minutes
    assert one.json()["hold_minutes"] == expected
    assert [order["hold_minutes"] for order in listed.json()] == [expected]


async def test_an_order_with_a_hold_is_repeated_with_it() -> None:
    body = make_order(hold_minutes=30)
    first = await post(body)

    again = await post(body)

    assert (again.status_code, again.json()) == (200, first.json())


@pytest.mark.parametrize("hold_minutes", [0, 525_601, "30", 1.5])
async def test_a_wrong_hold_names_its_field(hold_minutes: Any) -> None:
    response = await post(make_order(hold_minutes=hold_minutes))

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "hold_minutes"


async def test_the_other_form_of_the_same_order_is_a_repeat() -> None:
    body = make_order()
    await post(body)

    again = await post(make_order(order_id=body["order_id"], lines=make_lines((body["item"], 1))))

    assert again.status_code == 200


@pytest.mark.parametrize(
    "other",
    [{"quantity": 2}, {"item": "other"}, {"on_shortage": "reject"}, {"hold_minutes": 30}],
)
async def test_another_body_under_the_same_id_is_refused_and_changes_nothing(
    database: Connection, other: dict[str, Any]
) -> None:
    body = make_order()
    await post(body)

    response = await post(body | other)

    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/conflict"
    assert count_of(database, body["item"]) == 1


async def test_fifty_equal_requests_at_one_instant_make_one_order(database: Connection) -> None:
    body = make_order()

    responses = await asyncio.gather(*(post(body) for _ in range(50)))

    assert sorted(r.status_code for r in responses) == [200] * 49 + [201]
    assert {r.json()["order_id"] for r in responses} == {body["order_id"]}
    assert count_of(database, body["item"]) == 1


async def test_fifty_requests_with_one_key_and_no_id_make_one_order(database: Connection) -> None:
    body, key = make_order(order_id=...), reference("key")

    responses = await asyncio.gather(*(post(body, idempotency_key=key) for _ in range(50)))

    assert sorted(r.status_code for r in responses) == [200] * 49 + [201]
    assert len({r.json()["order_id"] for r in responses}) == 1
    assert count_of(database, body["item"]) == 1


async def test_equal_orders_from_several_connections_make_one_order(
    postgres: str, database: Connection
) -> None:
    create, item = module_of("create_order"), reference("item")
    bodies = [make_order(item=item) for _ in range(20)]

    def placements() -> list[Any]:
        orders = [create.PlaceOrder.model_validate(body) for body in bodies]
        return [create.requested(order, None, f"00-{'a' * 32}-{'b' * 16}-01") for order in orders]

    def run(reverse: bool) -> list[Any]:
        connection = Connection(postgres)
        try:
            wanted = placements()
            return list(create.place_orders(connection, wanted[::-1] if reverse else wanted))
        finally:
            connection.close()

    runs = await asyncio.gather(*(asyncio.to_thread(run, n % 2 == 1) for n in range(6)))

    assert sum(placed.found_by is None for one in runs for placed in one) == len(bodies)
    assert count_of(database, item) == len(bodies)


async def test_a_mixed_burst_answers_each_caller_with_his_own(database: Connection) -> None:
    bodies = [make_order() for _ in range(30)]

    responses = await asyncio.gather(*(post(body) for body in bodies for _ in range(2)))

    assert [r.json()["order_id"] for r in responses[::2]] == [b["order_id"] for b in bodies]
    assert sorted(r.status_code for r in responses) == [200] * 30 + [201] * 30


async def test_without_an_id_the_server_makes_one(database: Connection) -> None:
    response = await post(make_order(order_id=...))

    order_id = response.json()["order_id"]
    assert response.status_code == 201
    assert order_id[14] == "7"
    assert status_of(database, order_id) == "pending"


async def test_without_an_id_or_a_key_every_call_is_another_order() -> None:
    body = make_order(order_id=...)

    ids = {(await post(body)).json()["order_id"] for _ in range(2)}

    assert len(ids) == 2


async def test_a_key_makes_a_create_without_an_id_safe_to_repeat() -> None:
    body, key = make_order(order_id=...), reference("key")
    first = await post(body, idempotency_key=key)

    again = await post(body, idempotency_key=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["order_id"] == first.json()["order_id"]


async def test_a_key_named_as_no_key_is_a_key_like_any_other(database: Connection) -> None:
    create, unkeyed, keyed = module_of("create_order"), make_order(), make_order()
    orders = [create.PlaceOrder.model_validate(body) for body in (unkeyed, keyed)]
    placements = [
        create.requested(order, key, "") for order, key in zip(orders, [None, "None"], strict=True)
    ]
    create.place_orders(database, placements)

    again = create.place_orders(database, placements)

    assert [placed.order_id for placed in again] == [unkeyed["order_id"], keyed["order_id"]]


@pytest.mark.parametrize("order_id", [..., None])
async def test_a_key_with_another_body_is_refused(order_id: Any) -> None:
    key = reference("key")
    await post(make_order(order_id=...), idempotency_key=key)

    response = await post(make_order(order_id=order_id), idempotency_key=key)

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_a_key_of_one_order_does_not_hand_it_to_another_id() -> None:
    key = reference("key")
    await post(make_order(), idempotency_key=key)

    response = await post(make_order(), idempotency_key=key)

    assert response.status_code == 422


async def test_an_id_repeated_under_another_key_is_the_same_order() -> None:
    body = make_order()
    await post(body, idempotency_key=reference("key"))

    again = await post(body, idempotency_key=reference("key"))

    assert again.status_code == 200


@pytest.mark.parametrize("key", ["", " ", "x" * 256])
async def test_a_key_beyond_its_limits_is_refused(key: str) -> None:
    response = await post(idempotency_key=key)

    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_two_lines_of_one_item_are_both_stored(database: Connection) -> None:
    item = reference("item")

    await place(lines=make_lines((item, 1), (item, 2)))

    rows = database.run(
        "SELECT line, quantity FROM order_lines WHERE item = :item ORDER BY line", item=item
    )
    assert rows == [[1, 1], [2, 2]]


@pytest.mark.parametrize("order_id", ["a/b?c#d%2F ", "日本-Ω-😀 ", '"\\; DROP '])
async def test_any_id_that_is_text_is_kept_as_it_is(database: Connection, order_id: str) -> None:
    unique = order_id + reference()

    response = await post(make_order(order_id=unique))
    shown = await client_of("list_orders").get(response.headers["location"])

    assert response.json()["order_id"] == unique
    assert shown.json()["order_id"] == unique


@pytest.mark.parametrize(
    ("field", "overrides"),
    [
        ("quantity", {"quantity": 0}),
        ("quantity", {"quantity": "1"}),
        ("item", {"item": ""}),
        ("order_id", {"order_id": "a\nb"}),
        ("order_id", {"order_id": 12345}),
        ("item", {"item": ...}),
        ("quantity", {"quantity": ...}),
        ("price", {"price": 1}),
        ("lines.0.quantity", {"lines": [{"item": "a"}]}),
    ],
    ids=str,
)
async def test_a_wrong_field_is_named_and_nothing_is_stored(
    database: Connection, field: str, overrides: dict[str, Any]
) -> None:
    order_id = reference()

    response = await post(make_order(**({"order_id": order_id} | overrides)))

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"][0]["field"] == field
    assert database.run("SELECT FROM orders WHERE order_id = :id", id=order_id) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"order_id": "\\ud800"}', b"[" * 5_000, b"{'a': 1}", b"\xef\xbb\xbf{}"],
    ids=lambda content: repr(content[:10]),
)
async def test_a_body_that_is_not_json_is_malformed(content: bytes) -> None:
    response = await post_raw(content)

    assert response.status_code == 400
    assert response.json()["type"] == "/problems/malformed-json"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'{"item": "a", "quantity": 1, "item": "b"}', "item"),
        (b'{"item": "a", "quantity": 1, "\\u0069tem": "a"}', "item"),
        (b'{"lines": [{"item": "a", "quantity": 1, "quantity": 2}]}', "quantity"),
    ],
    ids=["other value", "escaped", "nested"],
)
async def test_a_name_that_is_given_twice_is_refused(content: bytes, name: str) -> None:
    response = await post_raw(content)

    assert response.status_code == 400
    assert response.json()["detail"] == f"{name} is given 2 times"


async def test_a_body_is_read_to_a_depth_of_200() -> None:
    answers = [await post_raw(b'{"x": ' + b"[" * n + b"]" * n + b"}") for n in (198, 201)]

    assert [answer.status_code for answer in answers] == [422, 400]


@pytest.mark.parametrize(
    ("overrides", "detail"),
    [
        ({"item": ...}, "item: give item and quantity, or lines"),
        ({"item": ..., "quantity": ...}, "item: give item and quantity, or lines"),
        ({"lines": []}, "lines: at least 1 item"),
        ({"lines": {}}, "lines: must be a list"),
        ({"price": 1}, "price: there is no such field"),
        (
            {"order_id": ""},
            "order_id: must not be empty, start or end with a blank, or contain control characters",
        ),
    ],
    ids=str,
)
async def test_what_is_wrong_is_said_in_words(overrides: dict[str, Any], detail: str) -> None:
    assert (await post(make_order(**overrides))).json()["detail"] == detail


@pytest.mark.parametrize("content", [b"null", b"[]", b'"x"', b"1"])
async def test_json_that_is_no_object_is_invalid(content: bytes) -> None:
    assert (await post_raw(content)).status_code == 422


async def test_a_body_over_the_limit_is_too_large() -> None:
    response = await post_raw(b" " * (MAX_BODY_BYTES + 1))

    assert response.status_code == 413
    assert response.json()["type"] == "/problems/body-too-large"


async def test_a_body_over_the_limit_that_does_not_tell_its_size_is_too_large() -> None:
    async def chunks() -> Any:
        for _ in range(MAX_BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    headers = {"content-type": "application/json"}
    response = await client_of("create_order").post("/order", content=chunks(), headers=headers)

    assert response.status_code == 413


async def test_a_body_at_the_limit_is_read() -> None:
    body = b'{"order_id": "%s", "item": "a", "quantity": 1}' % reference().encode()

    response = await post_raw(body.ljust(MAX_BODY_BYTES))

    assert response.status_code == 201


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "", "application/json-seq", "a+json"],
)
async def test_a_body_that_says_it_is_not_json_is_refused(content_type: str) -> None:
    response = await post_raw(b"{}", content_type=content_type)

    assert response.status_code == 415
    assert response.json()["type"] == "/problems/not-json"


@pytest.mark.parametrize(
    ("function", "method", "path"),
    [
        ("create_order", "POST", "/order"),
        ("update_order", "PATCH", "/order/x"),
        ("update_inventory", "POST", "/inventory"),
        ("redrive", "POST", "/dead-letters/redrive"),
    ],
)
async def test_a_body_that_does_not_say_what_it_is_is_refused(
    function: str, method: str, path: str
) -> None:
    response = await client_of(function).request(method, path, content=b"{}")

    assert response.status_code == 415
    assert response.json()["type"] == "/problems/not-json"


@pytest.mark.parametrize("content_type", ["application/vnd.shop+json", "Application/JSON ; a=b"])
async def test_every_json_is_json(content_type: str) -> None:
    body = b'{"order_id": "%s", "item": "a", "quantity": 1}' % reference().encode()

    assert (await post_raw(body, content_type=content_type)).status_code == 201


async def test_a_charset_is_no_other_content_type() -> None:
    body = b'{"order_id": "%s", "item": "a", "quantity": 1}' % reference().encode()

    response = await post_raw(body, content_type="Application/JSON; charset=utf-8")

    assert response.status_code == 201


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_not_allowed(method: str) -> None:
    response = await client_of("create_order").request(method, "/order")

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["type"] == "/problems/method-not-allowed"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_are_answered(path: str) -> None:
    response = await client_of("create_order").get(path)

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_while_kafka_is_away_the_order_is_accepted_and_queued(
    database: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = make_order()

    with using(outbox=kafka_away()):
        first = await post(body)
        again = await post(body)
        soon = await asyncio.wait_for(post(), 1.0)

    assert (first.status_code, first.json()["message"]) == (201, QUEUED)
    assert (again.status_code, again.json()["message"]) == (200, QUEUED)
    assert soon.json()["message"] == QUEUED  # known to be away: nobody waits twice
    assert unpublished(database, body["order_id"]) == ["orderflow.order.placed.v1"]


async def test_what_a_dead_writer_left_is_told_by_sweep(database: Connection) -> None:
    create, body = module_of("create_order"), make_order()
    order = create.PlaceOrder.model_validate(body)
    placement = create.requested(order, None, f"00-{'a' * 32}-{'b' * 16}-01")
    create.place_orders(database, [placement])  # committed, and then its process was gone

    database.run(
        "UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid = :id", id=body["order_id"]
    )
    await tick()

    (record,) = records_of("orders", body["order_id"], 1)
    assert record.attributes["id"] == placement.event.id
    await eventually_async(lambda: unpublished(database, body["order_id"]) == [])


async def test_a_repeat_is_told_sent_only_after_the_event_was_sent(database: Connection) -> None:
    create, body = module_of("create_order"), make_order()
    order = create.PlaceOrder.model_validate(body)
    create.place_orders(database, [create.requested(order, None, "")])

    before = await post(body)
    database.run(
        "UPDATE outbox SET relay_at = '1970-01-01' WHERE aggregateid = :id", id=body["order_id"]
    )
    await tick()
    await eventually_async(lambda: unpublished(database, body["order_id"]) == [])
    after = await post(body)

    assert (before.json()["message"], after.json()["message"]) == (QUEUED, SENT)
