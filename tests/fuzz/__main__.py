"""`python -m tests.fuzz`: schemathesis against a whole OrderFlow; then its books must add up."""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from knative_local.supervisor.spec import program
from orderflow.auth.caller import SCOPES
from tests.support.commands import orderflow
from tests.support.shop import ROOT, Shop, open_shop

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
ENDS_WITHIN_S = 120  # beside the time that it is given
REQUEST_WITHIN_S = 10  # as long as anything here may take on a busy machine


def fuzz(shop: Shop, seconds: int, seed: int) -> int:
    """Call for so many seconds whatever the contract says is there; return the exit status."""
    scopes = " ".join(sorted(SCOPES))
    token = orderflow("token", "--data", shop.data, "--scope", scopes).stdout.strip()
    options = {
        "--header": f"Authorization: Bearer {token}",
        "--max-time": seconds,
        "--seed": seed,
        # With more, Hypothesis parses code in several threads, which Python 3.11 fails at now and
        # then ("AST constructor recursion depth mismatch").
        "--workers": 1,
        "--request-timeout": REQUEST_WITHIN_S,
        "--generation-database": "none",
        "--warnings": "off",
    }
    told = [str(part) for option in options.items() for part in option]
    command = [program("schemathesis"), "--config-file", str(CONFIGURATION), "run", *told]
    done = subprocess.run(
        [*command, "--no-color", f"{shop.url}/openapi.json"],
        timeout=seconds + ENDS_WITHIN_S,
        cwd=shop.data.parent,  # where it leaves a folder of its own
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.returncode


def main() -> int:
    """Read the command line, run, and return the exit status."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    told = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_shop(Path(folder) / "data", options=["--auth"]) as shop,
    ):
        status = fuzz(shop, told.seconds, told.seed)
        findings = [check for check in shop.proof([]).audit.findings if check.found]
    for finding in findings:
        print(f"the audit found {finding.found}: {finding.promise}: {finding.rows}")
    return status or bool(findings)


if __name__ == "__main__":
    sys.exit(main())
