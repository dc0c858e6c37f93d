"""A migration only adds, so that the functions of before run on; what takes away comes later.

`tests/flows/test_rollout.py` runs those functions; this says early, and of every table, what breaks
them or an insert of theirs.
"""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared/orderflow/database/migrations"
BEFORE_ANY_RELEASE = "0015"  # up to here nothing was in use that had to run on
# The migrations that take away, each with the commit since which no function reads what goes.
CONTRACTS: dict[str, str] = {}

BREAKING = re.compile(
    r"\bRENAME\b|\bDROP (?!CONSTRAINT\b|NOT NULL\b|DEFAULT\b)|\bTRUNCATE\b|\b(SET DATA )?TYPE\b"
    r"|\bSET NOT NULL\b|\bADD COLUMN\b(?![^,;]*\b(DEFAULT|GENERATED)\b)[^,;]*\bNOT NULL\b"
)


def breaking(sql: str) -> list[str]:
    """What in a migration may break functions that run already."""
    return [found.group() for found in BREAKING.finditer(re.sub(r"--.*|'[^']*'", "", sql))]


def test_what_takes_away_is_a_contract() -> None:
    new = [path for path in FOLDER.glob("*.sql") if path.stem[:4] > BEFORE_ANY_RELEASE]

    found = {path.stem: breaking(path.read_text()) for path in new if path.stem not in CONTRACTS}

    assert {name: parts for name, parts in found.items() if parts} == {}


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE orders RENAME COLUMN announce_at TO due_at;",
        "DROP INDEX orders_due;",
        "ALTER TABLE dead_letters DROP COLUMN sendable;",
        "ALTER TABLE orders ALTER COLUMN sequence TYPE bigint;",
        "ALTER TABLE dead_letters ALTER COLUMN consumer SET NOT NULL;",
        "ALTER TABLE orders ADD COLUMN weight integer NOT NULL, ADD COLUMN size integer DEFAULT 1;",
    ],
)
def test_what_breaks_a_function_is_seen(sql: str) -> None:
    assert breaking(sql) != []


@pytest.mark.parametrize(
    "sql",
    [
        "-- What would DROP TABLE do?\nCREATE INDEX orders_by_owner ON orders (placed_by);",
        "ALTER TABLE orders ADD COLUMN placed_by text NOT NULL DEFAULT 'local';",
        "ALTER TABLE orders ADD COLUMN note text, ADD COLUMN size integer NOT NULL DEFAULT 1;",
        "ALTER TABLE stock_ledger DROP CONSTRAINT stock_ledger_kind_check;",
        "CREATE TABLE notes (text text NOT NULL);",
        "CREATE OR REPLACE VIEW shown_orders AS SELECT position FROM orders;",
    ],
)
def test_what_adds_is_not(sql: str) -> None:
    assert breaking(sql) == []
