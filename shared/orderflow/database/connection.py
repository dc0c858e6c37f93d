"""PostgreSQL on pg8000: a connection made on first use, statements from `.sql` files, retries.

pg8000 blocks, so a transaction is one plain function that runs in a thread (`worker`).
"""

import random
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson
from pg8000 import native

from orderflow.database.address import connection_arguments
from orderflow.database.event import Event
from orderflow.errors import DatabaseAway, InvalidInput, Later, OrderFlowError
from orderflow.logs import logger

T = TypeVar("T")

ANSWER_TIMEOUT_S = 15  # above the server's own statement limit, which normally ends it first
CONFLICT_TRIES = 5  # deadlocks and serialization failures clear at the next try
CONFLICT_PAUSE_S = 0.02  # doubled a try, with chance, so that two do not meet again
NO_TLS = "refuses SSL"  # of a server that has none, in pg8000's words
MAX_NAME = 60  # characters by which a statement of no file is known

_CONFLICTS = ("40001", "40P01", "55P03")  # serialization, deadlock, lock timeout
_PASSING = ("08", "53", "57", "58", "25", "26")  # connection, resources, shutdown, system, state
_STATEMENT_TIMEOUT = "57014"
# What a body can cause: a constraint; a number, a time or a character beyond what a column takes.
# The rest of class 22, as a malformed array, is a statement that is wrong.
_WRONG_DATA = ("23", "22001", "22003", "22008", "22021", "22P05")

_names: dict[str, str] = {}


@cache
def statement(beside: str, name: str) -> str:
    """Return the text of a `.sql` file beside a module, read once; the log knows it by its name."""
    text = Path(beside).with_name(name).read_text()
    _names[text] = name
    return text


BEGIN_SESSION = statement(__file__, "begin_session.sql")


class Json(NamedTuple):
    """A parameter that goes as JSON text."""

    content: object


class Conflicted(Later):
    """Two transactions wanted the same rows in another order; trying again clears it."""


class StatementTimeout(Later):
    """A statement ran into its own time limit, which is no sign that the database is away."""


class Refused(InvalidInput):
    """A constraint or a type of the database refuses these values, now and later."""


class StatementFault(OrderFlowError):
    """A statement is wrong, or its role may not run it: a fault of ours, whatever the values."""


class Connection:
    """One connection, for one thread at a time. Opens itself and, after a fault, opens again.

    An answer that takes longer than `answer_timeout_s` is a fault. `on_commit` gets the events of
    each commit; without it they stay in the outbox, where the relay finds them.
    """

    def __init__(
        self,
        url: str,
        on_commit: Callable[[Sequence[Event]], object] | None = None,
        *,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._url = url
        self._on_commit = on_commit
        self._answer_timeout_s = answer_timeout_s
        self._native: native.Connection | None = None
        self._prepared: dict[str, native.PreparedStatement] = {}
        self._recorded: list[Event] | None = None  # by the transaction under way
        self._interrupted = False

    def run(self, sql: str, **parameters: object) -> list[list[Any]]:
        """Run one prepared statement; without `transaction` around it, it commits by itself.

        A list or tuple parameter goes as an array, for `= ANY(CAST(:ids AS text[]))`; what is to
        go as JSON text is marked with `Json`. Raises `DatabaseAway` when the database does not
        answer, `Refused` when it never will take these values, `Conflicted` after a deadlock,
        `StatementTimeout` and `StatementFault`.
        """
        texts = {name: _to_text(value) for name, value in parameters.items()}
        with self._translating(sql):
            prepared = self._prepared.get(sql)
            if prepared is None:
                prepared = self._prepared[sql] = self._open().prepare(sql)
            return prepared.run(**texts) or []

    def value(self, sql: str, **parameters: object) -> Any:
        """Return the one value that a statement answers with as JSON text; None without a row."""
        rows = self.run(sql, **parameters)
        return orjson.loads(rows[0][0]) if rows else None

    def script(self, sql: str) -> None:
        """Run several statements at once, without parameters."""
        with self._translating(sql):
            self._open().execute_simple(sql)

    def ping(self) -> None:
        """Reach the database, and do nothing there; raises `DatabaseAway`."""
        self.script("")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or nothing of it; then its events may be published."""
        self.run("BEGIN")
        recorded: list[Event] = []
        self._recorded = recorded
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if self._native is not None:  # a lost connection has rolled back
                with suppress(DatabaseAway):
                    self.run("ROLLBACK")
            raise
        finally:
            self._recorded = None
        self.record(recorded)

    def record(self, events: Iterable[Event]) -> None:
        """Have events published that a statement has put into the outbox.

        They are once the transaction commits, and never if it does not. A statement outside of a
        transaction has committed already.
        """
        if self._recorded is not None:
            self._recorded += events
        elif (committed := list(events)) and self._on_commit is not None:
            self._on_commit(committed)

    def interrupt(self) -> None:
        """End what another thread runs here, and all that would follow, as if the server was away.

        The server itself notices at its next look, `client_connection_check_interval`.
        """
        self._interrupted = True
        if (used := self._native) is not None:
            with suppress(OSError, AttributeError):  # closed by itself meanwhile
                used._usock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Drop the connection; the next use opens another."""
        broken, self._native = self._native, None
        self._prepared.clear()
        if broken is not None:
            with suppress(OSError, native.Error):
                broken.close()

    def _open(self) -> native.Connection:
        if self._interrupted:
            raise DatabaseAway("this was interrupted; nothing was done")
        if self._native is None:
            arguments = connection_arguments(self._url, self._answer_timeout_s)
            try:
                self._native = native.Connection(**arguments)
                self._native.execute_simple(BEGIN_SESSION)
            except BaseException as error:
                arguments["sock"].close()
                if isinstance(error, ssl.SSLError) or NO_TLS in str(error):
                    logger().error("no TLS with the database", why=str(error))
                raise
        return self._native

    @contextmanager
    def _translating(self, sql: str) -> Iterator[None]:
        name = _names.get(sql, sql[:MAX_NAME])
        try:
            yield
        except native.DatabaseError as error:
            raise self._translated(error, name) from error
        except (native.InterfaceError, OSError, EOFError) as error:
            if isinstance(error.__context__, KeyError):  # pg8000's word for a missing parameter
                raise StatementFault(f"{name} has another parameter: {error}") from error
            if refusal := _refusal_behind(error):
                raise self._translated(refusal, name) from error
            self.close()
            raise DatabaseAway("the database does not answer; nothing was done") from error

    def _translated(self, error: native.DatabaseError, name: str) -> Exception:
        fault = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        code, message = str(fault.get("C", "")), str(fault.get("M", error))
        if code in _CONFLICTS:
            return Conflicted(message)
        if code.startswith(_WRONG_DATA):
            return Refused(message)
        if code == _STATEMENT_TIMEOUT:
            logger().error("statement timed out", statement=name, message=message)
            return StatementTimeout(f"{name} took longer than it may; nothing was done")
        self.close()  # if only because a prepared statement is of a schema that is no more
        if code.startswith(_PASSING):
            return DatabaseAway("the database is not ready; nothing was done")
        logger().error("statement refused", statement=name, code=code, message=message)
        return StatementFault(f"the database does not take {name}; the log says why")


def retrying(work: Callable[[], T]) -> T:
    """Return what `work` returns, trying again a bounded number of times after a conflict.

    A lost connection is tried once more on a new one: every transaction here is safe to repeat,
    and after a restart of the database the old connection is merely stale.
    """
    for attempt in range(1, CONFLICT_TRIES):
        try:
            return work()
        except Conflicted:
            time.sleep(CONFLICT_PAUSE_S * 2**attempt * random.random())  # noqa: S311 (a pause)
        except DatabaseAway:
            break
    return work()


def _refusal_behind(error: BaseException) -> native.DatabaseError | None:
    # A server that lets nobody in says so and closes; on a Unix socket pg8000 then fails at its own
    # good-bye.
    behind = error.__context__
    while isinstance(behind, native.InterfaceError | OSError | EOFError):
        behind = behind.__context__
    return behind if isinstance(behind, native.DatabaseError) else None


def _to_text(value: object) -> object:
    if isinstance(value, Json):
        return orjson.dumps(value.content).decode()
    # One text for the whole array, as pg8000 takes ten times as long over its elements.
    return f"{{{','.join(map(_element, value))}}}" if isinstance(value, list | tuple) else value


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
