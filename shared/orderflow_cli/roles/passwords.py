"""Passwords of the functions' roles, made from the one that PostgreSQL was named with.

So nothing has to be kept, and stacks that share a server agree. A role's password does not tell the
first one, unless that can be guessed.
"""

import hashlib
import hmac
import os
from base64 import b64encode
from urllib.parse import unquote, urlsplit

ITERATIONS = 4096  # PostgreSQL's own default; a random password needs no more
SALT_BYTES = 16


def role_url(url: str, role: str) -> str:
    """Return the URL with which this role logs in to the same database."""
    parts = urlsplit(url)
    password = role_password(url, role)
    login = role if password is None else f"{role}:{password}"
    return parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()


def role_password(url: str, role: str) -> str | None:
    """Return a role's password; None where the server is named without one."""
    given = urlsplit(url).password
    if given is None:
        return None
    return hmac.new(unquote(given).encode(), role.encode(), hashlib.sha256).hexdigest()


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL keeps to check a password with, so that it is never told the password.

    The format is that of `pg_authid.rolpassword`; the values are RFC 5802's and RFC 7677's.
    """
    salt = os.urandom(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    client_key, server_key = (
        hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key")
    )
    stored_key = hashlib.sha256(client_key).digest()
    told = [b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return "SCRAM-SHA-256${}:{}${}:{}".format(ITERATIONS, *told)
