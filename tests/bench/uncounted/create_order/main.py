"""create_order with nothing counted: what it lacks beside the other is what metrics cost."""

import importlib.util
from pathlib import Path

from orderflow.metrics.process import Metrics
from orderflow.metrics.series import Counter, Histogram

MAIN = Path(__file__).parents[4] / "functions" / "create_order" / "main.py"


def nothing(*_: object) -> str:
    """Count nothing."""
    return ""


for counting, name in (
    (Counter, "add"),
    (Histogram, "observe"),
    (Metrics, "begin_request"),
    (Metrics, "end_request"),
):
    setattr(counting, name, nothing)

spec = importlib.util.spec_from_file_location("create_order_main", MAIN)
assert spec is not None
assert spec.loader is not None
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
create_order = module.create_order
