"""infra/RETENTION.md names every setting of what is kept, with its default."""

import re
from pathlib import Path

from orderflow.config import RetentionSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "infra/RETENTION.md").read_text()


def test_the_settings_are_those_that_are_read_with_their_defaults() -> None:
    told = dict(re.findall(r"\| `(ORDERFLOW_KEEP_\w+)`, (\d+) \|", PAGE))

    fields = RetentionSettings.model_fields.items()
    assert told == {f"ORDERFLOW_{name.upper()}": str(field.default) for name, field in fields}


def test_every_path_it_names_exists() -> None:
    named = re.findall(r"`((?:infra|shared|tests|functions)/[\w./-]+\w)", PAGE)

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_it_is_one_page() -> None:
    assert len(PAGE.splitlines()) < 120
