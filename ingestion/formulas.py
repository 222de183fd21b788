"""Display formulas: their number and their text layer in an order that can be read and searched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.elements import BBox
from ingestion.geometry import union
from ingestion.glyphs import Glyph, Run, main_size, mark_indices, to_rows
from ingestion.script import is_rtl_letter, normalise_line
from ingestion.tables import Rule

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_NUMBER = re.compile(r"^[(\[]\s*((?:[A-Z]{1,2}\s?[.\-]?\s?)?\d+(?:\s?[.\-–]\s?\d+)*\s?[a-z]?'?)\s*[)\]]$")
_MATH_FONT = re.compile(
    r"CM(?:MI|SY|EX|BSY|MIB)|MSAM|MSBM|Math|Symbol|MTMI|MTSY|MTEX|RMTMI|txmi|txsy|pxmi|Cambria ?Math", re.I
)
_MATH_CHARS = set("=≈≡≤≥<>±×÷·∑∏∫∂∇√∞∈∉⊂⊆∪∩→←⇒⇔∀∃∼∝≠⟨⟩∥|^_+−")
# Computer Modern's extension font names its big operators by letters when the PDF has no ToUnicode map.
_CMEX = {"X": "∑", "P": "∑", "Y": "∏", "Q": "∏", "Z": "∫", "R": "∫", "q": "√", "p": "√", "r": "√", "s": "√",
         "h": "[", "i": "]", "n": "{", "o": "}", "\x12": "(", "\x13": ")", "\x10": "(", "\x11": ")"}  # fmt: skip
_BIG = set("∑∏∫⋃⋂⋁⋀∐∮")


@dataclass(frozen=True, slots=True)
class Formula:
    """text: one line per row of the formula; number: "5" or "A.2", None when it has none."""

    text: str
    number: str | None


def equation_number(text: str) -> str | None:
    """ "5" for "(5)", "A.2" for "(A.2)"; None for other text."""
    m = _NUMBER.match(text.strip().translate(_DIGITS).replace("\u200c", ""))
    return m[1].replace(" ", "") if m else None


def is_math(glyphs: Sequence[Glyph]) -> bool:
    """True when at least a fifth of the characters are of a mathematical font or are operators."""
    visible = [g for g in glyphs if not g.c.isspace()]
    hits = sum(1 for g in visible if g.c in _MATH_CHARS or _MATH_FONT.search(g.font))
    return bool(visible) and hits >= 0.2 * len(visible)


def read_formula(runs: Sequence[Run], rules: Sequence[Rule], box: BBox) -> Formula:
    """Number and text of the formula made of the runs; rules are the fraction bars of the page."""
    numbers = [(run, n) for run in runs if (n := equation_number(run.text)) is not None]
    number = None
    if numbers:
        edge = max(numbers, key=lambda item: abs((item[0].bbox[0] + item[0].bbox[2]) / 2 - (box[0] + box[2]) / 2))
        others = [r for r in runs if r is not edge[0]]
        if (
            not others
            or edge[0].bbox[0] > max(r.bbox[2] for r in others) - 2
            or edge[0].bbox[2] < min(r.bbox[0] for r in others) + 2
        ):
            number = edge[1]
            runs = others
    glyphs = [_named(g) for run in runs for g in run.glyphs if not g.c.isspace()]
    bars = [r for r in rules if box[0] - 2 <= r.x0 and r.x1 <= box[2] + 2 and box[1] - 2 <= r.y <= box[3] + 2]
    return Formula(linear(glyphs, bars), number)


def _named(g: Glyph) -> Glyph:
    if "CMEX" in g.font.upper() and g.c in _CMEX:
        return g._replace(c=_CMEX[g.c])
    return g


def linear(glyphs: Sequence[Glyph], bars: Sequence[Rule]) -> str:
    """One-line reading of two-dimensional mathematics: fractions as (a)/(b), indices as x_i^2."""
    rows = _rows(glyphs, bars)
    return "\n".join(text for row in rows if (text := normalise_line(_linear_row(row, bars))))


def _rows(glyphs: Sequence[Glyph], bars: Sequence[Rule]) -> list[list[Glyph]]:
    """Rows of a system of equations; what belongs to one fraction or operator stays in one row."""
    if not glyphs:
        return []
    size = max(g.size for g in glyphs)
    spans = [(g.base - 0.7 * g.size, g.base + 0.2 * g.size) for g in glyphs if g.size > 0.8 * size]
    spans += [(b.y - 0.8 * size, b.y + 0.8 * size) for b in bars]
    merged: list[list[float]] = []
    for top, bottom in sorted(spans):
        if merged and top < merged[-1][1] - 0.1 * size:
            merged[-1][1] = max(merged[-1][1], bottom)
        else:
            merged.append([top, bottom])
    rows: list[list[Glyph]] = [[] for _ in merged]
    for g in glyphs:
        middle = g.base - 0.25 * g.size
        rows[min(range(len(merged)), key=lambda i: max(merged[i][0] - middle, middle - merged[i][1], 0.0))].append(g)
    return rows


def _linear_row(glyphs: list[Glyph], bars: Sequence[Rule]) -> str:
    if not glyphs:
        return ""
    pieces, rest = _fractions(glyphs, bars)
    rest.sort(key=lambda g: g.x0)
    if any(is_rtl_letter(g.c) for g in rest):
        rest.sort(key=lambda g: -g.x1)
    for x, text, model in pieces:
        at = sum(1 for g in rest if g.x0 < x)
        rest.insert(at, model._replace(c=text, x0=x))
    return _with_limits(rest)


def _fractions(glyphs: list[Glyph], bars: Sequence[Rule]) -> tuple[list[tuple[float, str, Glyph]], list[Glyph]]:
    """Fractions taken out of the glyphs: (left edge, text, a glyph that stands for it), and the glyphs left."""
    rest = list(glyphs)
    pieces: list[tuple[float, str, Glyph]] = []
    for bar in sorted(bars, key=lambda b: b.x0 - b.x1):
        size = main_size(rest) or 10.0
        over = [g for g in rest if _spans_bar(g, bar) and g.base <= bar.y + 0.05 * size and g.base > bar.y - 2.6 * size]
        under = [
            g for g in rest if _spans_bar(g, bar) and g.base > bar.y + 0.3 * g.size and g.base < bar.y + 2.6 * size
        ]
        if not over or not under:
            continue
        inner = [b for b in bars if b is not bar and b.x1 - b.x0 < bar.x1 - bar.x0]
        top, bottom = _linear_row(over, inner), _linear_row(under, inner)
        roots = [g for g in rest if g.c == "√" and abs(g.x1 - bar.x0) < 2 and g not in over and g not in under]
        rest = [g for g in rest if g not in over and g not in under]
        if roots:
            continue
        model = max([*over, *under], key=lambda g: g.size)
        pieces.append((bar.x0, f"({top})/({bottom})", model._replace(base=bar.y + 0.25 * model.size, x1=bar.x1)))
    return pieces, rest


def _spans_bar(g: Glyph, bar: Rule) -> bool:
    middle = (g.x0 + g.x1) / 2
    return bar.x0 - 1.5 <= middle <= bar.x1 + 1.5


def _with_limits(glyphs: list[Glyph]) -> str:
    """Text of one row: limits of big operators follow them, then indices are marked."""
    used: set[int] = set()
    out: list[Glyph] = []
    size = main_size(glyphs)
    for i, g in enumerate(glyphs):
        if i in used:
            continue
        if g.c in _BIG:
            near = [
                (k, h)
                for k, h in enumerate(glyphs)
                if k not in used
                and k != i
                and h.size < 0.87 * size
                and h.x1 > g.x0 - 0.6 * size
                and h.x0 < g.x1 + 0.6 * size
                and h.c not in _BIG
            ]
            middle = (g.y0 + g.y1) / 2
            low = [(k, h) for k, h in near if h.base > middle + 0.4 * size and _centred(h, near, g)]
            high = [(k, h) for k, h in near if h.base < middle - 0.2 * size and _centred(h, near, g)]
            used |= {k for k, _ in [*low, *high]} | {i}
            out = [h for h in out if h not in [x for _, x in [*low, *high]]]
            text = g.c
            text += f"_{{{mark_indices([h for _, h in low])}}}" if low else ""
            text += f"^{{{mark_indices([h for _, h in high])}}}" if high else ""
            out.append(g._replace(c=text + " ", size=size, base=_base(glyphs, size)))
        else:
            out.append(g)
    return mark_indices(out, always_brace=True)


def _centred(h: Glyph, near: Sequence[tuple[int, Glyph]], operator: Glyph) -> bool:
    return len(near) < 40 and abs((h.x0 + h.x1) / 2 - (operator.x0 + operator.x1) / 2) < 40


def _base(glyphs: Sequence[Glyph], size: float) -> float:
    main = sorted(g.base for g in glyphs if g.size > 0.87 * size and g.c not in _BIG)
    return main[len(main) // 2] if main else (glyphs[0].base if glyphs else 0.0)


def formula_rows(runs: Sequence[Run]) -> list[BBox]:
    """Boxes of the visual lines of the runs."""
    return [union(r.bbox for r in row) for row in to_rows(runs)]
