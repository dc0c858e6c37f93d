"""Settings: the only module of the library and the functions that reads the environment.

Built on first use and never on import, because functions-framework loads a function before it
forks its workers.
"""

import os
from functools import cache
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from orderflow.errors import ConfigurationError, MissingSetting

S = TypeVar("S", bound=BaseModel)


def _with_port_number(url: str) -> str:
    _ = urlsplit(url).port  # raises ValueError
    return url


DatabaseUrl = Annotated[str, Field(pattern=r"^postgres(ql)?://"), AfterValidator(_with_port_number)]


class LogSettings(BaseModel):
    """How to log: what anything may be told and nothing must."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """The least severe log line written."""

    k_service: str = "orderflow"
    """The name of the running service; Knative sets it (Serving's runtime contract)."""


class DatabaseSettings(BaseModel):
    """Where the truth is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: DatabaseUrl
    """As `postgresql://user:password@host:port/database`."""


class KafkaSettings(BaseModel):
    """Where the nudges go."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kafka_bootstrap_servers: str = Field(min_length=1)
    """The brokers, as `host:port[,host:port...]`."""


class Settings(DatabaseSettings, KafkaSettings):
    """What a function must be told. Each field is the environment variable of the same name."""


@cache
def settings() -> Settings:
    """Return the settings, read once.

    Raises `ConfigurationError`, one line that names every variable to set.
    """
    return _read(Settings)


@cache
def log_settings() -> LogSettings:
    """Return the settings of the log, read once; raises `ConfigurationError`."""
    return _read(LogSettings)


def database_url(given: str | None = None) -> str:
    """Return the URL given with `--postgres`, else that of the environment.

    Raises `ConfigurationError` when it is missing or not a URL of a PostgreSQL.
    """
    if given is None:
        return _read(DatabaseSettings).database_url
    try:
        return TypeAdapter(DatabaseUrl).validate_python(given)
    except ValidationError as error:
        wrong = "give --postgres as postgresql://user:password@host:port/database"
        raise ConfigurationError(wrong) from error


def kafka_servers(given: str | None = None) -> str:
    """Return the brokers given with `--kafka`, else those of the environment.

    Raises `ConfigurationError` when there are none.
    """
    return given or _read(KafkaSettings).kafka_bootstrap_servers


def _read(model: type[S]) -> S:
    try:
        return model.model_validate({name.lower(): value for name, value in os.environ.items()})
    except ValidationError as error:
        wrong = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        missing = all(e["type"] == "missing" for e in error.errors())
        kind = MissingSetting if missing else ConfigurationError
        raise kind(f"set these environment variables: {wrong}") from error
