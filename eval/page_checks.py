"""Unit tests over the Markdown of one page, with the meaning olmOCR-bench gives them (github.com/allenai/olmocr).

present, absent   a text is (not) on the page, give or take `max_diffs` letters
order             one text begins before another
table             a cell exists, and its neighbours or headings are as said
math              a formula is there as LaTeX. olmOCR compares renderings; here LaTeX is compared as text, blanks and
                  braces aside, so a differently written equal formula fails. `symbols_present` asks far less:
                  whether its symbols stand close together, in any order; olmOCR does not ask it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Check = Mapping[str, Any]  # Any: JSON
Table = list[list[str]]

_PLAIN = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "µ": "μ", **dict.fromkeys("–—‑‒−", "-")}
)


_FIELDS = {
    "present": ("text",),
    "absent": ("text",),
    "order": ("before", "after"),
    "table": ("cell",),
    "math": ("math",),
}  # that a check of each type must have


def check_problem(check: object) -> str:
    """What keeps a JSON value from being a check, in one clause; "" when it is one."""
    if not isinstance(check, dict):
        return "a check is a JSON object"
    fields = _FIELDS.get(str(check.get("type")))
    if fields is None:
        return f"the type {check.get('type')!r} is not known; the types are {', '.join(_FIELDS)}"
    missing = [name for name in ("id", "pdf", *fields) if not isinstance(check.get(name), str)]
    if missing:
        return f"it has no text {missing[0]!r}"
    page = check.get("page")
    return "" if isinstance(page, int) and page >= 1 else f"the page is {page!r}, not a number from 1"


def passes(check: Check, markdown: str) -> bool:
    """Whether the page passes; raises KeyError for a type not listed above."""
    kinds: dict[str, Callable[[Check, str], bool]] = {
        "present": lambda c, text: _distance(c["text"], text) <= c.get("max_diffs", 0),
        "absent": lambda c, text: _distance(c["text"], text) > c.get("max_diffs", 0),
        "order": _in_order,
        "table": _has_cell,
        "math": _has_math,
    }
    return kinds[check["type"]](check, markdown)


def plain(text: str) -> str:
    """Text without Markdown emphasis, with single blanks and plain quotes and dashes."""
    text = re.sub(r"<br/?>|</?[bi]>", " ", text)
    text = re.sub(r"(\*\*|__)(.*?)\1", r"\2", text)
    text = re.sub(r"(\*|_)(.*?)\1", r"\2", text)
    return unicodedata.normalize("NFC", re.sub(r"\s+", " ", text)).translate(_PLAIN)


def edit_distances(pattern: str, text: str) -> np.ndarray:
    """(len(text) + 1,) Levenshtein distance of `pattern` to the best stretch of `text` that ends at each place.

    Sellers 1980: a match may begin anywhere at no cost. O(len(pattern) * len(text)), one row at a time.
    """
    letters = np.array([ord(c) for c in text], dtype=np.int64)
    columns = np.arange(len(text) + 1)
    row = np.zeros(len(text) + 1, dtype=np.int64)
    for i, c in enumerate(pattern, start=1):
        best = np.empty_like(row)
        best[0] = i
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (letters != ord(c)))
        row = np.minimum.accumulate(best - columns) + columns  # insertions run along the row
    return row


def _distance(pattern: str, markdown: str) -> int:
    return int(edit_distances(plain(pattern), plain(markdown)).min())


def _in_order(check: Check, markdown: str) -> bool:
    text, allowed = plain(markdown), check.get("max_diffs", 0)
    before, after = plain(check["before"]), plain(check["after"])
    ends = np.flatnonzero(edit_distances(before, text) <= allowed)
    late = np.flatnonzero(edit_distances(after, text) <= allowed)
    return bool(len(ends) and len(late) and ends[0] - len(before) < late[-1] - len(after))


def tables(markdown: str) -> list[Table]:
    """Pipe tables of a Markdown text: rows of cells, the line of dashes left out."""
    found: list[Table] = []
    rows: Table = []
    for line in [*markdown.splitlines(), ""]:
        stripped = line.strip()
        if stripped.startswith("|") and stripped.count("|") > 1:
            cells = [plain(c.replace("\\|", "|")).strip() for c in re.split(r"(?<!\\)\|", stripped.strip("|"))]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            found.append(rows)
            rows = []
    return found


def _has_cell(check: Check, markdown: str) -> bool:
    allowed = check.get("max_diffs", 0)
    return any(
        _alike(cell, check["cell"], allowed) and _placed(check, table, r, c, allowed)
        for table in tables(markdown)
        for r, row in enumerate(table)
        for c, cell in enumerate(row)
    )


def _placed(check: Check, table: Table, r: int, c: int, allowed: int) -> bool:
    def at(row: int, column: int) -> str:
        return table[row][column] if 0 <= row < len(table) and 0 <= column < len(table[row]) else ""

    heads = next((at(i, c) for i in range(r) if at(i, c)), "")
    names = next((at(r, i) for i in range(c) if at(r, i)), "")
    there = {
        "up": at(r - 1, c),
        "down": at(r + 1, c),
        "left": at(r, c - 1),
        "right": at(r, c + 1),
        "top_heading": heads,
        "left_heading": names,
    }
    return all(_alike(text, check[side], allowed) for side, text in there.items() if check.get(side))


def _alike(found: str, wanted: str, allowed: int) -> bool:
    wanted = plain(wanted)
    return abs(len(found) - len(wanted)) <= allowed and int(edit_distances(wanted, found)[-1]) <= allowed


def _has_math(check: Check, markdown: str) -> bool:
    formulas = re.findall(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", markdown, re.DOTALL)
    return _bare(check["math"]) in {_bare(next(filter(None, groups))) for groups in formulas}


def _bare(latex: str) -> str:
    return re.sub(r"[\s{}]|\\[,;!: ]|\\(?:left|right|mathrm|mathbf|operatorname)(?![a-zA-Z])", "", latex)


_NAMES = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "lambda": "λ", "mu": "μ", "pi": "π", "psi": "ψ",
    "sigma": "σ", "tau": "τ", "theta": "θ", "phi": "φ", "zeta": "ζ", "sum": "∑", "prod": "∏", "int": "∫",
    "nabla": "∇", "partial": "∂", "times": "×", "in": "∈", "infty": "∞", "prime": "′", "leq": "≤", "geq": "≥",
    "le": "≤", "ge": "≥", "neq": "≠", "ne": "≠", "cdot": "⋅", "to": "→", "rightarrow": "→", "top": "⊤", "sqrt": "√",
    "lVert": "‖", "rVert": "‖", "Vert": "‖", "cdots": "⋯", "vdots": "⋮", "ddots": "⋱", "approx": "≈", "pm": "±",
    **{name: name for name in ("log", "exp", "Ann", "sin", "cos", "tan", "tanh", "max", "min", "lim", "ln", "det")},
}  # fmt: skip
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}")


def symbols_present(check: Check, markdown: str) -> bool:
    """Whether a stretch of the page holds the formula's letters, digits and operators, each at least as often.

    The stretch may be a quarter longer than the formula. Order is not asked: a text layer writes limits and fractions
    in its own.
    """
    latex = re.sub(r"\\([a-zA-Z]+)", lambda m: _NAMES.get(m[1], ""), _ENVIRONMENT.sub("", check["math"]))
    wanted, there = _symbols(latex), _symbols(markdown)
    size = len(wanted) + max(2, len(wanted) // 4)
    need = {c: wanted.count(c) for c in set(wanted)}
    return any(
        all(window.count(c) >= n for c, n in need.items())
        for window in (there[i : i + size] for i in range(max(1, len(there) - len(wanted) + 1)))
    )


def _symbols(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text).translate({ord("−"): "-", ord("'"): "′"})
    return re.sub(r"[\s{}()\[\]\\^_$*|&.,/]", "", "".join(c for c in apart if not unicodedata.combining(c)))
