"""uvicorn's protocol, for which what is not HTTP is a problem as well."""

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orderflow.errors import BadRequest


class ProblemProtocol(HttpToolsProtocol):
    """A caller's connection."""

    def send_400_response(self, msg: str) -> None:
        """Answer what could not be parsed, and end the connection."""
        body = orjson.dumps(BadRequest(f"not understood: {msg}").problem())
        head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
        framing = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.transport.write((head + framing).encode() + body)
        self.transport.close()
