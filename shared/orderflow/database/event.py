"""An event as a row of the outbox, which a transaction records and the outbox publishes."""

from typing import Literal, NamedTuple

Topic = Literal["orders", "inventory", "order-events"]


class Event(NamedTuple):
    """Its columns; `payload` is JSON text, `copy` tells those of one event apart."""

    id: str
    aggregatetype: Topic
    aggregateid: str
    type: str
    payload: str
    sequence: int
    source: str
    traceparent: str
    at: str
    copy: int = 1
