"""Gets the document with an issuer's keys: bounded in size and time, and on a thread."""

import asyncio
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

MAX_BYTES = 256 * 1024  # a key with its certificates is some 5 KB
WITHIN_S = 5.0

# Where Kubernetes publishes the keys of its service accounts, what it is known by and what it asks
# for: the same for every pod (Accessing the Kubernetes API from a Pod).
CLUSTER_HOST = "kubernetes.default.svc"
CLUSTER_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KeyDocumentAwayError(Exception):
    """The issuer's keys could not be read; the message says why."""


async def get_document(url: str, *, within_s: float = WITHIN_S) -> bytes:
    """Return what is there. Redirects are not followed; raises `KeyDocumentAwayError`."""
    try:
        async with asyncio.timeout(within_s):
            return await asyncio.to_thread(_get, urlsplit(url), within_s)
    except TimeoutError as error:
        raise KeyDocumentAwayError(f"no answer within {within_s:g} s") from error
    except (OSError, HTTPException, ValueError) as error:
        raise KeyDocumentAwayError(f"{type(error).__name__}: {error}") from error


def _get(url: SplitResult, within_s: float) -> bytes:
    headers = {"Accept": "application/json"}
    if url.hostname == CLUSTER_HOST:
        token = (CLUSTER_ACCOUNT / "token").read_text().strip()
        headers["Authorization"] = f"Bearer {token}"
    connection = _connection(url, within_s)
    try:
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        document = answer.read(MAX_BYTES + 1)
    finally:
        connection.close()
    if answer.status != 200:
        raise KeyDocumentAwayError(f"the answer is {answer.status}")
    if len(document) > MAX_BYTES:
        raise KeyDocumentAwayError(f"more than {MAX_BYTES} bytes")
    return document


def _connection(url: SplitResult, within_s: float) -> HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "http":
        return HTTPConnection(host, url.port, timeout=within_s)
    authority = str(CLUSTER_ACCOUNT / "ca.crt") if host == CLUSTER_HOST else None
    context = ssl.create_default_context(cafile=authority)
    return HTTPSConnection(host, url.port, timeout=within_s, context=context)
