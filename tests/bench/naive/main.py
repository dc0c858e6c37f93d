"""What one would write first: an insert, a commit and a flush for each call.

It keeps its connection, which is kind: opening one a call costs it most of its speed.
"""

import json
import os
from functools import cache
from urllib.parse import unquote, urlsplit

import flask
import functions_framework
import pg8000.dbapi
from confluent_kafka import Producer


@cache
def _connection() -> pg8000.dbapi.Connection:
    where = urlsplit(os.environ["DATABASE_URL"])
    folder = unquote(where.netloc.partition("@")[2])  # of the server's Unix socket
    return pg8000.dbapi.connect(
        user=where.username, unix_sock=f"{folder}/.s.PGSQL.5432", database=where.path[1:]
    )


@cache
def _producer() -> Producer:
    return Producer({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]})


@functions_framework.http
def naive(request: flask.Request) -> tuple[dict[str, str], int]:
    """Store an order of one line and tell Kafka."""
    order = request.get_json()
    _connection().cursor().execute(
        "INSERT INTO naive_orders (order_id, item, quantity) VALUES (%s, %s, %s)",
        (order["order_id"], order["item"], order["quantity"]),
    )
    _connection().commit()
    _producer().produce("order-events", json.dumps(order))
    _producer().flush()
    return {"message": "Order received, stored in DB, and sent to Kafka"}, 201
