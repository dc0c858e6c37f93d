"""What a count or an adjustment makes of an item's stock. Pure: no I/O, no clock.

Tills and scanners report late, so each change says when it was true. A count replaces everything
before its time and keeps every movement after it; an adjustment from before the latest count is
in that count already.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

Result = Literal["applied", "superseded", "refused"]


class Change(NamedTuple):
    """A count (`stock`) or a difference (`adjust`), in units.

    `moved_since` is the sum of the item's movements on record after `occurred_at`, None where some
    of them are in an archive: what was on the shelf then says nothing of now.
    """

    position: int
    stock: int | None
    adjust: int | None
    occurred_at: datetime
    moved_since: int | None = 0


class Applied(NamedTuple):
    """What became of a change, and the units by which on hand moved."""

    change: Change
    result: Result
    on_hand_change: int


def apply_changes(
    on_hand: int, counted_at: datetime | None, changes: Sequence[Change]
) -> list[Applied]:
    """Decide on changes in the order in which they came, from `on_hand` units on."""
    applied: list[Applied] = []
    for change in changes:
        done = _apply(on_hand, counted_at, change, applied)
        applied.append(done)
        on_hand += done.on_hand_change
        if change.stock is not None and done.result == "applied":
            counted_at = change.occurred_at
    return applied


def _apply(
    on_hand: int, counted_at: datetime | None, change: Change, before: Sequence[Applied]
) -> Applied:
    if counted_at is not None and change.occurred_at < counted_at:
        return Applied(change, "superseded", 0)
    if change.adjust is not None:
        if on_hand + change.adjust < 0:
            return Applied(change, "refused", 0)
        return Applied(change, "applied", change.adjust)
    if change.moved_since is None:
        return Applied(change, "superseded", 0)
    kept = change.moved_since + sum(
        done.on_hand_change
        for done in before
        if done.change.adjust is not None and done.change.occurred_at > change.occurred_at
    )
    # More left since than was counted: the shelf is empty, whatever the sums say.
    return Applied(change, "applied", max((change.stock or 0) + kept, 0) - on_hand)
