"""A typed client of OrderFlow's HTTP contract, sync and async; it needs httpx and nothing else.

A write may be repeated: each has a key of its own, so that a call whose answer got lost is sent
again and acts once. Names and shapes are those of the contract, `GET /openapi.json`.
"""

from orderflow_client.client import AsyncOrderFlow, OrderFlow
from orderflow_client.transfer import Problem, Unreachable

__all__ = ["AsyncOrderFlow", "OrderFlow", "Problem", "Unreachable"]
