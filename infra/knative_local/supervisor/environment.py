"""The environment a function's process gets: the manifest's, Knative's and as little else."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from knative_local.errors import LocalRuntimeError
from knative_local.manifests.service import ConfigMap, EnvVar, Service, ValueFrom
from knative_local.ports import LOOPBACK

# What any program on this machine needs to find its files and speak the user's language.
PASSED_ON = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "TMPDIR", "TZ", "USER")


class EnvironmentRefusedError(LocalRuntimeError):
    """A variable of a manifest has no value here; the message says how to give one."""


def function_environment(
    service: Service, port: int, *, overrides: Mapping[str, str], config_maps: Sequence[ConfigMap]
) -> dict[str, str]:
    """Return the whole environment of a function's process that listens on `port`.

    `overrides` replace the manifest's variables of the same name and stand in for its secrets;
    a function does not see overrides that its manifest does not name, as in a cluster.
    """
    given = _from_maps(service, config_maps)
    for variable in service.container.env:
        value = overrides.get(variable.name)
        given_value = _value(variable, service, config_maps) if value is None else value
        if given_value is not None:
            given[variable.name] = given_value
    overridden = {name: overrides[name] for name in given.keys() & overrides.keys()}
    return base_environment() | given | overridden | _knative(service, port)


def base_environment() -> dict[str, str]:
    """Return what every child process of the runtime gets from the runtime's own environment."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    # Without this the output of a Python function waits in a buffer until it is full.
    return passed_on | {"PATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def _knative(service: Service, port: int) -> dict[str, str]:
    revision = service.spec.template.metadata.name or f"{service.name}-00001"
    names = {"K_SERVICE": service.name, "K_CONFIGURATION": service.name, "K_REVISION": revision}
    return names | {"PORT": str(port), "HOST": LOOPBACK}


def _from_maps(service: Service, config_maps: Sequence[ConfigMap]) -> dict[str, str]:
    given: dict[str, str] = {}
    for source in service.container.env_from:
        if source.secret_ref is not None:
            raise _refusal(service, f"envFrom: secret {source.secret_ref.name} is not here")
        if source.config_map_ref is None:
            continue
        found = _config_map(source.config_map_ref.name, service, config_maps)
        if found is None and not source.config_map_ref.optional:
            raise _refusal(service, f"no ConfigMap {source.config_map_ref.name} in the manifests")
        for key, value in (found.data if found else {}).items():
            given[source.prefix + key] = value
    return given


def _value(variable: EnvVar, service: Service, config_maps: Sequence[ConfigMap]) -> str | None:
    if variable.value_from is None:
        return variable.value
    return _referenced(variable.name, variable.value_from, service, config_maps)


def _referenced(
    name: str, source: ValueFrom, service: Service, config_maps: Sequence[ConfigMap]
) -> str | None:
    if source.config_map_key_ref is not None:
        reference = source.config_map_key_ref
        found = _config_map(reference.name, service, config_maps)
        if found is not None and reference.key in found.data:
            return found.data[reference.key]
        missing = f"{name}: no key {reference.key} in a ConfigMap {reference.name}"
    else:
        assert source.secret_key_ref is not None
        reference = source.secret_key_ref
        missing = f"{name} is in the secret {reference.name}: give it with --env {name}=VALUE"
    if reference.optional:
        return None
    raise _refusal(service, missing)


def _config_map(name: str, service: Service, config_maps: Sequence[ConfigMap]) -> ConfigMap | None:
    same = (m for m in config_maps if (m.name, m.namespace) == (name, service.namespace))
    return next(same, None)


def _refusal(service: Service, reason: str) -> EnvironmentRefusedError:
    return EnvironmentRefusedError(f"Service {service.name}: {reason}")
