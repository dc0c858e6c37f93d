"""A `serving.knative.dev/v1 Service` as a process of this machine."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.service import Service
from knative_local.supervisor.environment import Settings, function_environment
from knative_local.supervisor.folder_watch import FolderWatch
from knative_local.supervisor.probes import liveness, succeeds
from knative_local.supervisor.spec import DEFAULT_GRACE_S, Command, program

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
    container = service.container
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
        dead=liveness(container.liveness_probe, port),
        changed=FolderWatch(_folder(rest, env, project_root)).changed if watch else None,
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
