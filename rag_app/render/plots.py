"""Plots as SVG, drawn by Matplotlib: the only module that knows it.

Letters stay text, so that the reader's browser sets them, Persian ones too. Colours are those of INK, or with
`themed` the variables of the page's style sheet (--ink, --soft, --line, --c1 to --c6), so that they suit its dark form.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

INK = {
    "--ink": "#23221f",
    "--soft": "#6f6b63",
    "--line": "#e4e0d7",
    "--c1": "#0b6ea8",
    "--c2": "#c4690c",
    "--c3": "#16805c",
    "--c4": "#a8437e",
    "--c5": "#7d6608",
    "--c6": "#5b5fc7",
}
SERIES = tuple(INK[f"--c{i}"] for i in range(1, 7))  # told apart by the colour-blind, after Okabe and Ito (2008)
_WIDTH = 6.4  # inches of 72 points
_ROW = 0.34  # inches of a row of a plot that lists groups


@dataclass(frozen=True, slots=True)
class Point:
    """A value with its interval, and how many items it is of."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Dots:
    """Values of 0 to 1 with intervals: a row a group, a dot a series. points: by (row, series)."""

    rows: tuple[str, ...]
    series: tuple[str, ...]
    points: Mapping[tuple[str, str], Point]
    measure: str


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines of y, 0 to 1, over x; steps: y holds from one x to the next. counted: x are whole numbers."""

    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    x: str
    y: str
    logarithmic: bool = False
    steps: bool = False
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Stack:
    """Bars of parts laid end to end: a bar a row. parts: name -> a value for each row."""

    rows: tuple[str, ...]
    parts: Mapping[str, Sequence[float]]
    measure: str


@dataclass(frozen=True, slots=True)
class Reliability:
    """How often what was said with a confidence was right: points at (mean confidence, share right)."""

    points: Sequence[tuple[float, Point]]


Plot = Dots | Curves | Stack | Reliability


def svg(plot: Plot, *, name: str, label: str, themed: bool = False) -> str:
    """The plot as an SVG element that scales to its place; the same plot gives the same text.

    name: letters that no other plot on the page has. label: read out in its place. Its words are escaped.
    """
    with _drawing(plot, salt=name) as figure:
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", text)
    width, height = (float(n) for n in re.findall(r'(?:width|height)="([\d.]+)pt"', text)[:2])
    text = re.sub(r'width="[\d.]+pt"|height="[\d.]+pt"', "", text, count=2)
    text = text.replace(
        "<svg", f'<svg width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(label)}"', 1
    )
    if themed:
        for variable, colour in INK.items():
            text = text.replace(colour, f"var({variable})")
        text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--sans)", text)
    return text


@contextmanager
def _drawing(plot: Plot, *, salt: str) -> Iterator[Figure]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    ink, soft = INK["--ink"], INK["--soft"]
    style: dict[RcKeyType, object] = {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "font.family": "sans-serif",
        "font.size": 9,
        "text.color": ink,
        "axes.labelcolor": soft,
        "axes.edgecolor": INK["--line"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": INK["--line"],
        "grid.linewidth": 0.6,
        "xtick.color": soft,
        "ytick.color": soft,
        "legend.frameon": False,
        "legend.labelcolor": ink,
        "lines.linewidth": 1.6,
        "text.parse_math": False,
    }
    with mpl.rc_context(style):
        rows = len(plot.rows) if isinstance(plot, Dots | Stack) else 7
        figure = Figure(figsize=(_WIDTH, max(1.7, 1.1 + _ROW * rows)), layout="constrained")
        axes = figure.subplots()
        match plot:
            case Dots():
                _dots(axes, plot)
            case Curves():
                _curves(axes, plot)
            case Stack():
                _stack(axes, plot)
            case Reliability():
                _reliability(axes, plot)
        yield figure


def _dots(axes: Axes, plot: Dots) -> None:
    room = 0.5 / max(1, len(plot.series))
    for s, series in enumerate(plot.series):
        at: list[float] = []
        points: list[Point] = []
        for r, row in enumerate(plot.rows):
            if (row, series) in plot.points:
                at.append(r + (s - (len(plot.series) - 1) / 2) * room)
                points.append(plot.points[row, series])
        values = [p.value for p in points]
        axes.errorbar(
            values,
            at,
            xerr=_reach(points),
            fmt="os^Dvp"[s % 6],
            color=SERIES[s % 6],
            ms=5,
            elinewidth=1.4,
            label=series,
        )
        for y, point in zip(at, points, strict=True):
            axes.annotate(f"{point.n}", (1.06, y), fontsize=7.5, color=SERIES[s % 6], va="center", ha="right")
    axes.set(xlim=(-0.03, 1.08), ylim=(len(plot.rows) - 0.4, -0.6), xlabel=f"{plot.measure}  (right: items)")
    axes.set_yticks(range(len(plot.rows)), plot.rows, color=INK["--ink"])
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.grid(visible=False, axis="y")
    _legend(axes, len(plot.series))


def _curves(axes: Axes, plot: Curves) -> None:
    from matplotlib.ticker import MaxNLocator

    for s, (name, (x, y)) in enumerate(plot.lines.items()):
        drawn = "steps-post" if plot.steps else "default"
        axes.plot(x, y, ("-", "--", "-.", ":")[s % 4], color=SERIES[s % 6], label=name, drawstyle=drawn)
    if plot.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: "")
    elif plot.counted:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(ylim=(-0.02, 1.03), xlabel=plot.x, ylabel=plot.y)
    _legend(axes, len(plot.lines))


def _stack(axes: Axes, plot: Stack) -> None:
    at = range(len(plot.rows))
    left = [0.0] * len(plot.rows)
    for s, (part, values) in enumerate(plot.parts.items()):
        axes.barh(at, values, left=left, height=0.6, color=SERIES[s % 6], label=part)
        left = [a + b for a, b in zip(left, values, strict=True)]
    for y, whole in zip(at, left, strict=True):
        axes.annotate(f" {whole:.3g}", (whole, y), fontsize=7.5, color=INK["--soft"], va="center")
    axes.set(xlabel=plot.measure, ylim=(len(plot.rows) - 0.4, -0.6), xlim=(0, max([*left, 1e-9]) * 1.12))
    axes.set_yticks(at, plot.rows, color=INK["--ink"])
    axes.grid(visible=False, axis="y")
    _legend(axes, len(plot.parts))


def _reliability(axes: Axes, plot: Reliability) -> None:
    axes.plot([0, 1], [0, 1], "--", color=INK["--soft"], linewidth=1, label="as it should be")
    x = [confidence for confidence, _ in plot.points]
    points = [point for _, point in plot.points]
    errors = [[max(0.0, p.value - p.low) for p in points], [max(0.0, p.high - p.value) for p in points]]  # rounding
    axes.errorbar(
        x, [p.value for p in points], yerr=errors, fmt="o", color=SERIES[0], elinewidth=1.4, label="as it was"
    )
    for confidence, point in plot.points:
        axes.annotate(f"{point.n}", (confidence, -0.035), fontsize=7.5, color=SERIES[0], ha="center", va="top")
    axes.set(xlim=(0, 1.02), ylim=(-0.12, 1.04), xlabel="confidence said  (in blue: answers)", ylabel="share right")
    axes.legend(loc="upper left")


def _reach(points: Sequence[Point]) -> list[list[float]]:
    """How far the intervals go down and up; an end that rounding put on the wrong side of its value counts as 0."""
    return [[max(0.0, p.value - p.low) for p in points], [max(0.0, p.high - p.value) for p in points]]


def _legend(axes: Axes, series: int) -> None:
    if series > 1:
        axes.figure.legend(loc="outside upper left", ncols=min(series, 4), handlelength=1.6, borderpad=0.1)
