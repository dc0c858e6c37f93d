"""The answer about the whole."""

from typing import Annotated

from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from orderflow.contract.answers.orders import Count

Seconds = Annotated[float, Field(ge=0)]


class OrdersByStatus(TypedDict):
    """How many orders have each status."""

    pending: Count
    confirmed: Count
    backordered: Count
    rejected: Count
    cancelled: Count
    shipped: Count


class Minute(TypedDict):
    """How many orders were accepted in a minute, and on how many was decided."""

    minute: AwareDatetime
    accepted: Count
    allocated: Count


class AllocationTimes(TypedDict):
    """Milliseconds from acceptance to decision, to within 19 %, of the last `minutes`."""

    p50: Annotated[float, Field(ge=0)]
    p95: Annotated[float, Field(ge=0)]
    p99: Annotated[float, Field(ge=0)]
    orders: Count
    minutes: Count


class OldestPending(TypedDict):
    """The order that waits longest for a decision."""

    order_id: str
    placed_at: AwareDatetime
    age_s: Seconds


class Backlog(TypedDict):
    """Events that are not known to be on Kafka, counted up to 10,000."""

    waiting: Count
    oldest_s: Seconds | None


class ConsumerLag(TypedDict):
    """Events of a topic that a consumer group has not finished."""

    group: str
    topic: str
    lag: Count


class Attention(TypedDict):
    """What waits for a person, each counted up to 10,000; what was refused, of the last 7 days."""

    orders: Count
    inventory_changes: Count
    refused_changes: Count


class DeadLetterCounts(TypedDict):
    """Dead letters, each counted up to 10,000."""

    kept: Count
    redriving: Count


class ShortItem(TypedDict):
    """An item of which less is available than the orders that wait for it want."""

    item: str
    available: Count
    orders: Count
    units: Count


class ShortItems(TypedDict):
    """How many items are short, and those of which most units are wanted."""

    count: Count
    items: Annotated[list[ShortItem], Field(max_length=100)]


class LowItem(TypedDict):
    """An item of which less is available than its threshold."""

    item: str
    available: Count
    threshold: Count


class LowItems(TypedDict):
    """How many items are below their threshold, and those that lack the most."""

    count: Count
    items: Annotated[list[LowItem], Field(max_length=100)]


class LastSweep(TypedDict):
    """When sweep took all of its steps."""

    at: AwareDatetime
    age_s: Seconds


class LastAudit(TypedDict):
    """The last audit, and whether all of it held."""

    audit_id: Count
    at: AwareDatetime
    passed: bool
    differences: Count


class Overview(TypedDict):
    """How the whole does; at most a second old, what is costly to find at most ten.

    `per_minute` is the last hour, oldest first; `consumer_lag` is null if Kafka does not answer.
    """

    at: AwareDatetime
    orders: OrdersByStatus
    per_minute: Annotated[list[Minute], Field(min_length=60, max_length=60)]
    allocation_ms: AllocationTimes | None
    oldest_pending: OldestPending | None
    outbox: Backlog
    consumer_lag: list[ConsumerLag] | None
    attention: Attention
    dead_letters: DeadLetterCounts
    short_items: ShortItems
    low_items: LowItems
    last_sweep: LastSweep | None
    last_audit: LastAudit | None
