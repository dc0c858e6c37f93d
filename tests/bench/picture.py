"""Throughput against latency as an SVG, written by hand: who is right of the others takes more
orders a second, who is below them answers sooner."""

from collections.abc import Iterator, Mapping, Sequence
from math import log10
from pathlib import Path

from tests.bench.calling import Rates

FILE = Path(__file__).with_name("throughput.svg")
WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 40, 44, 52
LEGENDS = 0, 130, 390  # where the names of the variants begin
# Colours that can be told apart by everyone, on white and on black.
COLOURS = {"ours": "#1f77d0", "fastapi": "#d9730d", "seed": "#8a8a8a"}
NAMES = {"ours": "OrderFlow", "fastapi": "FastAPI + asyncpg + aiokafka", "seed": "a commit a call"}
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333 }
.grid { stroke: #ddd } .axis { stroke: #888 } .title { font-size: 14px; font-weight: 600 }
.paper { fill: #fff }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .grid { stroke: #333 } .paper { fill: #0d1117 }
}
"""

Point = tuple[int, float, float, float]
"""Callers, orders a second, and the p50 and the p99 in ms."""


def draw(rates: Mapping[int, Rates], to: Path = FILE) -> Path:
    """Write the picture of what `accepting` measured; return its path."""
    lines = {
        name: [(n, of[name].median, *of[name].latency_ms) for n, of in rates.items()]
        for name in NAMES
    }
    to.write_text(svg(lines))
    return to


def svg(lines: Mapping[str, Sequence[Point]]) -> str:
    """Return a line for each variant: a dot for each number of callers, and up to its p99."""
    points = [point for line in lines.values() for point in line]
    scale = Scale(max(p[1] for p in points), [ms for p in points for ms in p[2:]])
    parts = [*axes(scale)]
    for number, (name, line) in enumerate(lines.items()):
        parts += series(scale, name, line)
        parts.append(legend(number, name))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    title = "orders accepted a second against the time of an answer"
    return "\n".join(
        [head, f"<title>{title}</title>", f"<style>{STYLE}</style>",
         f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>', *parts, "</svg>", ""]
    )  # fmt: skip


class Scale:
    """Orders a second to the right from nought, milliseconds upwards by powers of ten."""

    def __init__(self, most_per_s: float, all_ms: Sequence[float]) -> None:
        self.step = next(s for s in (500, 1_000, 2_000, 5_000, 10_000) if most_per_s / s <= 10)
        self.most = (int(most_per_s / self.step) + 1) * self.step
        self.low = 10 ** int(log10(min(all_ms)) // 1)
        self.high = 10 ** (int(log10(max(all_ms)) // 1) + 1)

    def x(self, per_s: float) -> float:
        """Return where so many orders a second are."""
        return LEFT + per_s / self.most * (WIDTH - LEFT - RIGHT)

    def y(self, ms: float) -> float:
        """Return where so many milliseconds are."""
        share = log10(ms / self.low) / log10(self.high / self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def axes(scale: Scale) -> Iterator[str]:
    """Yield the grid and its numbers."""
    for per_s in range(0, scale.most + 1, scale.step):
        x = scale.x(per_s)
        yield line_of("grid", x, TOP, x, HEIGHT - BOTTOM)
        yield text(x, HEIGHT - BOTTOM + 18, f"{per_s:,}", "middle")
    ms = scale.low
    while ms <= scale.high:
        y = scale.y(ms)
        yield line_of("grid", LEFT, y, WIDTH - RIGHT, y)
        yield text(LEFT - 8, y + 4, f"{ms:,g} ms", "end")
        ms *= 10
    yield text(WIDTH - RIGHT, HEIGHT - 14, "orders accepted a second, one process each", "end")
    yield text(LEFT, HEIGHT - 14, "dot: p50, its line: up to p99; beside it the callers", "start")


def series(scale: Scale, name: str, line: Sequence[Point]) -> Iterator[str]:
    """Yield the line of a variant, its dots, and how many callers each had."""
    colour = COLOURS[name]
    path = " ".join(f"{scale.x(per_s):.1f},{scale.y(p50):.1f}" for _, per_s, p50, _ in line)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for callers, per_s, p50, p99 in line:
        x, y = scale.x(per_s), scale.y(p50)
        yield line_of("", x, y, x, scale.y(p99), colour)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
        yield text(x + 7, y + 14, f"{callers}", "start")


def legend(number: int, name: str) -> str:
    """Return the name of a variant in its colour."""
    x = LEFT + LEGENDS[number]
    dot = f'<circle cx="{x + 6}" cy="20" r="5" fill="{COLOURS[name]}"/>'
    return dot + text(x + 18, 24, NAMES[name], "start", "title")


def text(x: float, y: float, said: str, anchor: str, kind: str = "") -> str:
    """Return a text that begins, ends or is in the middle at a place."""
    of_class = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{of_class}>{said}</text>'


def line_of(kind: str, x: float, y: float, to_x: float, to_y: float, colour: str = "") -> str:
    """Return a straight line."""
    look = f' class="{kind}"' if kind else f' stroke="{colour}" stroke-opacity="0.6"'
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"{look}/>'
