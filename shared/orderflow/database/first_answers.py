"""First answers of calls with an idempotency key, kept in the transaction of their effects."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from orderflow.database.connection import Conflicted, Connection, Json, statement
from orderflow.errors import InvalidInput

SELECT_ANSWERS = statement(__file__, "select_answers.sql")
INSERT_ANSWERS = statement(__file__, "insert_answers.sql")


class KeyedCall(NamedTuple):
    """Who makes a call under which key; `fingerprint` stands for what it asks for."""

    subject: str
    key: str
    fingerprint: str


class FirstAnswers:
    """The first answers of some calls, read in the transaction that is to make their effects."""

    def __init__(self, connection: Connection, calls: Iterable[KeyedCall | None]) -> None:
        self._connection = connection
        asked = [call._asdict() for call in calls if call is not None]
        rows = connection.run(SELECT_ANSWERS, calls=Json(asked)) if asked else []
        self._known = {(key, subject): (of, orjson.loads(text)) for key, subject, of, text in rows}
        self._new: list[dict[str, Any]] = []

    def get(self, call: KeyedCall | None) -> Any:
        """Return the first answer, None if there is none, an error if it was to another call."""
        if call is None or (call.key, call.subject) not in self._known:
            return None
        fingerprint, answer = self._known[call.key, call.subject]
        return answer if fingerprint == call.fingerprint else key_reused()

    def add(self, call: KeyedCall | None, answer: Any) -> None:
        """Have this answer kept as the first one."""
        if call is not None:
            self._known[call.key, call.subject] = call.fingerprint, answer
            self._new.append({**call._asdict(), "answer": answer})

    def store(self) -> None:
        """Keep the answers; raises `Conflicted` if another has used one of the keys meanwhile."""
        stored = self._connection.run(INSERT_ANSWERS, calls=Json(self._new)) if self._new else []
        if len(stored) < len(self._new):
            raise Conflicted("an idempotency key was used meanwhile")


def key_reused() -> InvalidInput:
    """Return the error of a call whose key was another call's."""
    fault = "this key was used for another request; repeat that one, or use a new key"
    return InvalidInput.of([("Idempotency-Key", fault)])
