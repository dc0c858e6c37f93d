"""A caller may do what its scopes say."""

from typing import get_args

import pytest

from orderflow.auth.caller import LOCAL, SCOPES, Caller, Scope
from orderflow.errors import Forbidden

READER = Caller("alice", frozenset({"orders:read"}))


def test_a_caller_may_do_what_a_scope_of_its_own_says() -> None:
    READER.require("orders:read")

    assert READER.may("orders:read")


def test_a_scope_opens_nothing_else() -> None:
    scopes: tuple[Scope, ...] = get_args(Scope)

    assert [scope for scope in scopes if READER.may(scope)] == ["orders:read"]


def test_what_is_lacking_is_told_as_rfc_6750_says() -> None:
    with pytest.raises(Forbidden) as raised:
        READER.require("orders:write")

    assert raised.value.status == 403
    assert raised.value.headers["WWW-Authenticate"] == (
        'Bearer realm="orderflow", error="insufficient_scope", scope="orders:write"'
    )


def test_without_tokens_everyone_is_one_caller_who_may_do_everything() -> None:
    assert Caller("local", SCOPES) == LOCAL
