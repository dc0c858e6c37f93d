"""Who calls: a subject and its scopes."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from starlette.requests import Request

from orderflow.errors import Forbidden

Scope = Literal[
    "orders:read", "orders:write", "inventory:read", "inventory:write", "operations", "orders:all"
]
SCOPES: frozenset[str] = frozenset(get_args(Scope))


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a token is of: its subject, and the scopes it was given.

    `orders:all` opens no route: it widens `orders:read` and `orders:write` from the caller's own
    orders to everyone's.
    """

    subject: str
    scopes: frozenset[str]

    def may(self, scope: Scope) -> bool:
        """Whether the caller has this scope."""
        return scope in self.scopes

    @property
    def owner_of_orders(self) -> str | None:
        """Whose orders the caller may see and change; None: everyone's."""
        return None if self.may("orders:all") else self.subject

    def require(self, scope: Scope) -> None:
        """Raise `Forbidden` (403) unless the caller has this scope."""
        if scope not in self.scopes:
            raise Forbidden(scope)


LOCAL = Caller("local", SCOPES)  # everyone, where there are no tokens
ANONYMOUS = Caller("anonymous", frozenset())  # everyone, where no token is asked for


def caller_of(request: Request) -> Caller:
    """Return who makes a request that a function of `http` was given."""
    return cast(Caller, request.scope["caller"])
