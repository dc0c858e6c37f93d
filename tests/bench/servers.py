"""The servers that all variants share, and the variants that are measured against each other."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from knative_local.child import source_command
from knative_local.manifests.loader import load_manifests
from knative_local.ports import free_port
from orderflow.database.connection import Connection
from orderflow.database.migrate import migrate
from orderflow_cli.project import CHECKOUT as ROOT
from orderflow_cli.project import MANIFESTS
from orderflow_cli.stack import WITHOUT_TOKENS
from orderflow_cli.topics import create_topics
from tests.bench.calling import answers, function, process
from tests.support.brokers import KINDS, empty_broker
from tests.support.server_process import embedded_postgres
from tests.support.waiting import eventually

HERE = Path(__file__).parent
BROKER = "BENCH_BROKER"  # the variable that says of which kind it is, if not embedded
ITEMS = 50
STOCK = 100_000_000  # of each: no order of any variant is short
# What the references keep; ours has its own tables beside them.
REFERENCE_TABLES = """
CREATE TABLE bench_orders (
  order_id text PRIMARY KEY, item text NOT NULL, quantity integer NOT NULL,
  status text NOT NULL DEFAULT 'pending'
);
CREATE INDEX ON bench_orders (order_id) WHERE status = 'pending';
CREATE TABLE bench_stock (
  item text PRIMARY KEY, on_hand integer NOT NULL, reserved integer NOT NULL DEFAULT 0
);
"""
STOCK_BOTH = """
INSERT INTO bench_stock (item, on_hand)
SELECT 'Item ' || number, {stock} FROM generate_series(0, {last}) AS number;
INSERT INTO stock (item, on_hand) SELECT item, on_hand FROM bench_stock;
"""


@contextmanager
def servers() -> Iterator[Connection]:
    """Run PostgreSQL and a broker with all tables and topics; what starts later finds them."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        database_url = running.enter_context(embedded_postgres(folder))
        kafka = running.enter_context(empty_broker(KINDS[os.environ.get(BROKER, "embedded")]))
        os.environ |= {"DATABASE_URL": database_url, "KAFKA_BOOTSTRAP_SERVERS": kafka}
        os.environ |= WITHOUT_TOKENS
        migrate(database_url)
        create_topics(kafka)
        create_topics(kafka, ["bench-seed", "bench-fastapi"])
        database = Connection(database_url)
        running.callback(database.close)
        database.script(REFERENCE_TABLES)
        database.script(STOCK_BOTH.format(stock=STOCK, last=ITEMS - 1))
        yield database


@contextmanager
def ours() -> Iterator[str]:
    """Serve create_order; yield its URL."""
    with function(ROOT / "functions", "create_order", "--asgi") as url:
        yield url


@contextmanager
def fastapi() -> Iterator[str]:
    """Serve what a good team would write; yield its URL."""
    port = free_port()
    listen = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    app = "tests.bench.fastapi_shop.service:app"
    with process([sys.executable, "-m", "uvicorn", app, *listen]):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        yield url


@contextmanager
def allocation() -> Iterator[None]:
    """Allocate what create_order announces, by process_order and the source of its topic."""
    manifests = load_manifests([ROOT / MANIFESTS])
    orders = next(source for source in manifests.kafka_sources if source.name == "orders")
    with function(ROOT / "functions", "process_order", "--asgi") as url:
        everything = {service.name: url for service in manifests.services}
        kafka = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
        with process(source_command([ROOT / MANIFESTS], orders, kafka, everything)):
            yield


@contextmanager
def fastapi_allocation() -> Iterator[None]:
    """Allocate what the FastAPI service announces, by its consumer."""
    with process([sys.executable, "-m", "tests.bench.fastapi_shop.consumer"]):
        yield
