"""Settings: the only module of the library and the functions that reads the environment.

Built on first use and never on import, because functions-framework loads a function before it
forks its workers.
"""

import os
from functools import cache
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orderflow.errors import ConfigurationError

S = TypeVar("S", bound=BaseModel)


class LogSettings(BaseModel):
    """How to log: what anything may be told and nothing must."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """The least severe log line written."""

    k_service: str = "orderflow"
    """The name of the running service; Knative sets it (Serving's runtime contract)."""


class Settings(BaseModel):
    """What a function must be told. Each field is the environment variable of the same name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(pattern=r"^postgres(ql)?://")
    """Where the truth is, as `postgresql://user:password@host:port/database`."""

    kafka_bootstrap_servers: str = Field(min_length=1)
    """The brokers, as `host:port[,host:port...]`."""


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


def _read(model: type[S]) -> S:
    try:
        return model.model_validate({name.lower(): value for name, value in os.environ.items()})
    except ValidationError as error:
        wrong = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"set these environment variables: {wrong}") from error
