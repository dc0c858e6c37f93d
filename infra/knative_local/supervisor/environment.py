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
            if reference is None:
                continue
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
    revision = service.spec.template.metadata.name or f"{service.name}-00001"
    return {
        **base_environment(),
        **given,
        "K_SERVICE": service.name,
        "K_CONFIGURATION": service.name,
        "K_REVISION": revision,
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
