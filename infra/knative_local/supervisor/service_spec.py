"""A `serving.knative.dev/v1 Service` as a process: its command, environment and probes."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from knative_local.errors import LocalRuntimeError
from knative_local.http_client.client import Client
from knative_local.http_client.connection import TransportError
from knative_local.manifests.service import EnvVar, Probe, Service
from knative_local.ports import LOOPBACK
from knative_local.supervisor.folder_watch import FolderWatch
from knative_local.supervisor.spec import DEFAULT_GRACE_S, Command, never, program

# What any program on this machine needs to find its files and speak the user's language.
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "TMPDIR", "TZ", "USER")
Settings = Mapping[tuple[str, str, str], Mapping[str, str]]
# Functions tell probes from callers by this name; the version is that of current Kubernetes.
USER_AGENT = "kube-probe/1.34"
DEFAULT_PERIOD_S = 10  # periodSeconds of a Kubernetes probe that gives none
# The entrypoint of an image of a function, for manifests that name no command.
ENTRYPOINT = "functions-framework"
NO_COMMAND = (
    "Service {name}: images are not run here, processes are: say under "
    "spec.template.spec.containers[0] what its image starts, such as "
    "args: [--asgi, --target, NAME_OF_THE_FUNCTION, --source, main.py]"
)


def service_command(
    service: Service,
    port: int,
    *,
    project_root: Path,
    overrides: Mapping[str, str],
    settings: Settings,
    watch: bool = False,
) -> Command:
    """Return how to run this Service on the loopback port `port`, which it keeps for good.

    Its command and args run unchanged in `project_root`. Ready and alive are what its probes say;
    without a readiness probe, an accepted connection (serving revision_defaults.go). With `watch`
    it is restarted when a file beside its source changes.
    Raises a LocalRuntimeError for a value that is nowhere or a field not honoured.
    """
    container, alive = service.container, service.container.liveness_probe
    env = function_environment(service, port, overrides=overrides, settings=settings)
    if not (container.command or container.args or "FUNCTION_TARGET" in env):
        raise LocalRuntimeError(NO_COMMAND.format(name=service.name))
    entrypoint, *rest = (*(container.command or (ENTRYPOINT,)), *container.args)

    async def ready() -> bool:
        if container.startup_probe and not await succeeds(container.startup_probe, port):
            return False
        return await succeeds(container.readiness_probe, port)

    return Command(
        name=service.name,
        kind="Service",
        argv=[program(entrypoint), *rest],
        cwd=project_root,
        env=env,
        port=port,
        ready=ready,
        dead=partial(until_dead, alive, port) if alive else never,
        changed=FolderWatch(_folder(rest, env, project_root)).changed if watch else never,
        grace_s=min(service.revision.timeout_seconds, DEFAULT_GRACE_S),
    )


def _folder(arguments: Sequence[str], env: Mapping[str, str], project_root: Path) -> Path:
    """Where the source of a function is: beside its `--source`, else the project."""
    source = env.get("FUNCTION_SOURCE", ".")
    for flag, value in pairwise([*arguments, ""]):
        if flag == "--source":
            source = value
        elif flag.startswith("--source="):
            source = flag.partition("=")[2]
    path = project_root / source
    return path if path.is_dir() else path.parent


def function_environment(
    service: Service, port: int, *, overrides: Mapping[str, str], settings: Settings
) -> dict[str, str]:
    """Return the whole environment of a function's process that listens on `port`.

    `overrides` replace the manifest's variables of the same name and stand in for its secrets;
    a function does not see overrides that its manifest does not name, as in a cluster.
    """
    given: dict[str, str] = {}
    for whole in service.container.env_from:
        for kind, reference in (("ConfigMap", whole.config_map_ref), ("Secret", whole.secret_ref)):
            if reference is not None:
                found = settings.get((kind, service.namespace, reference.name))
                if found is None and not reference.optional:
                    missing = f"no {kind} {reference.name} in the manifests"
                    raise LocalRuntimeError(f"Service {service.name}: {missing}")
                given |= {whole.prefix + key: value for key, value in (found or {}).items()}
    for variable in service.container.env:
        value = overrides.get(variable.name)
        if value is None:
            value = _value(variable, service, settings)
        if value is not None:
            given[variable.name] = value
    given |= {name: overrides[name] for name in given.keys() & overrides.keys()}
    return {
        **base_environment(),
        **given,
        "K_SERVICE": service.name,
        "K_CONFIGURATION": service.name,
        "K_REVISION": service.spec.template.metadata.name or f"{service.name}-00001",
        "PORT": str(port),
        "HOST": LOOPBACK,
    }


def _value(variable: EnvVar, service: Service, settings: Settings) -> str | None:
    where = variable.value_from
    if where is None:
        return variable.value
    kind = "Secret" if where.secret_key_ref else "ConfigMap"
    reference = where.secret_key_ref or where.config_map_key_ref
    assert reference is not None
    found = settings.get((kind, service.namespace, reference.name), {}).get(reference.key)
    if found is None and not reference.optional:
        missing = f"{variable.name}: no key {reference.key} in a {kind} {reference.name}"
        way_out = f"give it with --env {variable.name}=VALUE"
        raise LocalRuntimeError(f"Service {service.name}: {missing}: {way_out}")
    return found


def base_environment() -> dict[str, str]:
    """Return what every child process of the runtime gets from the runtime's own environment."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    # Without this the output of a Python function waits in a buffer until it is full.
    return passed_on | {"PATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


async def succeeds(probe: Probe | None, port: int) -> bool:
    """Ask once: `httpGet` wants 200 to 399, everything else an accepted connection."""
    timeout_s = probe.timeout_seconds if probe else 1
    try:
        async with asyncio.timeout(timeout_s):
            if probe and probe.http_get:
                return 200 <= await _status(probe.http_get.path, port, timeout_s) < 400
            _, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.close()
            return True
    except (OSError, TimeoutError, TransportError):
        return False


async def _status(path: str, port: int, timeout_s: float) -> int:
    client = Client(f"http://{LOOPBACK}:{port}", timeout_s=timeout_s)
    head = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nUser-Agent: {USER_AGENT}\r\n"
    try:
        answer = await client.post(f"{head}Accept: */*\r\nConnection: close\r\n\r\n".encode())
        return answer.status
    finally:
        client.close()


async def until_dead(probe: Probe, port: int) -> None:
    """Return once the liveness probe has failed too often."""
    await asyncio.sleep(probe.initial_delay_seconds)
    failures = 0
    while failures < probe.failure_threshold:
        await asyncio.sleep(probe.period_seconds or DEFAULT_PERIOD_S)
        failures = 0 if await succeeds(probe, port) else failures + 1
