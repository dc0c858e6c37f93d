"""uvicorn's protocol, for which what is not HTTP is a problem as well.

It also has a limit for idle connections that can be lowered.
"""

from typing import cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orderflow.errors import BadRequest

# In a request's scope once all of its body has come, as most bodies have with the head: then nobody
# is waited for, and a timer would cost more than the reading.
BODY_IS_HERE = "body_is_here"


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

    def on_message_complete(self) -> None:
        """All of a request is here, perhaps before its function begins."""
        super().on_message_complete()
        cast(dict[str, object], self.scope)[BODY_IS_HERE] = True

    def send_400_response(self, msg: str) -> None:
        """Answer what could not be parsed, and end the connection."""
        body = orjson.dumps(BadRequest(f"not understood: {msg}").problem())
        head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
        framing = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.transport.write((head + framing).encode() + body)
        self.transport.close()
