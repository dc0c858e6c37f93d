"""What runs, for others to read: DATA/runtime.json, and the lock that says whether it is true."""

import fcntl
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from knative_local.errors import LocalRuntimeError
from knative_local.private_files import open_private, private_folder, replace_private
from knative_local.supervisor.component import Component

STATE_FILE = "runtime.json"
LOCK_FILE = "runtime.lock"
# After a supervisor was killed its reaper holds the lock until the children are gone, at most its
# grace of 3 s and what the kernel needs.
LOCK_WAIT_S = 10.0
POLL_INTERVAL_S = 0.05


class ComponentState(TypedDict):
    """One component as `ps` shows it; `state` is "gone" when its process is not there.

    At `metrics_port` it answers Prometheus with metrics of its own.
    """

    name: str
    kind: str
    pid: int | None
    port: int | None
    metrics_port: int | None
    state: str
    restarts: int


class RuntimeState(TypedDict):
    """The supervisor's pid and its components in the order they start."""

    pid: int | None
    components: list[ComponentState]


def lock(data_dir: Path) -> int:
    """Take the data directory for this process; return the descriptor that holds the lock.

    Raises LocalRuntimeError while another supervisor lives; waits for the remains of a dead one.
    """
    private_folder(data_dir)
    descriptor = open_private(data_dir / LOCK_FILE, os.O_RDWR)
    deadline = time.monotonic() + LOCK_WAIT_S
    while not _lock(descriptor, fcntl.LOCK_EX):
        owner = os.pread(descriptor, 20, 0).decode()
        if _alive(int(owner or 0)) or time.monotonic() > deadline:
            os.close(descriptor)
            in_use = f"{data_dir} is in use by process {owner}"
            raise LocalRuntimeError(f"{in_use}: stop it or choose another --data")
        time.sleep(POLL_INTERVAL_S)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def write_state(data_dir: Path, components: Iterable[Component]) -> None:
    """Replace the state file at once: a reader sees the old state or the new one.

    What has been stopped is not in it.
    """
    fields = ComponentState.__annotations__
    running = [component for component in components if component.state != "stopped"]
    described = [{name: getattr(found, name) for name in fields} for found in running]
    state = json.dumps({"pid": os.getpid(), "components": described}, indent=1)
    replace_private(data_dir / STATE_FILE, state)


def read_state(data_dir: Path) -> RuntimeState:
    """Return what the supervisor of this directory last wrote, corrected by what is alive now.

    Without a supervisor its pid is None and there are no components; one whose process has ended
    unseen is "gone".
    """
    nothing = RuntimeState(pid=None, components=[])
    try:
        state: RuntimeState = json.loads((data_dir / STATE_FILE).read_text())
        with (data_dir / LOCK_FILE).open("rb") as file:
            if _lock(file.fileno(), fcntl.LOCK_SH) or not _alive(state["pid"]):
                return nothing
    except FileNotFoundError:
        return nothing
    for component in state["components"]:
        expected = component["state"] in {"starting", "ready"} and component["pid"] is not None
        if expected and not _alive(component["pid"]):
            component["state"], component["pid"] = "gone", None
    return state


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: int | None) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
