"""Keeps the counters of orders short: what triggers on `orders` counted is added to the totals."""

from orderflow.database.connection import Connection, statement

FOLD_DELTAS = statement(__file__, "fold_deltas.sql")
DELETE_OLD_MINUTES = statement(__file__, "delete_old_minutes.sql")
RECORD_SWEEP = statement(__file__, "record_sweep.sql")

FOLDED_AT_ONCE = 10_000  # deltas a transaction, some 50 ms; a busy stack makes 1,500 in 10 s
FOLDS = 20  # a call: what an hour without sweep left is gone after two


def fold(connection: Connection) -> int:
    """Add to the totals what was counted since, in small transactions; return how many deltas."""
    total = 0
    for _ in range(FOLDS):
        ((folded,),) = connection.run(FOLD_DELTAS, count=FOLDED_AT_ONCE)
        total += folded
        if folded < FOLDED_AT_ONCE:
            break
    connection.run(DELETE_OLD_MINUTES)
    return total


def conclude_sweep(connection: Connection, *, complete: bool) -> None:
    """Fold what was counted, and if all steps of the sweep were taken, say that they were now."""
    fold(connection)
    if complete:
        connection.run(RECORD_SWEEP)
