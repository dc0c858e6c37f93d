"""`orderflow secrets`: made once, kept, and of one piece."""

from pathlib import Path
from stat import S_IMODE

import jwt
import pytest

from orderflow.auth.caller import SCOPES
from orderflow.config import TokenSettings, read
from orderflow_cli.commands.secrets import secrets_command
from orderflow_cli.development_tokens import AUDIENCE, shared_secret, shared_secret_token

ROLES = ["orderflow_create_order", "orderflow_operator"]
SERVER = "postgres:5432/orderflow"


def made(folder: Path) -> dict[str, str]:
    secrets_command(folder, ROLES, server=SERVER)
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    before = made(tmp_path)

    assert secrets_command(tmp_path, ROLES, server=SERVER) == []
    assert made(tmp_path) == before


def test_what_is_missing_fits_what_was_kept(tmp_path: Path) -> None:
    before = made(tmp_path)
    for name in ("create-order-database-url", "senders-token"):
        (tmp_path / name).unlink()

    after = made(tmp_path)

    assert after["create-order-database-url"] == before["create-order-database-url"]
    claims = jwt.decode(
        after["senders-token"], before["senders-jwt-secret"], ["HS256"], audience=AUDIENCE
    )
    assert claims["sub"] == "sources-of-orderflow-up"


def test_two_installations_share_nothing(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one"), made(tmp_path / "other")

    assert [name for name in one if one[name] == other[name]] == []


def test_other_users_are_kept_out_and_containers_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    made(folder)

    assert S_IMODE(folder.stat().st_mode) == 0o700
    assert {S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}


def test_a_token_is_signed_with_the_secret_that_functions_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = made(tmp_path)["callers-jwt-secret"]
    monkeypatch.setenv("ORDERFLOW_JWT_ISSUER", "issuer")
    monkeypatch.setenv("ORDERFLOW_JWT_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("ORDERFLOW_JWT_SECRET_FILE", str(tmp_path / "callers-jwt-secret"))
    issuer = shared_secret()
    assert issuer == read(TokenSettings, "ORDERFLOW_")

    token = shared_secret_token(issuer, "alice", sorted(SCOPES), expires_in_s=60)

    claims = jwt.decode(token, secret, ["HS256"], audience=AUDIENCE, issuer="issuer")
    assert claims["sub"] == "alice"
    assert set(claims["scope"].split()) == set(SCOPES)


def test_without_a_shared_secret_there_is_no_such_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDERFLOW_JWT_ISSUER", raising=False)

    assert shared_secret() is None
