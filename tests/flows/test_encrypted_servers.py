"""PostgreSQL and Kafka that ask for TLS, and Kafka for a password: as managed ones do."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from signal import SIGINT, SIGQUIT
from tempfile import TemporaryDirectory

import pytest
from cloudevents.kafka import KafkaMessage
from confluent_kafka import KafkaException

from knative_local import broker
from knative_local.ports import LOOPBACK, free_port
from orderflow.config import KafkaSecurity
from orderflow.database.connection import Connection, StatementFault
from orderflow.errors import DatabaseAway
from orderflow.events.outbox import Outbox
from orderflow_cli.postgres.privileges import as_user, named_user
from orderflow_cli.topics import create_topics
from tests.support.apache_kafka.command import lay_out, server_command
from tests.support.certificates import Authority, Certificate
from tests.support.function_calls import database_away
from tests.support.log_lines import log_lines
from tests.support.server_process import running

PASSWORD = "correct horse"
ELSEWHERE = "127.0.0.2"  # another name of this machine, which no certificate has
KAFKA_SECURITY = """
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location={both}
listener.name.sasl_ssl.ssl.truststore.type=PEM
listener.name.sasl_ssl.ssl.truststore.location={authority}
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={module} required \
  username="broker" password="{password}" user_broker="{password}" user_orders="{password}";
"""
LOGIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


def program(name: str) -> str:
    """A program of an installed PostgreSQL: the embedded one was built without TLS."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
    return found or needed("an installed PostgreSQL")


def needed(what: str) -> str:
    return (pytest.fail if "CI" in os.environ else pytest.skip)(f"{what} is not here")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def postgres_port(authority: Authority) -> Iterator[int]:
    """A server that lets nobody in without TLS and a password."""
    # pytest's own folders are closed to the user that PostgreSQL runs as.
    with TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        data, log = laid_out(folder, authority.issue(LOOPBACK)), folder / "postgres.log"
        server = [program("postgres"), "-D", str(data), "-p", str(port), "-k", "", "-c", "ssl=on"]
        server += ["-c", f"listen_addresses={LOOPBACK},{ELSEWHERE}"]
        with running(
            as_user(named_user(), server),
            lambda: log.exists() and "ready to accept connections" in log.read_text(),
            cwd=data,
            log_path=log,
            stop_signals=[SIGINT, SIGQUIT],
        ):
            yield port


def laid_out(folder: Path, certificate: Certificate) -> Path:
    """The data folder of a PostgreSQL with this certificate, whose superuser is `shop`."""
    data, secret = folder / "data", folder / "password"
    secret.write_text(PASSWORD)
    data.mkdir()
    for path in (data, secret):
        os.chown(path, named_user(), -1)
    initdb = [program("initdb"), "--pgdata", str(data), "--username", "shop", "--no-sync"]
    initdb += ["--auth", "scram-sha-256", "--pwfile", str(secret)]
    done = subprocess.run(
        as_user(named_user(), initdb), cwd=data, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.0/8 scram-sha-256\n")
    for path, name in ((certificate.certificate, "server.crt"), (certificate.key, "server.key")):
        shutil.copy(path, data / name)
        (data / name).chmod(0o600)
        os.chown(data / name, named_user(), -1)
    return data


def database(port: int, query: str, host: str = LOOPBACK) -> Connection:
    password = PASSWORD.replace(" ", "%20")
    return Connection(f"postgresql://shop:{password}@{host}:{port}/postgres?{query}")


def test_a_database_that_proves_who_it_is_is_taken(
    postgres_port: int, authority: Authority
) -> None:
    query = f"sslmode=verify-full&sslrootcert={authority.certificate}"

    with closing(database(postgres_port, query)) as connection:
        told = connection.run("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")

    assert told == [[True, "TLSv1.3"]]


@pytest.mark.parametrize(
    ("query", "host", "why"),
    [
        ("sslmode=verify-full", LOOPBACK, "unable to get local issuer"),
        ("sslmode=require", LOOPBACK, "unable to get local issuer"),
        ("sslmode=verify-full&sslrootcert={trusted}", ELSEWHERE, "IP address mismatch"),
        ("sslmode=verify-full&sslrootcert={other}", LOOPBACK, "unable to get local issuer"),
    ],
)
def test_a_database_that_does_not_is_refused_and_the_log_says_why(
    postgres_port: int,
    authority: Authority,
    tmp_path: Path,
    query: str,
    host: str,
    why: str,
) -> None:
    files = {"trusted": authority.certificate, "other": Authority(tmp_path).certificate}

    with (
        log_lines() as lines,
        closing(database(postgres_port, query.format(**files), host)) as connection,
        pytest.raises(DatabaseAway),
    ):
        connection.ping()

    (line,) = lines()
    assert line["event"] == "no TLS with the database"
    assert why in str(line["why"])


def test_without_tls_this_database_lets_nobody_in(postgres_port: int) -> None:
    with (
        closing(database(postgres_port, "sslmode=disable")) as connection,
        pytest.raises(StatementFault),  # "no pg_hba.conf entry ... no encryption"
    ):
        connection.ping()


@pytest.fixture(scope="module")
def kafka(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that lets nobody in without TLS and a password."""
    if not (shutil.which("java") and shutil.which("mvn")):
        needed("a JDK and Maven")
    folder, port = tmp_path_factory.mktemp("kafka"), free_port()
    made = authority.issue(LOOPBACK)
    trusted = authority.certificate
    told = {"both": made.both, "authority": trusted, "password": PASSWORD, "module": LOGIN_MODULE}
    settings = lay_out(folder, port, port, KAFKA_SECURITY.format(**told))
    log = folder / "broker.log"
    with running(
        server_command(settings),
        lambda: log.exists() and "Kafka Server started" in log.read_text(),
        log_path=log,
        stop_signals=[],
    ):
        yield broker.servers(port)


def security(authority: Authority, password: str = PASSWORD) -> KafkaSecurity:
    return KafkaSecurity(
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="PLAIN",
        kafka_sasl_username="orders",
        kafka_sasl_password=password,
        kafka_ssl_ca_location=str(authority.certificate),
    )


def test_kafka_lets_in_who_knows_the_password(kafka: str, authority: Authority) -> None:
    told = security(authority).security

    assert create_topics(kafka, ["a"], security=told) == ["a"]
    assert create_topics(kafka, ["a"], security=told) == []


def test_kafka_says_that_a_password_is_wrong(
    kafka: str, authority: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KafkaException):
        create_topics(kafka, ["b"], security=security(authority, "wrong").security)

    assert "Kafka can't be talked to: " in capfd.readouterr().err


@pytest.mark.parametrize(("password", "why"), [(PASSWORD, ""), ("wrong", "Authentication failed")])
async def test_the_outbox_publishes_or_the_log_says_once_why_not(
    kafka: str, authority: Authority, password: str, why: str
) -> None:
    told = security(authority, password).security
    with log_lines() as lines:
        outbox = Outbox(kafka, database_away(), security=told)

        fault = await outbox.send("a", KafkaMessage({}, b"key", b"value"))

        refused = [line["why"] for line in lines() if line["event"] == "Kafka can't be talked to"]
    assert (fault is None) == (not why)
    assert len(refused) == (1 if why else 0)
    assert all(why in str(line) for line in refused)
