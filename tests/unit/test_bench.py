"""What the benchmark reads from the README, and how it draws and tells what it found."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench.calling import Measured, Round, percentile
from tests.bench.picture import COLOURS, draw
from tests.bench.quick import KEPT, ratios_of, too_small
from tests.bench.report import Figure, at_least, at_most, readme_rows

README = Path(__file__).parents[2] / "README.md"
# ruff: noqa: E501 (rows of a table)
ROWS = """
| `make bench ARGS=accepting` | orders accepted by `create_order`, from 1 / 8 / 32 callers | | 6 / 5 / 4 |
| `make bench ARGS=accepting` | as many times those of FastAPI, asyncpg and aiokafka | 9 at 32 | 1 / 2.5 / 3.5 times |
| `make bench ARGS=accepting` | as many times those of the design that OrderFlow began as: a connection, a commit and a flush a call | | 7 / 8 / 1,009.5 times |
| `make bench ARGS=accepting` | as many times those of a function that does nothing | | 0.1 / 0.2 / 0.31 times |
| `make bench ARGS=pipeline` | orders a second, from 32 callers | | 2,470/s; 2,362/s |
| `make bench ARGS=pipeline` | the same, compared | 5 times | 10.2 times |
"""


def test_the_ratios_of_32_callers_are_found() -> None:
    assert ratios_of(ROWS) == {
        "accepting, beside fastapi": 3.5,
        "accepting, beside seed": 1009.5,
        "accepting, beside empty": 0.31,
        "pipeline, beside fastapi": 10.2,
    }


def test_the_readme_has_all_four() -> None:
    assert ratios_of(README.read_text()).keys() == KEPT.keys()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("the same, compared", "else", "has no row of `make bench ARGS=pipeline` that says"),
        ("1 / 2.5 / 3.5 times", "1 / 2.5 times", "are not of"),
        ("1 / 8 / 32 callers", "1 / 8 / 33 callers", "are not of"),
    ],
)
def test_a_readme_without_a_ratio_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ratios_of(ROWS.replace(old, new))


def test_under_85_percent_is_too_small() -> None:
    assert too_small({"a": 1.6, "b": 1.8}, {"a": 2.0, "b": 2.0}) == ["a"]


def test_a_share_of_one_and_more_is_what_is_wanted() -> None:
    assert at_least("hot", "x", "y", 0.77, 0.7).share == pytest.approx(1.1)
    assert at_most("cold", "x", "y", 1.76, 1.6).share == pytest.approx(0.909, abs=1e-3)


def test_the_rows_of_the_readme_are_of_a_part_each_or_of_a_figure() -> None:
    figures = [
        Figure("cold", "start", "1.5 times"),
        Figure("accepting", "one", "1", before="0", row=True),
        Figure("cold", "memory", "1.4 times", before="2 times"),
        Figure("accepting", "two", "2", row=True),
    ]

    assert list(readme_rows(figures)) == [
        "| `make bench ARGS=cold` | start; memory | 2 times | 1.5 times; 1.4 times |",
        "| `make bench ARGS=accepting` | one | 0 | 1 |",
        "| `make bench ARGS=accepting` | two |  | 2 |",
    ]


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([1, 2, 3, 4], share) for share in (0.0, 0.5, 0.99)] == [1, 3, 4]


def test_the_picture_has_a_dot_for_each_number_of_callers(tmp_path: Path) -> None:
    rates = {
        callers: {name: Measured([Round(callers * 50.0 * n, 2.0 * callers, 9.0 * callers)])
                  for n, name in enumerate(COLOURS, 1)}
        for callers in (1, 32)
    }  # fmt: skip

    drawn = ElementTree.parse(draw(rates, tmp_path / "drawn.svg")).getroot()

    shapes = [element.tag.rpartition("}")[2] for element in drawn.iter()]
    assert shapes.count("polyline") == len(COLOURS)
    assert shapes.count("circle") == len(COLOURS) * (2 + 1)  # and one in the legend
    inside = [float(c.attrib["cx"]) for c in drawn.iter() if c.tag.endswith("circle")]
    assert all(0 < x < 720 for x in inside)
