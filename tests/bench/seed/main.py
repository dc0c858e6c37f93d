"""The design that OrderFlow began as: for each call a connection, an insert, a commit and a flush.

Flask serves it by way of functions-framework, in as many processes as serve it best.
"""

import json
import os
from functools import cache

import flask
import functions_framework
from confluent_kafka import Producer
from pg8000 import native

from orderflow.database.address import connection_arguments

TIMEOUT_S = 10.0


@cache
def _producer() -> Producer:
    return Producer({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]})


@functions_framework.http
def seed(request: flask.Request) -> tuple[dict[str, str], int]:
    """Store an order of one line and tell Kafka."""
    order = request.get_json()
    connection = native.Connection(**connection_arguments(os.environ["DATABASE_URL"], TIMEOUT_S))
    connection.run(
        "INSERT INTO bench_orders (order_id, item, quantity) VALUES (:order_id, :item, :quantity)",
        **order,
    )
    connection.close()
    _producer().produce("bench-seed", json.dumps(order))
    _producer().flush(TIMEOUT_S)
    return {"message": "Order received, stored in DB, and sent to Kafka"}, 201
