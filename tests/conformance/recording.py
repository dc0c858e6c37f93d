"""The recorded cases (README.md beside this file) and the manifest that puts one to the runtime."""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

RECORDED_BASE = "http://127.0.0.1:8181"  # where the server stood when the cases were recorded
NOT_COMPARED = frozenset({"user-agent", "content-length", "host"})
SPAN = slice(36, 52)  # of a traceparent
PATIENT_MS = 10_000  # a busy machine may keep an answer back for longer than a recorded timeout
SLOWED = 4  # and so, where an answer is to be too late, all takes as many times as long

Sent = tuple[str, str, tuple[tuple[str, str], ...], str]


@dataclass(frozen=True, slots=True)
class Case:
    """One case as recorded."""

    raw: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.raw["name"])

    @property
    def topic(self) -> str:
        return f"rec.{self.name}"

    @property
    def source(self) -> dict[str, Any]:
        return dict(self.raw["source"])

    @property
    def final_offsets(self) -> dict[str, int]:
        return dict(self.raw["commits"][-1][1])

    @property
    def partitions(self) -> int:
        return int(self.raw["partitions"])

    @property
    def timeout_ms(self) -> int:
        """Longer than recorded, since it shows the same."""
        recorded = int(self.source["timeout_ms"])
        return recorded * SLOWED if self.times_out else max(recorded, PATIENT_MS)

    @property
    def times_out(self) -> bool:
        """Whether an answer comes too late."""
        answers = [*self.raw["answers"].values(), *self.raw["dead_letter_answers"].values()]
        delays = [int(step.get("delay_ms", 0)) for steps in answers for step in steps]
        return max(delays, default=0) >= int(self.source["timeout_ms"])

    def steps(self, to: str, record: str) -> list[dict[str, Any]]:
        """How a record is answered, attempt by attempt."""
        answers = self.raw["answers" if to == "sink" else "dead_letter_answers"]
        steps: list[dict[str, Any]] = answers.get(record, [])
        slowed = SLOWED if self.times_out else 1
        return [step | {"delay_ms": step.get("delay_ms", 0) * slowed} for step in steps]

    def sent(self, base: str) -> dict[str, list[Sent]]:
        """What arrived, by record, in order, with our server's base in place of the recorded."""
        found: dict[str, list[Sent]] = {}
        for request in self.raw["requests"]:
            headers = [(n, v.replace(RECORDED_BASE, base)) for n, v in request["headers"]]
            sent = (request["to"], request["method"], comparable(headers), request["body"])
            found.setdefault(request["record"], []).append(sent)
        return found

    def manifest(self, base: str, kafka: str) -> str:
        """The KafkaSource of the case."""
        source = self.source
        delivery: dict[str, Any] = {
            "retry": source["retry"],
            "backoffPolicy": source["backoffPolicy"],
            "backoffDelay": f"PT{source['backoffDelay_ms'] / 1000}S",
            "timeout": f"PT{self.timeout_ms / 1000}S",
        }
        if source["deadLetterSink"]:
            delivery["deadLetterSink"] = {"uri": f"{base}/{self.name}/dlq"}
        sink = f"{base}/{self.name}/sink"
        if source["sink"] == "refused":
            sink = "http://127.0.0.1:1/refused"
        label = {"kafkasources.sources.knative.dev/key-type": source["key_type"]}
        document = {
            "apiVersion": "sources.knative.dev/v1",
            "kind": "KafkaSource",
            "metadata": {"name": self.name, "namespace": "shop", "labels": label},
            "spec": {
                "bootstrapServers": [kafka],
                "topics": [self.topic],
                "consumerGroup": self.topic,
                "initialOffset": "earliest",
                "ordering": source["ordering"],
                "delivery": delivery,
                "sink": {"uri": sink},
                "ceOverrides": {"extensions": source["ceOverrides"]},
            },
        }
        return yaml.safe_dump(document)


def cases() -> list[Case]:
    """All recorded cases."""
    text = Path(__file__).with_name("recordings.json").read_text(encoding="utf-8")
    return [Case(raw) for raw in json.loads(text)]


def comparable(headers: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Headers that must be the same, sorted; the span id of a trace is not among them."""
    kept = [(name.lower(), value) for name, value in headers if name.lower() not in NOT_COMPARED]
    return tuple(sorted((n, _without_span(v) if n == "traceparent" else v) for n, v in kept))


def _without_span(traceparent: str) -> str:
    return traceparent[: SPAN.start] + "-" * 16 + traceparent[SPAN.stop :]


def body_text(body: bytes) -> str:
    """A body as the recordings write it."""
    if len(body) > 4096:
        return f"sha256:{hashlib.sha256(body).hexdigest()} of {len(body)} bytes"
    return base64.b64encode(body).decode()


def decoded(value: Any) -> bytes | None:
    """Bytes of a key, value or header of a recorded record."""
    if isinstance(value, dict):
        return base64.b64decode(value["repeat"]) * int(value["times"])
    return None if value is None else base64.b64decode(value)
