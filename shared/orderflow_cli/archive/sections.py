"""The sections of an archive, and the statements that find, read and remove what is in each."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from orderflow.database.connection import Connection, statement
from orderflow_cli.archive.files import SectionName

READ_ENTRIES = statement(__file__, "read_entries.sql")

LOOKED_AT = 1_000  # rows a statement: some milliseconds, whatever they are
READ_AT_ONCE = 500  # a statement: of orders of 100 lines with long names it is 30 MB


class Section(NamedTuple):
    """What of the database goes into files of one name.

    `find` takes a time and the key after which to look, `read` the keys of rows; both are of the
    rows' own numbers. A section without `take` stays in the database; `key` is the number's name.
    """

    name: SectionName
    key: str
    find: str
    read: str
    take: str | None = None
    delete: str | None = None
    known_by: tuple[str, ...] = ()


SECTIONS = (
    Section(
        "orders",
        "position",
        statement(__file__, "find_orders.sql"),
        statement(__file__, "read_orders.sql"),
        statement(__file__, "take_orders.sql"),
        statement(__file__, "delete_orders.sql"),
        ("order_id", "sequence"),
    ),
    Section(
        "changes",
        "position",
        statement(__file__, "find_changes.sql"),
        statement(__file__, "read_changes.sql"),
        statement(__file__, "take_changes.sql"),
        statement(__file__, "delete_changes.sql"),
        ("change_id",),
    ),
    Section(
        "repairs",
        "entry",
        statement(__file__, "find_repairs.sql"),
        READ_ENTRIES,
        statement(__file__, "take_repairs.sql"),
    ),
    Section("openings", "entry", statement(__file__, "find_openings.sql"), READ_ENTRIES),
)


def rows_before(connection: Connection, section: Section, before: datetime) -> Iterator[str]:
    """Yield the lines of what was over before a time, in the order of their numbers."""
    last: int | None = 0
    while last is not None:
        looked_at = {"before": before.isoformat(), "after": last, "count": LOOKED_AT}
        page = connection.value(section.find, **looked_at)
        found, last = page["found"], page["last"]
        for start in range(0, len(found), READ_AT_ONCE):
            rows = connection.run(section.read, ids=found[start : start + READ_AT_ONCE])
            yield from (line for _, line in rows)
