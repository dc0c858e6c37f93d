"""Lets the tests of this folder share their modules as `tests.conformance.<name>`."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
