"""The environment a function's process gets: the manifest's, Knative's and as little else."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.container import EnvVar
from knative_local.manifests.service import Service
from knative_local.ports import LOOPBACK

# What any program on this machine needs to find its files and speak the user's language.
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "TMPDIR", "TZ", "USER")


Settings = Mapping[tuple[str, str, str], Mapping[str, str]]


class EnvironmentRefusedError(LocalRuntimeError):
    """A variable of a manifest has no value here; the message says how to give one."""


def function_environment(
    service: Service, port: int, *, overrides: Mapping[str, str], settings: Settings
) -> dict[str, str]:
    """Return the whole environment of a function's process that listens on `port`.

    `overrides` replace the manifest's variables of the same name and stand in for its secrets;
    a function does not see overrides that its manifest does not name, as in a cluster.
    """
    given: dict[str, str] = {}
    for whole in service.container.env_from:
        for kind, reference in whole.sources:
            found = settings.get((kind, service.namespace, reference.name))
            if found is None and not reference.optional:
                raise _refusal(service, f"no {kind} {reference.name} in the manifests")
            given |= {whole.prefix + key: value for key, value in (found or {}).items()}
    for variable in service.container.env:
        value = overrides.get(variable.name)
        if value is None:
            value = _value(variable, service, settings)
        if value is not None:
            given[variable.name] = value
    overridden = {name: overrides[name] for name in given.keys() & overrides.keys()}
    revision = service.spec.template.metadata.name or f"{service.name}-00001"
    return {
        **base_environment(),
        **given,
        **overridden,
        "K_SERVICE": service.name,
        "K_CONFIGURATION": service.name,
        "K_REVISION": revision,
        "PORT": str(port),
        "HOST": LOOPBACK,
    }


def _value(variable: EnvVar, service: Service, settings: Settings) -> str | None:
    if variable.value_from is None:
        return variable.value
    kind, reference = variable.value_from.source
    found = settings.get((kind, service.namespace, reference.name), {}).get(reference.key)
    if found is None and not reference.optional:
        missing = f"{variable.name}: no key {reference.key} in a {kind} {reference.name}"
        raise _refusal(service, f"{missing}: give it with --env {variable.name}=VALUE")
    return found


def _refusal(service: Service, reason: str) -> EnvironmentRefusedError:
    return EnvironmentRefusedError(f"Service {service.name}: {reason}")


def base_environment() -> dict[str, str]:
    """Return what every child process of the runtime gets from the runtime's own environment."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    # Without this the output of a Python function waits in a buffer until it is full.
    return passed_on | {"PATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
