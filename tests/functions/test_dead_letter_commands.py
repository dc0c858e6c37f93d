"""`orderflow dead-letters`, as a person and as a script use it."""

import getpass
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from orderflow.database.connection import Connection
from orderflow.dead_letters.resending import send_due
from tests.support.commands import Done, orderflow, said
from tests.support.dead_letters import keep, keep_many, make_letter, state_of
from tests.support.function_calls import reference

Command = Callable[..., Done]


@pytest.fixture
def dead_letters(postgres: str) -> Command:
    """Runs one of the commands on the tests' database."""
    return partial(orderflow, "dead-letters", DATABASE_URL=postgres)


def record_of(dead_letters: Command, redrive: int) -> dict[str, Any]:
    """What the record says of a redrive."""
    listed = json.loads(dead_letters("redrives", "--json").stdout)
    return next(row for row in listed if row["id"] == redrive)


def test_the_list_is_a_table_or_json(database: Connection, dead_letters: Command) -> None:
    of_type, (letter_id,) = keep_many(database, 1, order_id="o [bold]1", item="i 1")

    table = dead_letters("list", "--type", of_type)
    as_json = dead_letters("list", "--type", of_type, "--json")

    for shown in (str(letter_id), of_type, "o [bold]1", "i 1", "invalid-input: there is no such"):
        assert shown in table.stdout
    assert (table.stderr, as_json.stderr) == ("", "")
    (letter,) = json.loads(as_json.stdout)
    assert (letter["id"], letter["order_id"]) == (letter_id, "o [bold]1")


def test_an_empty_list_says_so(dead_letters: Command) -> None:
    assert dead_letters("list", "--type", reference("type")).stdout == "none\n"
    assert dead_letters("list", "--type", reference("type"), "--json").stdout == "[]\n"


def test_filters_are_options(database: Connection, dead_letters: Command) -> None:
    of_type, order_id = reference("type"), reference("order")
    early = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    old, settled, fresh = keep(
        database,
        make_letter(type=of_type, order_id=order_id, error_type="given-up", failed_at=early),
        make_letter(type=of_type, order_id=order_id, state="discarded"),
        make_letter(type=of_type, order_id=order_id),
    )

    def found(*options: str) -> list[int]:
        listed = dead_letters("list", "--order-id", order_id, "--json", *options)
        return [letter["id"] for letter in json.loads(listed.stdout)]

    assert found() == [fresh, old]
    assert found("--error", "given-up") == [old]
    assert found("--state", "discarded") == [settled]
    assert found("--failed-after", at) == [fresh]
    assert found("--failed-before", at, "--type", of_type) == [old]


def test_where_there_may_be_more_it_is_said_beside_the_list(
    database: Connection, dead_letters: Command
) -> None:
    of_type, _ = keep_many(database, 3)

    listed = dead_letters("list", "--type", of_type, "--limit", 2, "--json")

    assert len(json.loads(listed.stdout)) == 2
    assert "there may be more than these 2" in listed.stderr


def test_one_letter_is_shown_whole(database: Connection, dead_letters: Command) -> None:
    _, (letter_id,) = keep_many(database, 1)

    shown = json.loads(dead_letters("show", letter_id).stdout)

    assert (shown["id"], shown["data"]) == (letter_id, {"order_id": "x"})
    assert shown["attributes"]["id"] == shown["event_id"]


async def test_a_redrive_says_when_and_is_recorded_under_the_login_name(
    database: Connection, dead_letters: Command
) -> None:
    _, kept = keep_many(database, 3)

    done = dead_letters("redrive", *kept, "--rate", 2)
    again = dead_letters("redrive", *kept)
    await send_due()

    redrive = int(done.stdout.split()[1].rstrip(":"))
    assert (done.status, done.stderr) == (0, "")
    assert f"redrive {redrive}: 3 letters sent by the next sweep, within 10 s" in done.stdout
    assert "at 2 a second, so the last one at" in done.stdout
    assert again.stdout == "no letter to be redriven\n"
    assert "3 left out: they wait to be sent" in again.stderr
    assert {state_of(database, letter) for letter in kept} == {"redriven"}
    record = record_of(dead_letters, redrive)
    assert (record["by"], record["sent"]) == (getpass.getuser(), 3)
    assert record["selection"] == {"ids": kept}


def test_a_dry_run_shows_kinds_and_changes_nothing(
    database: Connection, dead_letters: Command
) -> None:
    of_type, kept = keep_many(database, 2)
    keep(database, make_letter(type=of_type, topic=None))

    told = dead_letters("redrive", "--type", of_type, "--dry-run")

    assert told.stdout.startswith("2 letters would be redriven\n")
    assert of_type in told.stdout
    assert "1 left out, because they can't be sent" in told.stderr
    assert {state_of(database, letter) for letter in kept} == {"kept"}


def test_a_discard_is_done_at_once_and_listed(database: Connection, dead_letters: Command) -> None:
    of_type, kept = keep_many(database, 2)

    done = dead_letters("discard", "--type", of_type, "--by", "Ada", "--json")
    table = dead_letters("redrives", "--limit", 50)

    answer = json.loads(done.stdout)
    assert answer["matched"] == 2
    assert {state_of(database, letter) for letter in kept} == {"discarded"}
    assert "Ada" in table.stdout
    assert of_type in table.stdout
    record = record_of(dead_letters, answer["redrive"])
    assert (record["action"], record["by"]) == ("discard", "Ada")


@pytest.mark.parametrize("action", ["redrive", "discard"])
@pytest.mark.parametrize(
    "given", [[], ["7", "--all"], ["7", "--type", "x"], ["--item", "x", "--all"]]
)
def test_without_one_selection_it_says_what_to_give(
    dead_letters: Command, action: str, given: list[str]
) -> None:
    refused = dead_letters(action, *given)

    assert said(refused).startswith("give one of these: ids of letters; filters")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["redrive", "999999999999"], "there is no dead letter 999999999999"),
        (["show", "999999999999"], "there is no dead letter 999999999999"),
        (["redrive", "--type", "x", "--rate", "0"], "rate_per_s: Input should be greater"),
        (["redrive", "--state", "redriving"], "filter.state: Input should be 'kept' or"),
        (["list", "--failed-after", "noon"], "failed_after: give a date and time as RFC 3339"),
        (["list", "--limit", "501"], "limit: Input should be less than or equal to 500"),
        (["redrives", "--limit", "51"], "limit: Input should be less than or equal to 50"),
        (["discard", "--type", "x", "--by", " "], "by: must not be empty, start or"),
    ],
    ids=" ".join,
)
def test_what_is_wrong_is_said_in_one_line(
    dead_letters: Command, words: list[str], reason: str
) -> None:
    assert said(dead_letters(*words)).startswith(reason)
