"""What is over is forgotten after its time, in bounded steps, and nothing else is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from orderflow.config import RetentionSettings
from orderflow.database.connection import Connection
from orderflow.retention import purging
from orderflow.retention.purging import purge, retention
from tests.functions.test_list_orders import explained, rows_read
from tests.support.dead_letters import keep, make_letter

MANY = 5_000
DELETES = {
    "dead_letters": purging.DELETE_LETTERS,
    "redrives": purging.DELETE_REDRIVES,
    "attempts": purging.DELETE_ATTEMPTS,
    "first_answers": purging.DELETE_ANSWERS,
    "inventory_changes": purging.DELETE_CHANGES,
}
FILL = f"""
INSERT INTO dead_letters (
  identity, event_id, type, attributes, data, data_bytes, destination, error, consumer, state,
  last_failed_at
)
SELECT n, n, 't', '{{}}', '', 0, 'd', 'e', 'c',
  CASE WHEN n % 5 = 0 THEN 'kept' ELSE 'settled' END, now() - n * interval '1 minute'
FROM generate_series(1, {MANY}) AS n;
INSERT INTO redrives (action, asked_by, selection, matched, asked_at)
SELECT 'discard', 'me', '{{}}', 1, now() - n * interval '1 minute'
FROM generate_series(1, {MANY}) AS n;
INSERT INTO attempts (identity, function, event_id, last_error, last_failed_at)
SELECT n, 'f', n, 'e', now() - n * interval '1 minute' FROM generate_series(1, {MANY}) AS n;
INSERT INTO first_answers (idempotency_key, subject, fingerprint, answer, answered_at)
SELECT n, 'me', '', '{{}}', now() - n * interval '1 minute' FROM generate_series(1, {MANY}) AS n;
INSERT INTO inventory_changes (
  change_id, item, stock, occurred_at, fingerprint, traceparent, outcome, applied_at, announce_at
)
SELECT n, 'Lamp', 1, now(), '', '', CASE WHEN n % 5 = 0 THEN 'applied' ELSE 'superseded' END,
  now() - n * interval '1 minute', now()
FROM generate_series(1, {MANY}) AS n;
ANALYZE;
"""


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings under which everything that may be forgotten is, after a day."""
    for name in RetentionSettings.model_fields:
        monkeypatch.setenv(f"ORDERFLOW_{name.upper()}", "1")
    retention.cache_clear()
    yield
    retention.cache_clear()


def counts(connection: Connection) -> dict[str, int]:
    return {table: connection.run(f"SELECT count(*) FROM {table}")[0][0] for table in DELETES}


def test_each_step_forgets_a_bounded_number_of_what_is_old_and_at_last_all_of_it(
    alone: Connection, bounded: None
) -> None:
    alone.script(FILL)

    steps = [purge(alone)]
    first = counts(alone)
    while steps[-1]:
        steps.append(purge(alone))

    assert first == dict.fromkeys(DELETES, MANY - purging.AT_ONCE)
    day = 24 * 60 - 1  # minutes: what is of exactly a day ago may be older by now
    left = counts(alone)
    assert all(abs(left[table] - day) <= 2 for table in ("redrives", "attempts", "first_answers"))
    # Of the others a fifth stays: letters that are kept, and changes that moved stock.
    stay = (MANY - day) // 5
    assert abs(left["dead_letters"] - day - stay) <= 2
    assert abs(left["inventory_changes"] - day - stay) <= 2


def test_by_default_no_inventory_change_is_forgotten(alone: Connection) -> None:
    alone.script(FILL)
    alone.script("UPDATE inventory_changes SET applied_at = '1970-01-01'")

    purge(alone)

    assert counts(alone)["inventory_changes"] == MANY


def test_a_redrive_is_remembered_as_long_as_a_letter_of_it_is(
    alone: Connection, bounded: None
) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=400)).isoformat()
    (letter,) = keep(alone, make_letter(failed_at=long_ago))
    alone.run(
        """WITH made AS (
          INSERT INTO redrives (action, asked_by, selection, matched, asked_at)
          VALUES ('discard', 'me', '{}', 1, '2020-01-01') RETURNING position
        )
        INSERT INTO redriven_letters (redrive, letter) SELECT position, :letter FROM made""",
        letter=letter,
    )

    purge(alone)
    with_letter = counts(alone)
    alone.run("UPDATE dead_letters SET state = 'discarded' WHERE position = :id", id=letter)
    purge(alone)

    assert (with_letter["dead_letters"], with_letter["redrives"]) == (1, 1)
    assert (counts(alone)["dead_letters"], counts(alone)["redrives"]) == (0, 0)


@pytest.mark.parametrize("table", DELETES)
def test_a_step_reads_no_more_than_it_forgets(alone: Connection, table: str) -> None:
    alone.script(FILL)

    alone.run("BEGIN")
    found = explained(alone, DELETES[table], days=2, count=100)
    nothing = explained(alone, DELETES[table], days=5, count=100)
    alone.run("ROLLBACK")

    assert rows_read(found) <= 100 * 6, found
    assert rows_read(nothing) <= 10, nothing
