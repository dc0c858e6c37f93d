"""`sources.knative.dev/v1 PingSource`, with the defaults and the validation of Knative."""

import base64
import binascii
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import field_validator, model_validator

from knative_local.manifests.base import CloudEventOverrides, Destination, Resource, Strict

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


def _is_object(text: str) -> bool:
    return isinstance(json.loads(text), dict)


class PingSourceSpec(Strict):
    """A cron schedule (optionally with leading seconds) and the event it sends."""

    schedule: str = "* * * * *"
    timezone: str = "UTC"
    content_type: str = ""
    data: str = ""
    data_base64: str = ""
    sink: Destination
    ce_overrides: CloudEventOverrides = CloudEventOverrides()

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, text: str) -> str:
        try:
            CronSim(CRON_DESCRIPTORS.get(text, text), datetime.now(UTC))
        except CronSimError as error:
            raise ValueError(f"{text!r} is no cron schedule: {error}") from error
        return text

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, text: str) -> str:
        try:
            ZoneInfo(text)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{text!r} is no IANA time zone") from error
        return text

    @field_validator("data_base64")
    @classmethod
    def _is_base64(cls, text: str) -> str:
        try:
            base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError(f"no Base64: {error}") from error
        return text

    @model_validator(mode="after")
    def _data_fits(self) -> "PingSourceSpec":
        if self.data and self.data_base64:
            raise ValueError("data and dataBase64 exclude each other")
        if self.data and self.content_type == "application/json" and not _is_object(self.data):
            raise ValueError("data of content type application/json must be a JSON object")
        return self

    @property
    def cron(self) -> str:
        """The schedule with five or six fields."""
        return CRON_DESCRIPTORS.get(self.schedule, self.schedule)

    @property
    def body(self) -> bytes | None:
        """What is sent; None when there is no data."""
        if self.data_base64:
            return base64.b64decode(self.data_base64)
        return self.data.encode() if self.data else None


class PingSource(Resource):
    """An event each time the schedule says so."""

    spec: PingSourceSpec
