"""Display formulas: their number and their text layer in an order that can be read and searched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingestion.elements import BBox
from ingestion.glyphs import Glyph, Run, main_base
from ingestion.indices import mark_indices
from ingestion.merged_rows import Rule
from ingestion.script import is_rtl_letter, normalise_line

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_NUMBER = re.compile(r"^[(\[]\s*((?:[A-Z]{1,2}\s?[.\-]?\s?)?\d+(?:\s?[.\-–]\s?\d+)*\s?[a-z]?'?)\s*[)\]]$")
_MATH_FONT = re.compile(
    r"CM(?:MI|SY|EX|BSY|MIB)|MSAM|MSBM|Math|Symbol|MTMI|MTSY|MTEX|RMTMI|txmi|txsy|pxmi|Cambria ?Math", re.I
)
_MATH_CHARS = set("=≈≡≤≥<>±×÷·∑∏∫∂∇√∞∈∉⊂⊆∪∩→←⇒⇔∀∃∼∝≠⟨⟩∥|^_+−")
_BIG = set("∑∏∫⋃⋂⋁⋀∐∮")
_LIMIT_WORDS = ("max", "min", "lim", "sup", "inf", "argmax", "argmin")
_TALL_FONT = re.compile(r"CMEX|MTEX|txex|pxex", re.I)  # fonts of big operators and brackets, hung below their baseline


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
    glyphs = [g for run in runs for g in run.glyphs if not g.c.isspace()]
    bars = [r for r in rules if box[0] - 2 <= r.x0 and r.x1 <= box[2] + 2 and box[1] - 2 <= r.y <= box[3] + 2]
    return Formula(linear(glyphs, bars), number)


def linear(glyphs: Sequence[Glyph], bars: Sequence[Rule]) -> str:
    """One-line reading of each row of two-dimensional mathematics: (a)/(b), √(x), x_i^2, ∑_{i=1}^{n}.

    Parts that are put together become one Glyph with their text as its character.
    """
    items = list(glyphs)
    for bar in sorted(bars, key=lambda r: r.x1 - r.x0):
        items = _compose_bar(items, bar)
    return "\n".join(text for row in _rows(items) if (text := normalise_line(_row_text(row))))


def full_size(items: Sequence[Glyph]) -> float:
    """Size of the letters that are no indices: the largest, big operators and tall brackets apart."""
    own = [g.size for g in items if g.c not in _BIG and not _TALL_FONT.search(g.font)]
    return max(own or [g.size for g in items], default=0.0)


def _compose_bar(items: list[Glyph], bar: Rule) -> list[Glyph]:
    """The items with what stands over and under the bar made one: a fraction, or a root when √ is at its left end."""
    inside = [g for g in items if bar.x0 - 1.5 <= (g.x0 + g.x1) / 2 <= bar.x1 + 1.5]
    under = _nearest_row([g for g in inside if _axis(g) > bar.y], bar.y)
    root = next((g for g in items if g.c == "√" and abs(g.x1 - bar.x0) < 0.25 * g.size and g not in under), None)
    over = [] if root else _nearest_row([g for g in inside if _axis(g) <= bar.y], bar.y)
    if not under or not (over or root) or _has_wide_gap(over) or _has_wide_gap(under):
        return items
    size = full_size([*over, *under])
    gone = {id(g) for g in [*over, *under]} | {id(root)}
    rest = [g for g in items if id(g) not in gone]
    model = max(under, key=lambda g: g.size)
    if root is not None:
        inner = _row_text(under)
        text = f"√{inner}" if len(inner) == 1 else f"√({inner})"
        return [*rest, model._replace(c=text, x0=root.x0, x1=bar.x1, size=size)]
    text = f"{_bracketed(_row_text(over))}/{_bracketed(_row_text(under))}"
    return [*rest, model._replace(c=text, x0=bar.x0, x1=bar.x1, base=bar.y + 0.25 * size, size=size)]


def _has_wide_gap(items: Sequence[Glyph]) -> bool:
    """Columns under a rule are a table of numbers, no fraction."""
    row = sorted(items, key=lambda g: g.x0)
    return any(b.x0 - a.x1 > 2 * max(a.size, b.size) for a, b in pairwise(row))


def _bracketed(text: str) -> str:
    return text if len(text) == 1 or text.isdigit() else f"({text})"


def _axis(g: Glyph) -> float:
    """y of the middle of a letter."""
    return g.base - 0.25 * g.size


def _nearest_row(items: list[Glyph], y: float) -> list[Glyph]:
    """The items of the one line nearest to a bar at y, indices included; none when it is more than 2.5 sizes away."""
    if not items:
        return []
    size = full_size(items)
    mains = [g for g in items if g.size > 0.8 * size] or items
    base = min(mains, key=lambda g: abs(_axis(g) - y)).base
    if abs(base - 0.25 * size - y) > 2.5 * size:
        return []
    return [g for g in items if abs(_axis(g) - (base - 0.25 * size)) < 0.95 * size]


def _rows(items: Sequence[Glyph]) -> list[list[Glyph]]:
    """Rows of a system of equations, top to bottom."""
    if not items:
        return []
    size = full_size(items)
    bases: list[list[float]] = []
    for base in sorted(g.base for g in items if g.size > 0.8 * size and _makes_row(g)):
        if bases and base - bases[-1][-1] < 0.45 * size:
            bases[-1].append(base)
        else:
            bases.append([base])
    middles = [sorted(row)[len(row) // 2] for row in bases] or [items[0].base]
    rows: list[list[Glyph]] = [[] for _ in middles]
    for g in items:
        tall = g.c in _BIG or bool(_TALL_FONT.search(g.font))
        y = (g.y0 + g.y1) / 2 + 0.25 * size if tall else g.base
        rows[min(range(len(middles)), key=lambda i: abs(middles[i] - y))].append(g)
    return rows


def _row_text(items: Sequence[Glyph]) -> str:
    """Text of one row: limits follow their operator, then indices are marked."""
    row = sorted(items, key=lambda g: g.x0)
    if any(is_rtl_letter(g.c) for g in row):
        row.sort(key=lambda g: -g.x1)
    size = full_size(row)
    row = _join_words(row, size)
    base = main_base([g for g in row if g.c not in _BIG] or row, size)
    operators = [g for g in row if g.c in _BIG or g.c in _LIMIT_WORDS]
    limits: dict[int, list[Glyph]] = {id(g): [] for g in operators}
    rest: list[Glyph] = []
    for g in row:
        far = g.base > base + 0.5 * size or g.base < base - 0.75 * size
        near = min(operators, key=lambda o: _x_distance(g, o), default=None)
        if g.size < 0.87 * size and far and near is not None and _x_distance(g, near) < 3 * size:
            limits[id(near)].append(g)
        else:
            rest.append(g)
    out: list[Glyph] = []
    for g in rest:
        if id(g) in limits:
            low = [h for h in limits[id(g)] if h.base > base]
            high = [h for h in limits[id(g)] if h.base <= base]
            text = g.c + (f"_{{{_plain(low)}}}" if low else "") + (f"^{{{_plain(high)}}}" if high else "")
            out.append(g._replace(c=text, size=size, base=base))
        else:
            out.append(g)
    return mark_indices(out, size=size, always_brace=True)


def _plain(items: Sequence[Glyph]) -> str:
    return mark_indices(list(items), size=full_size(items), always_brace=True).strip()


def _x_distance(a: Glyph, b: Glyph) -> float:
    return abs((a.x0 + a.x1) / 2 - (b.x0 + b.x1) / 2)


def _join_words(row: list[Glyph], size: float) -> list[Glyph]:
    """Letters that spell an operator with limits ("max", "lim") become one item."""
    out: list[Glyph] = []
    i = 0
    while i < len(row):
        word = next((w for w in _LIMIT_WORDS if _spells(row, i, w, size)), None)
        if word is None:
            out.append(row[i])
            i += 1
            continue
        letters = _letters(row, i, len(word), size)
        between = [g for g in row[i : row.index(letters[-1])] if g not in letters]
        out.append(letters[0]._replace(c=word, x1=letters[-1].x1))
        out += between
        i = row.index(letters[-1]) + 1
    return out


def _letters(row: Sequence[Glyph], start: int, n: int, size: float) -> list[Glyph]:
    """The next n items of full size from `start`."""
    return [g for g in row[start : start + 2 * n] if g.size > 0.87 * size][:n]


def _spells(row: Sequence[Glyph], start: int, word: str, size: float) -> bool:
    if row[start].c != word[0]:
        return False
    letters = _letters(row, start, len(word), size)
    return "".join(g.c for g in letters) == word and not (
        start and row[start - 1].c.isalpha() and row[start].x0 - row[start - 1].x1 < 0.1
    )


def _makes_row(g: Glyph) -> bool:
    """Brackets and big operators may hang below or above their line."""
    return g.c not in _BIG and g.c not in "()[]{}|" and not _TALL_FONT.search(g.font)
