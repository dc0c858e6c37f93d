"""uvicorn's protocol, for which what is not HTTP is a problem as well.

It also has a limit for idle connections that can be lowered.
"""

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orderflow.errors import BadRequest


class ProblemProtocol(HttpToolsProtocol):
    """A caller's connection."""

    def lower_keep_alive(self, to_s: int) -> None:
        """End as soon as this has been idle for so long; what it has been already counts."""
        if (timer := self.timeout_keep_alive_task) is not None:
            timer.cancel()
            idle_since_s = timer.when() - self.timeout_keep_alive
            end = self.timeout_keep_alive_handler
            self.timeout_keep_alive_task = self.loop.call_at(idle_since_s + to_s, end)
        self.timeout_keep_alive = to_s

    def send_400_response(self, msg: str) -> None:
        """Answer what could not be parsed, and end the connection."""
        body = orjson.dumps(BadRequest(f"not understood: {msg}").problem())
        head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
        framing = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.transport.write((head + framing).encode() + body)
        self.transport.close()
