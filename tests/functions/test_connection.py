"""What goes into a statement and what comes of one that fails."""

import time
from contextlib import closing
from datetime import UTC, datetime
from uuid import UUID

import pytest

from orderflow.database.connection import (
    Connection,
    Json,
    Refused,
    StatementFault,
    StatementTimeout,
    retrying,
)
from orderflow.errors import DatabaseAway, OrderFlowError
from tests.support.function_calls import own_database, reference

ODD = ['"', "\\", '\\"', "{}", "{", ",", " ", "", "NULL", "null", "\n", "ä", "日本", "'", "%"]


def test_a_list_is_an_array_whatever_is_in_it(database: Connection) -> None:
    rows = database.run("SELECT unnest(CAST(:texts AS text[]))", texts=ODD)

    assert [text for (text,) in rows] == ODD


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", [1, -2, 3]),
        ("text", ["a", None, "b"]),
        ("uuid", [UUID(int=1), UUID(int=2)]),
        ("boolean", [True, False]),
        ("timestamptz", [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)]),
        ("text", []),
    ],
    ids=str,
)
def test_an_array_is_of_the_kind_that_the_statement_says(
    database: Connection, kind: str, values: list[object]
) -> None:
    for given in (values, tuple(values)):
        rows = database.run(f"SELECT unnest(CAST(:values AS {kind}[]))", values=given)

        assert [value for (value,) in rows] == values


def test_an_author_may_leave_out_the_cast(database: Connection) -> None:
    item = reference('it"em')
    database.run("INSERT INTO stock (item) VALUES (:item)", item=item)

    found = database.run("SELECT item FROM stock WHERE item = ANY(:items)", items=[item, "other"])

    assert found == [[item]]


@pytest.mark.parametrize("content", [{"a": [1, None]}, [{"a": 1}], [], {}, ["a", 1], None], ids=str)
def test_what_is_marked_as_json_goes_as_json(database: Connection, content: object) -> None:
    ((came,),) = database.run("SELECT CAST(:content AS jsonb)", content=Json(content))

    assert came == content


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT item FROM stock WHERE item = ANY(:items)", {"items": "no array"}),
        ("SELECT CAST(:count AS bigint)", {"count": "many"}),
        ("SELECT 1 / CAST(:n AS bigint)", {"n": 0}),
        ("SELECT nothing FROM stock", {}),
        ("SELEKT 1", {}),
        ("SELECT CAST(:this AS text)", {"that": 1}),
    ],
    ids=[
        "malformed array",
        "no number",
        "division by zero",
        "no column",
        "no statement",
        "no parameter",
    ],
)
def test_a_statement_that_is_wrong_is_a_fault_of_ours(
    database: Connection, sql: str, parameters: dict[str, object]
) -> None:
    with pytest.raises(StatementFault) as raised:
        database.run(sql, **parameters)

    assert (raised.value.status, raised.value.slug) == (500, OrderFlowError.slug)
    assert sql in str(raised.value)
    assert database.run("SELECT 1") == [[1]]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT CAST(:value AS text)", "a\0b"),
        ("SELECT CAST(:value AS jsonb)", Json("a\0b")),
        ("SELECT CAST(:value AS bigint) * 2", 2**62),
        ("SELECT CAST(:value AS text) FROM stock WHERE item = ANY(CAST(:value AS text[]))", ["\0"]),
    ],
    ids=["NUL", "NUL in JSON", "beyond a bigint", "NUL in an array"],
)
def test_a_value_that_no_column_takes_is_refused(
    database: Connection, sql: str, value: object
) -> None:
    with pytest.raises(Refused):
        database.run(sql, value=value)


def test_a_statement_that_takes_too_long_is_told_apart_from_a_database_that_is_away(
    postgres: str,
) -> None:
    tries: list[float] = []

    def work() -> None:
        tries.append(time.monotonic())
        connection.run("SELECT pg_sleep(5)")

    with closing(Connection(postgres)) as connection:
        ((backend,),) = connection.run("SELECT pg_backend_pid()")
        connection.script("SET statement_timeout = 50")

        with pytest.raises(StatementTimeout, match="pg_sleep"):
            retrying(work)

        assert len(tries) == 1
        assert connection.run("SELECT pg_backend_pid()") == [[backend]]


def test_a_lost_connection_is_not_opened_again_to_roll_back(postgres: str) -> None:
    ours = """SELECT count(*) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    end = "SELECT pg_terminate_backend(CAST(:pid AS integer), 5000)"
    with own_database(postgres) as url, closing(Connection(url)) as other:
        connection = Connection(url)

        with pytest.raises(DatabaseAway), connection.transaction():
            ((pid,),) = connection.run("SELECT pg_backend_pid()")
            other.run(end, pid=pid)
            connection.run("SELECT 1")

        assert other.run(ours) == [[0]]
