"""`sources.knative.dev/v1 PingSource`, with the defaults and the validation of Knative."""

import base64
import json
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, model_validator

from knative_local.manifests.base import (
    CloudEventOverrides,
    Destination,
    Resource,
    ServiceRefs,
    Strict,
)

# robfig/cron's names for common schedules; `@every` is refused by Knative's webhook.
CRON_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def _cron(text: str) -> str:
    cron = CRON_DESCRIPTORS.get(text, text)
    try:
        CronSim(cron, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"{text!r} is no cron schedule: {error}") from error
    return cron


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{text!r} is no IANA time zone") from error
    return text


def _base64(text: str) -> str:
    base64.b64decode(text, validate=True)  # binascii.Error is a ValueError
    return text


class PingSourceSpec(Strict):
    """A cron schedule (five or six fields, the first of six for seconds) and what it sends."""

    schedule: Annotated[str, AfterValidator(_cron)] = "* * * * *"
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    content_type: str = ""
    data: str = ""
    data_base64: Annotated[str, AfterValidator(_base64)] = ""
    sink: Destination
    ce_overrides: CloudEventOverrides = CloudEventOverrides()

    @model_validator(mode="after")
    def _data_fits(self) -> "PingSourceSpec":
        if self.data and self.data_base64:
            raise ValueError("data and dataBase64 exclude each other")
        if (
            self.data
            and self.content_type == "application/json"
            and not isinstance(json.loads(self.data), dict)
        ):
            raise ValueError("data of content type application/json must be a JSON object")
        return self

    @property
    def body(self) -> bytes | None:
        """What is sent; None when there is no data."""
        if self.data_base64:
            return base64.b64decode(self.data_base64)
        return self.data.encode() if self.data else None


class PingSource(Resource):
    """An event each time the schedule says so."""

    spec: PingSourceSpec

    def services(self) -> ServiceRefs:
        """The sink, where it is a Service."""
        yield from self.spec.sink.services("spec.sink")
