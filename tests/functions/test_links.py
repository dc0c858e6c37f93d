"""Links and locations lead where they say, whatever legal name is in them."""

import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from orderflow.database.connection import Connection
from orderflow.models import Item
from tests.support.function_calls import apply, client_of, make_order, reference, tell

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=180)
LINK = re.compile(r'<([!-~]+)>; rel="next"')  # one target, of what may stand in a header
ITEM: TypeAdapter[str] = TypeAdapter(Item)
FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def is_legal(name: str) -> bool:
    try:
        return ITEM.validate_python(name) == name
    except ValidationError:
        return False


@FEW
@given(NAMES)
@example("日本")
@example("a\u202eb")
@example("a/b")
@example("50%")
@example('x>y; rel="evil"')
@example("..")
@example("a?b#c")
async def test_link_of_a_ledger_gives_its_next_page(name: str) -> None:
    assume(is_legal(name))
    item = name if name == ".." else reference() + name
    for adjust in (7, -3):
        assert (await tell(item, adjust=adjust)).status_code == 202
        assert (await apply(item)).status_code == 204
    client = client_of("list_inventory")

    first = await client.get(f"/inventory/{quoted(item)}?limit=1")
    followed = await client.get(target_of(first.headers["link"]))

    changes = [entry["on_hand_change"] for entry in (*ledger(first), *ledger(followed))]
    assert changes == [-3, 7]


@FEW
@given(st.lists(NAMES, min_size=2, max_size=2, unique=True))
async def test_link_of_a_list_of_items_gives_its_next_page(
    database: Connection, names: list[str]
) -> None:
    first, second = sorted(f"{reference()}{name}" for name in names)
    assume(is_legal(first) and is_legal(second))
    for item in (first, second):
        assert (await tell(item, stock=1)).status_code == 202
        assert (await apply(item)).status_code == 204
    client = client_of("list_inventory")
    path, shown = "/inventory?limit=500", list[str]()

    while path:
        page = await client.get(path)
        shown += [row["item"] for row in page.json()]
        path = target_of(page.headers["link"]) if "link" in page.headers else ""

    assert {first, second} <= {*shown}


@FEW
@given(NAMES)
async def test_link_of_a_filter_gives_its_next_page(name: str) -> None:
    item = reference() + name
    assume(is_legal(item))
    placed = [make_order(item=item) for _ in range(2)]
    for order in placed:
        answer = await client_of("create_order").post("/order", json=order)
        assert answer.status_code == 201
    client = client_of("list_orders")

    first = await client.get("/orders", params={"item": item, "limit": "1"})
    followed = await client.get(target_of(first.headers["link"]))

    shown = [order["order_id"] for order in (*first.json(), *followed.json())]
    assert shown == [placed[1]["order_id"], placed[0]["order_id"]]


@FEW
@given(NAMES)
@example("..")
async def test_location_of_an_order_shows_it(name: str) -> None:
    order_id = reference()[:20] + name[:100]
    assume(is_legal(order_id))
    created = await client_of("create_order").post("/order", json=make_order(order_id=order_id))

    shown = await client_of("list_orders").get(created.headers["location"])

    assert shown.json()["order_id"] == order_id


def quoted(name: str) -> str:
    return "%2E%2E" if name == ".." else quote(name, safe="")


def target_of(link: str) -> str:
    found = LINK.fullmatch(link)
    assert found, link
    return found[1]


def ledger(answer: object) -> list[dict[str, int]]:
    found: list[dict[str, int]] = answer.json()["ledger"]  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("path", ["/order/a%0ab", "/order/50%", "/order/%ff"])
async def test_path_that_is_none_is_a_problem_of_the_function_too(path: str) -> None:
    answer = await client_of("list_orders").get(path)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
