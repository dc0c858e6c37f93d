"""Loads a program as its image does, with what its image lacks out of reach; prints what it used.

python -m tests.support.imported function create_order list_orders

A line for each function, which is loaded in a process of its own.
"""

# ruff: noqa: PLC0415 (imports are what is measured here)

import importlib.metadata
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

LISTS = Path(__file__).parents[2] / "infra" / "docker"
OURS = {"orderflow", "knative-local"}


def normal(name: str) -> str:
    """A distribution's name as the lock has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def listed(image: str) -> set[str]:
    """The distributions in a kind of image."""
    lines = (LISTS / f"{image}.txt").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def owners(distributions: Sequence[str], here: set[str]) -> set[str]:
    """Whose a module is: of several that share its first name, as `google`, those in the image."""
    found = set(map(normal, distributions))
    return found & here or found


class OutOfReach(MetaPathFinder):
    """Finds no module of a distribution that is not there in the image."""

    def __init__(self, packages: Mapping[str, list[str]], here: set[str]) -> None:
        self._lacking = {
            module for module, found in packages.items() if not here & set(map(normal, found))
        }

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ModuleNotFoundError for what is not in the image; leave the rest to others."""
        if name.partition(".")[0] in self._lacking:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def load_function(name: str) -> None:
    """What functions-framework does up to the first request, in gunicorn's worker."""
    import uvicorn
    from functions_framework import _cli  # noqa: F401 (the command itself)
    from functions_framework._http.gunicorn import UvicornApplication
    from functions_framework.aio import create_asgi_app
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from orderflow.auth import tokens  # where callers are asked for them
    from orderflow.metrics import exposition  # where it is scraped
    from orderflow.tracing import sdk  # where traces are exported

    assert OTLPSpanExporter()  # which imports what it exports with
    assert exposition
    assert sdk
    assert tokens
    if not name:
        return
    app = create_asgi_app(name, f"functions/{name}/main.py")  # type: ignore[no-untyped-call]
    server = UvicornApplication(app, "127.0.0.1", 1, False)  # type: ignore[no-untyped-call]
    assert server.cfg.worker_class  # which imports it
    config = uvicorn.Config(app)
    config.load()
    config.get_loop_factory()


def load_runtime(_: str) -> None:
    """The gateway and the sources."""
    import uvicorn

    import knative_local.__main__  # noqa: F401 (the command itself)

    uvicorn.Config("gateway").get_loop_factory()


def load_operator(_: str) -> None:
    """Every command, up to its work."""
    import orderflow_cli.app  # noqa: F401 (the command itself)


PROGRAMS: dict[str, Callable[[str], None]] = {
    "function": load_function,
    "runtime": load_runtime,
    "operator": load_operator,
}


def main() -> None:
    """Load each, and print the distributions that were imported from."""
    image, *names = sys.argv[1:]
    before = set(sys.modules)
    packages = importlib.metadata.packages_distributions()
    sys.meta_path.insert(0, OutOfReach(packages, listed(image) | OURS))
    PROGRAMS[image]("")  # what all have in common
    for name in names or [""]:
        if os.fork():
            _, status = os.wait()
            if status:
                sys.exit(f"{name} needs more than there is in its image")
            continue
        PROGRAMS[image](name)
        tops = {module.partition(".")[0] for module in set(sys.modules) - before}
        used = {name for top in tops for name in owners(packages.get(top, ()), listed(image))}
        print(*sorted(used - OURS))
        sys.exit()


if __name__ == "__main__":
    main()
