"""A `serving.knative.dev/v1 Service` as a process of this machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.service import ConfigMap, Service
from knative_local.supervisor.environment import function_environment
from knative_local.supervisor.probes import liveness, succeeds
from knative_local.supervisor.spec import DEFAULT_GRACE_S, Command, program

# The entrypoint of an image of a function, for manifests that name no command.
ENTRYPOINT = "functions-framework"


class ServiceRefusedError(LocalRuntimeError):
    """A Service asks for what one process on one machine does not give."""


def service_command(
    service: Service,
    port: int,
    *,
    project_root: Path,
    overrides: Mapping[str, str],
    config_maps: Sequence[ConfigMap] = (),
) -> Command:
    """Return how to run this Service on the loopback port `port`, which it keeps for good.

    Its command and args run unchanged in `project_root`. Ready and alive are what its probes say;
    without a readiness probe, an accepted connection (serving revision_defaults.go).
    Raises a LocalRuntimeError for a secret without an override or a field not honoured.
    """
    container = service.container
    _refuse_unhonoured(service)
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
        env=function_environment(service, port, overrides=overrides, config_maps=config_maps),
        port=port,
        ready=ready,
        dead=liveness(container.liveness_probe, port),
        grace_s=min(service.revision.timeout_seconds, DEFAULT_GRACE_S),
    )


def _refuse_unhonoured(service: Service) -> None:
    container = service.container
    for probe in (container.readiness_probe, container.startup_probe, container.liveness_probe):
        if probe is not None and probe.success_threshold != 1:
            raise ServiceRefusedError(
                f"Service {service.name}: successThreshold other than 1 is not honoured locally"
            )
