"""Characters with their places, as MuPDF found them on a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingestion.elements import BBox
from ingestion.geometry import inside, union
from ingestion.symbols import UNKNOWN, needs_signs, sign

ITALIC, MONO, BOLD = 2, 8, 16  # MuPDF's span flags
OCR_FONT = "GlyphLessFont"  # what Tesseract's layer uses; given to all invisible text, whose sizes are guesses


class Glyph(NamedTuple):
    """One character. base: y of the baseline; size in points; flags: see ITALIC, MONO, BOLD."""

    c: str
    x0: float
    y0: float
    x1: float
    y1: float
    base: float
    size: float
    font: str
    flags: int


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Characters that MuPDF found on one line without a wide gap.

    size: of most of its characters, in points; horizontal: not rotated.
    """

    bbox: BBox
    glyphs: tuple[Glyph, ...]
    size: float
    horizontal: bool = True

    @property
    def text(self) -> str:
        return "".join([g.c for g in self.glyphs])


def make_run(glyphs: Sequence[Glyph], *, horizontal: bool = True) -> Run | None:
    """A run of the glyphs without the blanks at its ends; None when only blanks are left."""
    first, last = 0, len(glyphs)
    while last and glyphs[last - 1].c.isspace():
        last -= 1
    while first < last and glyphs[first].c.isspace():
        first += 1
    kept = tuple(glyphs[first:last])
    if not kept:
        return None
    return Run(union([g[1:5] for g in kept if not g.c.isspace()]), kept, main_size(kept), horizontal)


def read_runs(
    rawdict: dict[str, Any], *, hidden: Sequence[BBox] = (), codes: Mapping[tuple[float, float], int] | None = None
) -> list[Run]:
    """Runs of a page from `get_text("rawdict")`; spans that are one of the `hidden` boxes are left out.

    codes: the font's code of characters without a Unicode value, by their origin rounded to 0.1 points.
    """
    runs: list[Run] = []
    for block in rawdict["blocks"]:
        for line in block.get("lines", ()):
            glyphs: list[Glyph] = []
            for span in line["spans"]:
                if hidden and _hidden(span["bbox"], hidden):
                    continue
                size, font, flags = span["size"], span["font"], span["flags"]
                if span.get("alpha") == 0:
                    font, flags = OCR_FONT, flags & ~MONO  # invisible: the text layer of a scan
                odd = needs_signs(font)
                for char in span["chars"]:
                    c, (x0, y0, x1, y1), (x, y) = char["c"], char["bbox"], char["origin"]
                    if odd or c == UNKNOWN or c > "\uf8e5":
                        c = sign(c, font, codes.get((round(x, 1), round(y, 1))) if codes and c == UNKNOWN else None)
                    if c:
                        glyphs.append(Glyph(c, x0, y0, x1, y1, y, size, font, flags))
            run = make_run(glyphs, horizontal=line["dir"][0] > 0.98)
            if run is not None:
                runs.append(run)
    return runs


def has_unknown(rawdict: dict[str, Any]) -> bool:
    """Whether a character of the page has no Unicode value."""
    return any(
        char["c"] == UNKNOWN
        for block in rawdict["blocks"]
        for line in block.get("lines", ())
        for span in line["spans"]
        for char in span["chars"]
    )


def codes_by_place(rawdict: dict[str, Any]) -> dict[tuple[float, float], int]:
    """Code of every character by its origin, from a rawdict read with TEXT_CID_FOR_UNKNOWN_UNICODE."""
    return {
        (round(char["origin"][0], 1), round(char["origin"][1], 1)): ord(char["c"])
        for block in rawdict["blocks"]
        for line in block.get("lines", ())
        for span in line["spans"]
        for char in span["chars"]
        if char["c"]
    }


def _hidden(span: BBox, hidden: Sequence[BBox]) -> bool:
    return any(inside(span, box) > 0.8 and inside(box, span) > 0.8 for box in hidden)


def main_size(glyphs: Sequence[Glyph]) -> float:
    """Size of most characters, in points; 0 when there are none."""
    sizes = Counter([g.size for g in glyphs if not g.c.isspace()])
    return max(sizes, key=lambda s: (sizes[s], s)) if sizes else 0.0


def size_of_runs(runs: Iterable[Run]) -> float:
    """Size of most characters of the runs, in points."""
    sizes: dict[float, int] = {}
    for run in runs:
        sizes[run.size] = sizes.get(run.size, 0) + len(run.glyphs)
    return max(sizes, key=lambda s: (sizes[s], s)) if sizes else 0.0


def main_base(glyphs: Sequence[Glyph], size: float) -> float:
    """Baseline (y) of most characters of about the given size."""
    bases = Counter([round(g.base * 2) / 2 for g in glyphs if g.size >= 0.9 * size and not g.c.isspace()])
    return max(bases, key=lambda b: bases[b]) if bases else (glyphs[0].base if glyphs else 0.0)


def split_runs(runs: Iterable[Run], gap: float) -> list[Run]:
    """Cut runs where the next visible character is more than `gap` font sizes away."""
    out: list[Run | None] = []
    for run in runs:
        part: list[Glyph] = []
        last: Glyph | None = None
        for g in run.glyphs:
            if (
                last is not None
                and not g.c.isspace()
                and max(g.x0 - last.x1, last.x0 - g.x1) > gap * max(g.size, last.size)
            ):
                out.append(make_run(part, horizontal=run.horizontal))
                part = []
            part.append(g)
            if not g.c.isspace():
                last = g
        out.append(make_run(part, horizontal=run.horizontal))
    return [run for run in out if run is not None]
