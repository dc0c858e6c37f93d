"""The `orderflow` command as people and scripts use it."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from orderflow_cli.app import main

ROOT = Path(__file__).parents[2]
SERVERS = {"DATABASE_URL", "ORDERFLOW_POSTGRES_URL", "KAFKA_BOOTSTRAP_SERVERS"}


class Done(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    stdout: str
    stderr: str


def orderflow(*arguments: object, cwd: Path = ROOT, **environment: str) -> Done:
    """Run one command to its end in this process, where it starts at once; in `cwd`.

    It is not told by this process's environment where its servers are.
    """
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in SERVERS:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["orderflow", *map(str, arguments)])
        patch.chdir(cwd)
        with pytest.raises(SystemExit) as ended:
            main()
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def refused_up(*arguments: object, cwd: Path = ROOT) -> Done:
    """Run an `orderflow up` that will not come up, in a process of its own as every server."""
    done = subprocess.run(
        [sys.executable, "-m", "orderflow_cli", "up", *map(str, arguments)],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name not in SERVERS},
        capture_output=True,
        text=True,
        timeout=30.0,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def said(refused: Done) -> str:
    """The one line in which a command says why it did not do it; `up` has shown its bar by then."""
    assert refused.status != 0
    assert refused.stdout == "" or refused.stdout.startswith("starting ")
    (line,) = refused.stderr.splitlines()
    return line.removeprefix("orderflow: ")
