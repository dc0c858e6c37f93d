"""How fast closed orders leave for an archive, and whether writers are held up meanwhile."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from orderflow.audit.checks import ANSWER_TIMEOUT_S, audit
from orderflow.database.connection import Connection
from orderflow.database.migrate import migrate
from orderflow_cli.archive.files import Manifest
from orderflow_cli.archive.record import begin, finish
from orderflow_cli.archive.removing import remove
from orderflow_cli.archive.writing import compare, write_archive
from orderflow_cli.progress import bar
from tests.bench.audit import Write, percentiles, told, writing
from tests.bench.history import fill
from tests.support.server_process import embedded_postgres

ORDERS = 100_000  # of which four fifths are closed
QUIET_S = 20.0  # of writers alone, before and after
BEFORE = datetime(2026, 6, 1, tzinfo=UTC)  # after all that make_orders.sql makes
VACUUM_TIMEOUT_S = 600.0
TOUCHED = "ledger", "reservations", "oversold", "history", "movements", "changes"


@dataclass
class Measured:
    """Seconds of each part, and the writes that began in it."""

    seconds: dict[str, float] = field(default_factory=dict)
    writes: dict[str, list[Write]] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str, writes: list[Write]) -> Iterator[None]:
        """Measure the block."""
        began, first = time.perf_counter(), len(writes)
        yield
        self.seconds[name] = time.perf_counter() - began
        self.writes[name] = [write for write in writes[first:] if write.began >= began]


def main(console: Console, orders: int = ORDERS, quiet_s: float = QUIET_S) -> None:
    """Make the orders, archive them while others write, and print the figures."""
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder)) as url:
        migrate(url)
        with closing(Connection(url, answer_timeout_s=VACUUM_TIMEOUT_S)) as connection:
            fill(console, connection, orders)
        with closing(Connection(url, answer_timeout_s=ANSWER_TIMEOUT_S)) as connection:
            archive_folder = Path(folder) / "archive"
            archive_folder.mkdir()
            before = size_of(connection)
            measured, manifest = measure(console, connection, url, archive_folder, quiet_s)
            assert audit(connection).found(*TOUCHED) == 0
            console.print(table(measured, manifest, before, size_of(connection)))


def measure(
    console: Console, connection: Connection, url: str, folder: Path, quiet_s: float
) -> tuple[Measured, Manifest]:
    """Archive everything that is closed beside writers; return what each part took."""
    measured = Measured()
    with writing(url) as writes:
        time.sleep(quiet_s / 4)  # until their connections are warm
        with measured.part("alone", writes):
            time.sleep(quiet_s)
        with measured.part("writing", writes), bar(console, "writing") as advance:
            manifest = write_archive(connection, folder, BEFORE, None, advance)
        assert manifest is not None
        with measured.part("reading back", writes), bar(console, "reading back") as advance:
            compare(connection, folder, manifest, advance)
        begin(connection, folder, manifest)
        with measured.part("deleting", writes), bar(console, "deleting") as advance:
            remove(connection, folder, manifest, advance)
        finish(connection, manifest)
        with measured.part("VACUUM", writes):
            connection.script("SET statement_timeout = 0")
            connection.script("VACUUM (ANALYZE)")
    return measured, manifest


def size_of(connection: Connection) -> dict[str, int]:
    """Return the bytes of the whole and of what is left of archived orders, with indexes."""
    sql = """SELECT pg_database_size(current_database()),
      pg_total_relation_size('archived_orders')"""
    ((whole, remains),) = connection.run(sql)
    return {"database": int(whole), "remains": int(remains)}


def table(
    measured: Measured, manifest: Manifest, before: dict[str, int], after: dict[str, int]
) -> Table:
    """Return the figures."""
    orders = manifest.rows("orders")
    shown = Table("what", "figure", title=f"{orders:,} orders into an archive beside writers")
    shown.columns[1].justify = "right"
    for part in ("writing", "reading back", "deleting"):
        shown.add_row(f"orders/s, {part}", f"{orders / measured.seconds[part]:,.0f}")
    whole = sum(measured.seconds[part] for part in ("writing", "reading back", "deleting"))
    shown.add_row("orders/s, all of it", f"{orders / whole:,.0f}")
    shown.add_row("bytes an order in the files", per_order(orders, file_bytes(manifest)))
    shown.add_row("bytes an order that remain", per_order(orders, after["remains"]))
    shown.add_row("MB of the database, before and after", told_mb(before, after))
    shown.add_row("s of VACUUM", f"{measured.seconds['VACUUM']:.1f}")
    for row in ratios(measured.writes, percentiles):
        shown.add_row(*row)
    return shown


def ratios(
    writes: dict[str, list[Write]], of: Callable[[Sequence[Write]], tuple[float, float]]
) -> Iterator[tuple[str, str]]:
    """Yield the latency of a write in each part, and beside that of writers alone."""
    alone = of(writes["alone"])
    yield "ms a write alone, p50 / p99", told(alone)
    for part in ("writing", "reading back", "deleting", "VACUUM"):
        if len(writes[part]) >= 10:
            pair = of(writes[part])
            times = " / ".join(f"{x / y:.2f}" for x, y in zip(pair, alone, strict=True))
            yield f"ms a write beside {part}; times alone", f"{told(pair)}; {times}"


def file_bytes(manifest: Manifest) -> int:
    """Return the size of the files of orders."""
    return sum(file.size_bytes for file in manifest.of("orders"))


def per_order(orders: int, size: int) -> str:
    """Return the bytes of each."""
    return f"{size / orders:,.0f}"


def told_mb(before: dict[str, int], after: dict[str, int]) -> str:
    """Return both sizes in megabytes."""
    return f"{before['database'] / 1e6:,.0f} / {after['database'] / 1e6:,.0f}"
