"""Settings: the only module of the library and the functions that reads the environment.

Read on first use and never on import, because functions-framework loads a function before it forks
its workers. By pydantic alone: pydantic-settings costs 6 MB a process and saves one line.
"""

import os
from functools import cache
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from orderflow.errors import ConfigurationError, MissingSetting

S = TypeVar("S", bound=BaseModel)


def _with_port_number(url: str) -> str:
    _ = urlsplit(url).port  # raises ValueError
    return url


class LogSettings(BaseModel, frozen=True):
    """How to log. K_SERVICE is the running service's name, which Knative sets."""

    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    k_service: str = "orderflow"


class DatabaseSettings(BaseModel, frozen=True):
    """Where the truth is, as `postgresql://user:password@host:port/database`."""

    database_url: Annotated[
        str, Field(pattern=r"^postgres(ql)?://"), AfterValidator(_with_port_number)
    ]


class KafkaSettings(BaseModel, frozen=True):
    """The brokers, as `host:port[,host:port...]`."""

    kafka_bootstrap_servers: str = Field(min_length=1)


class Settings(DatabaseSettings, KafkaSettings):
    """What a function must be told. Each field is the environment variable of the same name."""


@cache
def settings() -> Settings:
    """Return the settings, read once; raises `ConfigurationError`, which names what to set."""
    return read(Settings)


@cache
def log_settings() -> LogSettings:
    """Return the settings of the log, read once; raises `ConfigurationError`."""
    return read(LogSettings)


def read(model: type[S]) -> S:
    """Return a part of the settings; raises `ConfigurationError`."""
    try:
        return model.model_validate({name.lower(): value for name, value in os.environ.items()})
    except ValidationError as error:
        wrong = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        missing = all(e["type"] == "missing" for e in error.errors())
        kind = MissingSetting if missing else ConfigurationError
        raise kind(f"set these environment variables: {wrong}") from error
