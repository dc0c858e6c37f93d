"""Settings: the only module of the library and the functions that reads the environment.

Read on first use and never on import, because functions-framework loads a function before it forks
its workers. By pydantic alone: pydantic-settings costs 6 MB a process and saves one line.
"""

import os
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from orderflow.errors import ConfigurationError, MissingSetting

S = TypeVar("S", bound=BaseModel)

MIN_SECRET_BYTES = 32  # of a key for HS256 (RFC 7518, section 3.2)
# What libpq has them mean, but that one that wants TLS wants it from the server of that name.
SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")


def _with_port_number(url: str) -> str:
    _ = urlsplit(url).port  # raises ValueError
    return url


def _worth_trusting(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    near = host in {"127.0.0.1", "::1", "localhost"} or host.endswith(".svc.cluster.local")
    if url and not (host and parts.scheme in ({"https", "http"} if near else {"https"})):
        raise ValueError("needs https, except on this machine or within the cluster")
    return _with_port_number(url)


def _with_known_tls(url: str) -> str:
    query = parse_qs(urlsplit(url).query)
    for mode in query.get("sslmode", ()):
        if mode not in SSL_MODES:
            raise ValueError(f"sslmode is one of {', '.join(SSL_MODES)}")
    for path in query.get("sslrootcert", ()):
        if path != "system":  # libpq's word for what the system trusts
            _existing(path)
    return url


def _existing(path: str) -> str:
    if path and not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _long_enough(secret: SecretStr) -> SecretStr:
    if 0 < len(secret.get_secret_value().encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"needs at least {MIN_SECRET_BYTES} bytes")
    return secret


class Read(BaseModel, frozen=True, defer_build=True):
    """What is read together. Built on first use: a function needs few, and waits for none else."""


class LogSettings(Read, frozen=True):
    """How to log. K_SERVICE is the running service's name, which Knative sets."""

    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    k_service: str = "orderflow"


class BuildSettings(Read, frozen=True):
    """What runs, as its image says."""

    orderflow_version: str = "dev"
    orderflow_revision: str = "unknown"


class DatabaseSettings(Read, frozen=True):
    """Where the truth is, as `postgresql://user:password@host:port/database`.

    With `?sslmode=verify-full` its certificate has to name the host and to be signed by who is in
    the file of `sslrootcert` (PEM), without that by whom the system trusts.
    """

    database_url: Annotated[
        str,
        Field(pattern=r"^postgres(ql)?://"),
        AfterValidator(_with_port_number),
        AfterValidator(_with_known_tls),
    ]


class CommandSettings(Read, frozen=True):
    """`ORDERFLOW_POSTGRES_URL`: what `--postgres` says, where no other user sees it.

    `ORDERFLOW_TOKEN`: the bearer token of commands that call the API.
    """

    postgres_url: str | None = None
    token: SecretStr = SecretStr("")


class KafkaSecurity(Read, frozen=True):
    """How Kafka is talked to, in its own words. With SASL it asks who this is.

    With SSL its certificate has to name the host and to be signed by who is in the file
    `kafka_ssl_ca_location` (PEM), without that by whom the system trusts.
    """

    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str = Field(default="", validate_default=True)
    kafka_sasl_password: SecretStr = Field(default=SecretStr(""), validate_default=True)
    kafka_ssl_ca_location: Annotated[str, AfterValidator(_existing)] = ""

    @field_validator("kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _given_with_sasl(cls, value: str | SecretStr, told: ValidationInfo) -> str | SecretStr:
        protocol = told.data.get("kafka_security_protocol", "")
        if protocol.startswith("SASL") and not len(value):
            raise ValueError(f"is needed for {protocol}")
        return value

    @property
    def security(self) -> dict[str, str]:
        """The same in librdkafka's words; empty where Kafka asks for nothing."""
        protocol: str = self.kafka_security_protocol
        found = {} if protocol == "PLAINTEXT" else {"security.protocol": protocol}
        if protocol.startswith("SASL"):
            found["sasl.mechanism"] = self.kafka_sasl_mechanism
            found["sasl.username"] = self.kafka_sasl_username
            found["sasl.password"] = self.kafka_sasl_password.get_secret_value()
        if protocol.endswith("SSL") and self.kafka_ssl_ca_location:
            found["ssl.ca.location"] = self.kafka_ssl_ca_location
        return found


class KafkaSettings(KafkaSecurity):
    """The brokers, as `host:port[,host:port...]`."""

    kafka_bootstrap_servers: str = Field(min_length=1)


class ConsumerSettings(Read, frozen=True):
    """`ORDERFLOW_CONSUMER_GROUPS`: whose lag an overview shows, as `GROUP=TOPIC[,TOPIC] ...`.

    If not set, those of the KafkaSources in `infra/knative/base`.
    """

    consumer_groups: Annotated[
        str, Field(pattern=r"^(\S+=[\w.-]+(,[\w.-]+)* ?)*$", max_length=10_000)
    ] = "orderflow-apply-inventory=inventory orderflow-process-order=orders"

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The topics that each group reads."""
        told = (group.rpartition("=") for group in self.consumer_groups.split())
        return {group: tuple(topics.split(",")) for group, _, topics in told}


class ListenSettings(Read, frozen=True):
    """Where functions-framework listens; the other one Kubernetes sets in every pod."""

    host: str = "0.0.0.0"  # noqa: S104 (what functions-framework does if it is not told)
    kubernetes_service_host: str = ""


class AuthSettings(Read, frozen=True):
    """How callers are known; `ORDERFLOW_AUTH`, and for events `ORDERFLOW_EVENTS_AUTH`.

    By tokens, not at all (on this machine only), or, for events, by what the network lets through.
    """

    auth: Literal["jwt", "off", "network"] = "jwt"


class TokenSettings(Read, frozen=True):
    """Whose tokens count, as `infra/AUTH.md` explains; variables begin as those of `AuthSettings`.

    Either `jwt_jwks_url`, where the issuer publishes its keys, or `jwt_secret`, shared with it.
    The last two are lists with blanks: `jwt_subjects` are the only ones to be let in, and
    `jwt_default_scopes` the scopes of a token that names none.
    """

    jwt_issuer: Annotated[str, Field(min_length=1)]
    jwt_audience: Annotated[str, Field(min_length=1)]
    jwt_jwks_url: Annotated[str, AfterValidator(_worth_trusting)] = ""
    jwt_secret: Annotated[SecretStr, AfterValidator(_long_enough)] = SecretStr("")
    jwt_subjects: str = ""
    jwt_default_scopes: str = ""


class ConsoleSettings(Read, frozen=True):
    """What the console's page is told, so that it gets a token that the other functions take.

    With `console_client_id`, and a `jwt_issuer` that is a URL, by OpenID Connect.
    """

    auth: Literal["jwt", "off"] = "jwt"
    jwt_issuer: Annotated[str, AfterValidator(_with_port_number)] = ""
    jwt_audience: str = ""
    console_client_id: str = ""


class RateSettings(Read, frozen=True):
    """`ORDERFLOW_RATE_PER_S`: how many calls each subject may make, to each replica; 0 is no limit.

    A quarter of what a replica can take. Replicas don't tell each other: what all of them together
    should give a subject is to be divided by their number, `max-scale`.
    """

    rate_per_s: Annotated[int, Field(ge=0, le=1_000_000)] = 500


class RetentionSettings(Read, frozen=True):
    """`ORDERFLOW_KEEP_..._DAYS`: how long what is over is kept; 0, where it may be, is for ever.

    `infra/RETENTION.md` has the whole table. Nothing that a shop may have to keep by law goes by
    itself: letters are copies of what is on Kafka, attempts and answers only serve repeats.
    """

    # Nobody asks after a month what became of an event that was settled or discarded.
    keep_letters_days: Annotated[int, Field(ge=0, le=36_500)] = 30
    # Who had events sent again or thrown away: as long as such things are looked into.
    keep_redrives_days: Annotated[int, Field(ge=0, le=36_500)] = 365
    # A day after the last try it was processed, or is a dead letter.
    keep_attempts_days: Annotated[int, Field(ge=1, le=36_500)] = 1
    # No caller repeats a call for a week.
    keep_answers_days: Annotated[int, Field(ge=1, le=36_500)] = 7
    # Of changes that moved no stock. A count that came late is superseded, and may be the very
    # record of a stocktaking.
    keep_changes_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    # Only what was closed so long ago is archived: by then no event of it is under way, and whoever
    # asks about an order of late still finds it. Without an archive it stays for ever.
    keep_orders_days: Annotated[int, Field(ge=0, le=36_500)] = 30


class TraceSettings(Read, frozen=True):
    """Where OpenTelemetry's traces go, and what part of those that no caller has decided on.

    The SDK reads these and its other variables by itself; of a bad value it would not tell.
    """

    otel_exporter_otlp_endpoint: Annotated[str, Field(pattern="^(https?://.+)?$")] = ""
    otel_traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] = 1

    @property
    def told(self) -> dict[str, str]:
        """The variables themselves; empty where there are no traces."""
        ratio = {"OTEL_TRACES_SAMPLER_ARG": str(self.otel_traces_sampler_arg)}
        endpoint = self.otel_exporter_otlp_endpoint
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **ratio} if endpoint else {}


class AuditSettings(Read, frozen=True):
    """`ORDERFLOW_AUDIT_TIMEOUT_S`: how long an audit that is asked for over HTTP may take.

    A minute less than the function's `timeoutSeconds`, which is for the start and the answer too.
    """

    audit_timeout_s: Annotated[int, Field(ge=1, le=3_600)] = 240


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


@cache
def trace_settings() -> TraceSettings:
    """Return where traces go, read once; raises `ConfigurationError`."""
    return read(TraceSettings)


def read(model: type[S], prefix: str = "") -> S:
    """Return a part of the settings, whose variables begin so; raises `ConfigurationError`.

    Where NAME is not set, NAME_FILE may say which file holds it, as containers are given secrets.
    """
    given = {name: _given((prefix + name).upper()) for name in model.model_fields}
    try:
        return model.model_validate({n: value for n, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"{prefix}{e['loc'][0]}".upper() + f": {e['msg']}" for e in error.errors()
        )
        missing = all(e["type"] == "missing" for e in error.errors())
        kind = MissingSetting if missing else ConfigurationError
        raise kind(f"set these environment variables: {wrong}") from error


def _given(name: str) -> str | None:
    if name in os.environ or not (path := os.environ.get(f"{name}_FILE")):
        return os.environ.get(name)
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name}_FILE: {path} cannot be read") from error
