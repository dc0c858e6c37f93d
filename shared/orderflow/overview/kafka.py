"""How far the functions are behind what Kafka has for them, if Kafka says so in time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from orderflow.config import ConsumerSettings, read, settings
from orderflow.events.consumer_lag import Lag, consumer_lag
from orderflow.logs import logger

ANSWER_WITHIN_S = 2.0  # a page waits no longer for the one figure that is not in the database


async def current_lag() -> list[Lag] | None:
    """Return the lag of each group and topic of the settings; None if Kafka does not answer."""
    asked = asyncio.get_running_loop().run_in_executor(_thread(), _ask)
    try:
        return await asyncio.wait_for(asked, ANSWER_WITHIN_S)
    except (TimeoutError, KafkaException) as error:
        logger().warning("Kafka does not tell its lag", why=str(error) or "no answer in time")
        return None


def _ask() -> list[Lag]:
    groups = read(ConsumerSettings, "ORDERFLOW_").groups
    return consumer_lag(_admin(), groups, timeout_s=ANSWER_WITHIN_S)


@cache
def _thread() -> ThreadPoolExecutor:
    # One: while Kafka hangs, no second question is asked.
    return ThreadPoolExecutor(1, thread_name_prefix="kafka")


@cache
def _admin() -> AdminClient:
    told = settings()
    # librdkafka repeats "connection refused" every second otherwise.
    quiet: dict[str, Any] = {"log_level": 2, "error_cb": lambda error: None}
    return AdminClient(
        {"bootstrap.servers": told.kafka_bootstrap_servers, **quiet, **told.security}
    )
