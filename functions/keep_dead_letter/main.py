"""KafkaSource's dead letter sink: keeps what no function could process, once, with the reason.

Writes dead_letters and redriven_letters; emits nothing.
"""

from collections.abc import Sequence
from typing import Any

from orderflow.database.connection import Connection, Json, statement
from orderflow.database.group_commit import Batch
from orderflow.dead_letters.letters import letter_of
from orderflow.events.cloudevent import RawEvent
from orderflow.events.models import EVENTS
from orderflow.events.trigger import raw_event
from orderflow.logs import bind_log_fields
from orderflow.metrics.process import metrics
from orderflow.metrics.series import OTHER

KEEP_LETTERS = statement(__file__, "keep_letters.sql")
MAX_DATA_BYTES = 1024 * 1024  # Kafka's own default limit of a record
TYPES = {model.type for model in EVENTS}
MAX_BATCH = 8  # of the largest letters 11 MB of JSON, which is held several times over


@raw_event(MAX_DATA_BYTES)
async def keep_dead_letter(event: RawEvent) -> None:
    """Keep the event, whatever it is: there is nowhere else left for it to go."""
    letter = letter_of(event)
    bind_log_fields(event_id=letter["event_id"], type=letter["type"], reason=letter["error"])
    await keep(letter)
    metrics().letters.add(letter["type"] if letter["type"] in TYPES else OTHER)


def keep_letters(connection: Connection, letters: Sequence[dict[str, Any]]) -> list[None]:
    """Store all of them in one statement, those that are there already as failed once more."""
    numbered = [{**letter, "number": number} for number, letter in enumerate(letters)]
    connection.run(KEEP_LETTERS, letters=Json(numbered))
    return [None] * len(letters)


keep = Batch(keep_letters, limit=MAX_BATCH)
