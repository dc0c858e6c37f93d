"""Settings name what is missing, in one line."""

from pathlib import Path

import pytest

from orderflow import config
from orderflow.errors import ConfigurationError

GIVEN = {"DATABASE_URL": "postgresql://u@127.0.0.1/d", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}
read_anew = config.settings.__wrapped__
read_log_anew = config.log_settings.__wrapped__


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*GIVEN, "LOG_LEVEL", "K_SERVICE", "KAFKA_SECURITY_PROTOCOL"):
        monkeypatch.delenv(name, raising=False)


def give(monkeypatch: pytest.MonkeyPatch, **overrides: str) -> None:
    for name, value in (GIVEN | overrides).items():
        monkeypatch.setenv(name, value)


def test_what_is_given_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch)

    settings = read_anew()

    assert settings.database_url == GIVEN["DATABASE_URL"]
    assert settings.kafka_bootstrap_servers == GIVEN["KAFKA_BOOTSTRAP_SERVERS"]


def test_the_log_has_defaults() -> None:
    log = read_log_anew()

    assert (log.log_level, log.k_service) == ("info", "orderflow")


def test_a_wrong_level_of_the_log_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")

    with pytest.raises(ConfigurationError, match="set these environment variables: LOG_LEVEL: "):
        read_log_anew()


def test_every_missing_value_names_itself_in_one_line() -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_anew()

    message = str(raised.value)
    assert "DATABASE_URL: Field required" in message
    assert "KAFKA_BOOTSTRAP_SERVERS: Field required" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://127.0.0.1/d"),
        ("KAFKA_BOOTSTRAP_SERVERS", ""),
    ],
)
def test_a_wrong_value_names_itself_alone(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    give(monkeypatch, **{name: value})

    with pytest.raises(
        ConfigurationError, match=f"set these environment variables: {name}: [^;]*$"
    ):
        read_anew()


def test_a_password_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, DATABASE_URL="mysql://user:secret@127.0.0.1/d")

    with pytest.raises(ConfigurationError) as raised:
        read_anew()

    assert "secret" not in str(raised.value)


def test_a_secret_comes_from_the_file_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give(monkeypatch)
    monkeypatch.delenv("DATABASE_URL")
    (tmp_path / "url").write_text("postgresql://u:secret@127.0.0.1/d\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))

    assert read_anew().database_url == "postgresql://u:secret@127.0.0.1/d"


def test_a_file_that_is_not_there_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch)
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("DATABASE_URL_FILE", "/nowhere")

    with pytest.raises(ConfigurationError, match="DATABASE_URL_FILE: /nowhere cannot be read"):
        read_anew()


def test_kafka_asks_for_nothing_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch)

    assert read_anew().security == {}


def test_kafka_is_talked_to_as_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (authority := tmp_path / "kafka.crt").touch()
    given = {"USERNAME": "orders", "PASSWORD": "secret", "MECHANISM": "SCRAM-SHA-256"}
    give(monkeypatch, KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_SSL_CA_LOCATION=str(authority))
    for name, value in given.items():
        monkeypatch.setenv(f"KAFKA_SASL_{name}", value)

    assert read_anew().security == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "orders",
        "sasl.password": "secret",
        "ssl.ca.location": str(authority),
    }


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"KAFKA_SECURITY_PROTOCOL": "TLS"},
            "KAFKA_SECURITY_PROTOCOL: Input should be 'PLAINTEXT'",
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_USERNAME: .* is needed for SASL_SSL"),
        ({"KAFKA_SSL_CA_LOCATION": "/nowhere"}, "KAFKA_SSL_CA_LOCATION: .* no file /nowhere"),
        ({"DATABASE_URL": "postgresql://h/d?sslmode=full"}, "DATABASE_URL: .*sslmode is one of"),
        ({"DATABASE_URL": "postgresql://h/d?sslrootcert=/nowhere"}, "no file /nowhere"),
    ],
)
def test_what_keeps_tls_from_working_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str
) -> None:
    give(monkeypatch, **given)

    with pytest.raises(ConfigurationError, match=told):
        read_anew()
