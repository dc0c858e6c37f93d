"""Runs the local runtime as its users do: as a process, on manifests written by the test."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from knative_local.ports import free_port, is_free
from knative_local.supervisor.state_file import ComponentState, read_state
from tests.support.waiting import DEADLINE_S, eventually

INFRA = Path(__file__).parents[2] / "infra"

ECHO = """
import asyncio, os
import functions_framework.aio
from starlette.responses import Response, StreamingResponse

@functions_framework.aio.http
async def echo(request):
    path = request.url.path
    if path == "/slow":
        print("asleep")
        await asyncio.sleep(float(request.query_params["seconds"]))
    if path == "/env":
        return dict(os.environ)
    if path == "/headers":
        return {name: value for name, value in request.headers.items()}
    body = await request.body()
    print(f"echoed {len(body)} bytes")
    if path == "/stream":
        async def parts():
            for start in range(0, len(body), 50_000):
                yield body[start : start + 50_000]
        return StreamingResponse(parts())
    return Response(body, media_type="text/plain")
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: routes}}
spec:
  rules:
    - matches:
        - {{path: {{type: Exact, value: /order}}, method: POST}}
        - {{path: {{type: PathPrefix, value: /order}}, method: PUT}}
        - path: {{value: /slow}}
        - path: {{value: /stream}}
        - path: {{value: /headers}}
        - path: {{value: /env}}
      backendRefs: [{{name: {name}, port: 80}}]
"""


def service(name: str = "echo", timeout_seconds: int = 5, env: str = "[]") -> str:
    """A Service that runs the function above."""
    return f"""
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: {name}}}
spec:
  template:
    spec:
      timeoutSeconds: {timeout_seconds}
      containers:
        - image: local
          args: [--target, echo, --source, functions/echo/main.py, --asgi]
          env: {env}
          readinessProbe: {{httpGet: {{path: /}}}}
"""


@dataclass(frozen=True)
class Running:
    """A runtime that has been started."""

    process: subprocess.Popen[str]
    data_dir: Path
    port: int
    output: Path

    def component(self, name: str = "echo") -> ComponentState:
        """What `ps` says of a component."""
        return next(c for c in read_state(self.data_dir)["components"] if c["name"] == name)

    def is_ready(self) -> bool:
        """Whether all components are."""
        states = [c["state"] for c in read_state(self.data_dir)["components"]]
        return bool(states) and set(states) == {"ready"}

    def groups(self) -> list[int]:
        """The process groups of the components."""
        return [c["pid"] for c in read_state(self.data_dir)["components"] if c["pid"]]


def two_free_ports() -> int:
    """Return a port of which the next is free as well: a second Service listens there."""
    return eventually(lambda: port if is_free((port := free_port()) + 1) else 0)


def start(
    folder: Path, *manifests: str, flags: tuple[str, ...] = (), source: str = ECHO
) -> Running:
    """Write manifests and function, and start the runtime on them without waiting."""
    main = folder / "functions" / "echo" / "main.py"
    main.parent.mkdir(parents=True, exist_ok=True)
    main.write_text(source)
    (folder / "manifests.yaml").write_text("\n---\n".join(manifests))
    port, output = two_free_ports(), folder / "output.log"
    command = [sys.executable, "-m", "knative_local", "run", "manifests.yaml", "--data", "data"]
    with output.open("w") as printed:
        process = subprocess.Popen(
            [*command, "--port", str(port), *flags],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(INFRA)},
            stdout=printed,
            stderr=subprocess.STDOUT,
            text=True,
        )
    return Running(process, folder / "data", port, output)


@contextmanager
def runtime(folder: Path, *manifests: str, flags: tuple[str, ...] = ()) -> Iterator[Running]:
    """A runtime that is ready; stopped at the end as a user stops it."""
    running = start(folder, *(manifests or (service(), ROUTE.format(name="echo"))), flags=flags)
    try:
        eventually(lambda: running.process.poll() is not None or running.is_ready())
        assert running.process.poll() is None, running.output.read_text()
        yield running
    finally:
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(DEADLINE_S * 2)


def state_file(running: Running) -> dict[str, object]:
    """The state file as it is written."""
    found: dict[str, object] = json.loads((running.data_dir / "runtime.json").read_text())
    return found
