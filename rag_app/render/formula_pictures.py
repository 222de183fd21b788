"""LaTeX formulas as pictures, set by Matplotlib's mathtext: no TeX is needed.

mathtext knows no environments and not all names; what it lacks is written in what it has, the same way for every
formula, so that two spellings of one formula give one picture.
"""

from __future__ import annotations

import io
import re
from functools import lru_cache

from ingestion.describe.latex import clean_latex

DPI = 100
_LONGEST = 4000  # characters of LaTeX
_NAMES = {
    **dict.fromkeys(("lVert", "rVert", "lVert", "Vert"), r"\|"),
    **dict.fromkeys(("lvert", "rvert", "vert"), "|"),
    **dict.fromkeys(("dotsc", "dotsb", "dotsm", "dotsi", "dotso"), r"\dots "),
    **dict.fromkeys((f"{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")), ""),
    **dict.fromkeys(("displaystyle", "textstyle", "limits", "nolimits", "nonumber", "notag"), ""),
    **dict.fromkeys(("dfrac", "tfrac", "cfrac"), r"\frac"),
    **dict.fromkeys(("bm", "boldsymbol", "symbf"), r"\mathbf"),
    **dict.fromkeys(("text", "textrm", "mathsf", "textnormal", "symup"), r"\mathrm"),
    "textbf": r"\mathbf",
    "textit": r"\mathit",
    "colon": ":",
    "coloneqq": ":=",
    "iff": r"\Leftrightarrow ",
    "implies": r"\Rightarrow ",
    "argmax": r"\operatorname{arg\,max}",
    "argmin": r"\operatorname{arg\,min}",
    "land": r"\wedge ",
    "lor": r"\vee ",
    "lnot": r"\neg ",
    "ge": r"\geq ",
    "le": r"\leq ",
    "ne": r"\neq ",
    "to": r"\rightarrow ",
    "gets": r"\leftarrow ",
    "lbrace": r"\{",
    "rbrace": r"\}",
    "quad": r"\ \ ",
    "qquad": r"\ \ \ \ ",
}
_MACRO = re.compile(r"\\([A-Za-z]+)\*?[ ]*")
_INNERMOST = re.compile(r"\\begin\s*\{([A-Za-z]+)(\*?)\}((?:(?!\\begin\s*\{).)*?)\\end\s*\{\1\2\}", re.DOTALL)
_COLUMNS = re.compile(r"^\s*\{[^{}]*\}")
_ROW = re.compile(r"\\\\(?:\s*\[[^\]]*\])?")
_FENCES = {
    "pmatrix": (r"\left(", r"\right)"),
    "bmatrix": (r"\left[", r"\right]"),
    "vmatrix": (r"\left|", r"\right|"),
    "Vmatrix": (r"\left\|", r"\right\|"),
    "Bmatrix": (r"\left\{", r"\right\}"),
    "cases": (r"\left\{", r"\right."),
}


@lru_cache(maxsize=512)
def formula_png(latex: str) -> bytes | None:
    """The formula in black on white, as PNG at 100 dpi; None where mathtext cannot set it."""
    plain = mathtext(latex)
    if not plain or len(plain) > _LONGEST:
        return None
    from matplotlib import mathtext as setter

    held = io.BytesIO()
    try:
        setter.math_to_image(f"${plain}$", held, dpi=DPI, format="png")
    except (ValueError, RuntimeError, RecursionError, KeyError, IndexError):  # what its parser raises on other LaTeX
        return None
    return held.getvalue()


def mathtext(latex: str) -> str:
    """A formula in the LaTeX that mathtext knows: environments as stacked rows, other names of the same signs."""
    text = " ".join(clean_latex(latex).split()).replace("$", "")
    while match := _INNERMOST.search(text):
        text = text[: match.start()] + _stacked(match[1], match[3]) + text[match.end() :]
    text = _MACRO.sub(lambda m: _NAMES.get(m[1], f"\\{m[1]} "), text)
    if _ROW.search(re.sub(r"\\substack\s*\{.*", "", text)):
        text = _stacked("gathered", text)
    return text.strip()


def _stacked(environment: str, body: str) -> str:
    if environment == "array":
        body = _COLUMNS.sub("", body)
    opening, closing = _FENCES.get(environment, ("", ""))
    rows = [row.replace("&", r"\ \ " if opening else " ").strip() for row in _ROW.split(body)]
    rows = [row for row in rows if row]
    inner = rows[0] if len(rows) == 1 else r"\substack{" + r" \\ ".join(rows) + "}" if rows else ""
    return f"{opening}{inner}{closing}"
