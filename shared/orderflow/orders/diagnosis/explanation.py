"""Why an order waits, what happens when, and the command that would move it. Pure: facts in.

Every open state has an explanation: `explain` knows no other way out.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from orderflow.orders.diagnosis.commands import Target, adjust, announce, patch, redrive, retry
from orderflow.orders.diagnosis.facts import Facts, Queue
from orderflow.orders.states import Status

LOCAL = Target()
ITEMS_NAMED = 3  # in a sentence; all of them are in `items`


class Reason(NamedTuple):
    """What an order waits for, what its deadline brings, and the commands that would move it."""

    waits_for: str
    at_deadline: str
    unstick: list[str]


def explain(facts: Facts, target: Target = LOCAL) -> dict[str, Any] | None:
    """Return the object `waiting` of an open order, None of a closed one.

    Its commands work on `target`.
    """
    reason_of = _REASONS.get(facts.status)
    if reason_of is None:
        return None
    reason, attempts, letter = reason_of(facts, target), facts.attempts, facts.letter
    return {
        "for": reason.waits_for,
        "items": [_shown(queue) for queue in facts.queues],
        "announcements": facts.announcements,
        "next_try": facts.due_at if facts.status == "pending" else None,
        "attempts": attempts.failures if attempts else 0,
        "last_error": attempts.last_error if attempts else None,
        "last_failed_at": attempts.last_failed_at if attempts else None,
        "dead_letter": {"id": letter.id, "error": letter.error} if letter else None,
        "unsent": facts.unsent.model_dump() if facts.unsent else None,
        "deadline": facts.due_at,
        "at_deadline": reason.at_deadline,
        "attention": facts.attention,
        "unstick": reason.unstick,
    }


def _pending(facts: Facts, target: Target) -> Reason:
    if facts.due_at is None:
        at_deadline = "nothing: it is announced again only when a person asks for it"
    else:
        at_deadline = f"sweep announces it again, which is announcement {facts.announcements + 1}"
    again = [retry(target, facts.order_id), announce(target, facts.order_id)]  # either of them
    return Reason(_undecided(facts), at_deadline, [*redrive(target, [facts.letter]), *again])


def _undecided(facts: Facts) -> str:
    letter, attempts = facts.letter, facts.attempts
    if letter is not None:
        return f"a person: its event lies in the dead letters as {letter.id}: {letter.error}"
    if attempts is not None:
        failed = _counted(attempts.failures, "time")
        return f"process_order to succeed; it failed {failed}, the last time: {attempts.last_error}"
    if facts.unsent is not None:
        return f"Kafka: its event is in the outbox since {facts.unsent.since}"
    if facts.offered:
        return f"others: free {_named(facts.offered)} is offered to those who wait longer first"
    return "process_order to take its event from Kafka and decide"


def _backordered(facts: Facts, target: Target) -> Reason:
    short = [queue for queue in facts.queues if queue.short_by]
    moving = [queue for queue in facts.queues if queue.unapplied or queue.fill_due]
    if short:
        waits_for = f"stock: {_named([_missing(queue) for queue in short])}"
    else:
        waits_for = "its turn: enough is free, and is offered first to those who wait longer"
    if changed := [queue.item for queue in moving if queue.unapplied]:
        waits_for += f"; changes of {_named(changed)} are told and not applied yet"
    restock = [adjust(target, queue.item, queue.short_by + queue.ahead_units) for queue in short]
    unstick = [*redrive(target, [queue.letter for queue in moving]), *restock]
    return Reason(waits_for, _person_asked(facts), unstick + _cancel(facts, target))


def _confirmed(facts: Facts, target: Target) -> Reason:
    waits_for = "someone to ship it; its stock is reserved"
    if missing := [
        f"{item.item} (needs {item.needs}; {item.on_hand} on hand, {item.reserved} reserved)"
        for item in facts.shortages
    ]:
        waits_for = f"enough on hand to ship it: {_named(missing)}"
    unstick = [adjust(target, i.item, i.reserved - i.on_hand) for i in facts.shortages]
    unstick += [patch(target, facts.order_id, "shipped"), *_cancel(facts, target)]
    if facts.hold_minutes is None:
        return Reason(waits_for, _person_asked(facts), unstick)
    hold = f"its hold of {_counted(facts.hold_minutes, 'minute')}"
    if facts.is_overdue:
        return Reason(f"sweep to cancel it: {hold} is over", "it is cancelled", unstick)
    at_deadline = f"{hold} ends: it is cancelled, and its stock is free again"
    return Reason(waits_for, at_deadline, unstick)


_REASONS: dict[Status, Callable[[Facts, Target], Reason]] = {
    "pending": _pending,
    "backordered": _backordered,
    "confirmed": _confirmed,
}


def _person_asked(facts: Facts) -> str:
    if facts.due_at is None:
        return "nothing: a person has been asked to look at it"
    return "a person is asked to look at it"


def _cancel(facts: Facts, target: Target) -> list[str]:
    # Offered only once a person was asked: until then it would be the wrong end of the wait.
    return [] if facts.attention is None else [patch(target, facts.order_id, "cancelled")]


def _shown(queue: Queue) -> dict[str, Any]:
    available, names = max(queue.free, 0), ("item", "needs", "short_by", "ahead", "more_ahead")
    return {name: getattr(queue, name) for name in names} | {"available": available}


def _missing(queue: Queue) -> str:
    ahead = _counted(queue.ahead, "order", or_more=queue.more_ahead)
    free = max(queue.free, 0)
    return (
        f"{queue.short_by} more {queue.item} (needs {queue.needs}, {free} free, {ahead} before it)"
    )


def _named(things: Sequence[str]) -> str:
    named, more = list(things[:ITEMS_NAMED]), len(things) - ITEMS_NAMED
    return ", ".join([*named, f"{more} more of them"] if more > 0 else named)


def _counted(count: int, thing: str, *, or_more: bool = False) -> str:
    return f"{count:,}{' or more' if or_more else ''} {thing}{'' if count == 1 else 's'}"
