"""How like a formula is to the true one: its LaTeX in one spelling, and what it looks like when it is set."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image
from rapidfuzz.distance import Levenshtein

from ingestion.describe.latex import clean_latex

_TOKEN = re.compile(r"\\(?:begin|end)\s*\{[a-zA-Z*]+\}|\\operatorname\*|\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)
_FUNCTION = re.compile(
    r"\\(?:operatorname\*?|mathrm|text|textrm)\s*\{\s*(arccos|arcsin|arctan|arg|cosh?|coth?|csc|deg|det|dim|exp|gcd|inf|"
    r"ker|lim|liminf|limsup|ln|log|max|min|Pr|sec|sinh?|sup|tanh?)\s*\}"
)
_NO_DELIMITER = re.compile(r"\\(?:left|right)\s*\.")
_STOP = re.compile(r"(?:[\s.,;:]|\\[,;:! ])+$")
_ALIGNED = re.compile(r"\\(?:begin|end)\{(?:aligned|align|split|gather|gathered|multline|eqnarray)\*?\}|&")
# What changes sizes and distances, and no sign.
_DROPPED = frozenset(
    r"""\left \right \middle \big \Big \bigg \Bigg \bigl \bigr \bigm \Bigl \Bigr \Bigm \biggl \biggr \biggm
    \Biggl \Biggr \, \: \; \! \> \quad \qquad \displaystyle \textstyle \scriptstyle \scriptscriptstyle \limits \nolimits
    \hfill ~ \mathstrut \mathop \mathrel \mathbin \mathord \mathopen \mathclose \mathpunct""".split()
) | {"\\ "}
# One spelling -> the others that say the same.
_SPELLINGS = {
    r"\frac": r"\dfrac \tfrac \cfrac", r"\binom": r"\dbinom \tbinom", r"\le": r"\leq \leqslant",
    r"\ge": r"\geq \geqslant", r"\ne": r"\neq", r"\rightarrow": r"\to", r"\leftarrow": r"\gets", r"\wedge": r"\land",
    r"\vee": r"\lor", r"\neg": r"\lnot", r"\{": r"\lbrace", r"\}": r"\rbrace", "[": r"\lbrack", "]": r"\rbrack",
    "|": r"\lvert \rvert \vert \mid", r"\|": r"\Vert \lVert \rVert", r"\dots": r"\ldots \cdots \dotsc \dotsb",
    r"\mathrm": r"\text \textrm \operatorname \operatorname* \rm", r"\mathbf": r"\textbf \bm \bf \boldsymbol",
    r"\mathit": r"\textit", "*": r"\ast", "'": r"\prime", "T": r"\top \intercal", r"\emptyset": r"\varnothing",
    ":": r"\colon", r"\mathcal": r"\mathscr", r"\Leftrightarrow": r"\iff", r"\Rightarrow": r"\implies",
}  # fmt: skip
_SAME = {other: one for one, others in _SPELLINGS.items() for other in others.split()}


def edit_similarity(found: str, true: str) -> float:
    """1 - edit distance of the LaTeX tokens / tokens of the longer formula, 0 to 1; 1 where both are empty.

    Both are brought to one spelling first (`latex_tokens`). 1 less this is the normalised edit distance.
    """
    return Levenshtein.normalized_similarity(latex_tokens(found), latex_tokens(true))


def latex_tokens(latex: str) -> list[str]:
    r"""The tokens of a formula in one spelling: \dfrac is \frac, x^{2} is x^2, x^a_b is x_b^a; no sizes, no blanks.

    What looks different stays different: \epsilon and \varepsilon, \mathcal and \mathbb, upright and slanted words.
    """
    clean = _NO_DELIMITER.sub(" ", _FUNCTION.sub(r"\\\1 ", clean_latex(latex)))
    tokens: list[str] = []
    for token in _TOKEN.findall(_STOP.sub("", clean)):
        plain = re.sub(r"\s+", "", token)
        if plain and plain not in _DROPPED and token != "\\ " and not _ALIGNED.fullmatch(plain):
            tokens.append(_SAME.get(plain, plain))
    return _one_spelling(tokens)


_DEEPEST = 50  # nested groups; what is inside deeper ones is left as it is written


def _one_spelling(tokens: Sequence[str], depth: int = 0) -> list[str]:
    """The same with braces only around several tokens, and lower indices before upper ones."""
    if depth > _DEEPEST:
        return list(tokens)
    done: list[str] = []
    i = 0
    while i < len(tokens):
        lower: list[str] = []
        upper: list[str] = []
        while i < len(tokens) and tokens[i] in ("_", "^", "'"):
            if tokens[i] == "'":
                upper.append("'")
                i += 1
            else:
                to = lower if tokens[i] == "_" else upper
                inner, i = _argument(tokens, i + 1)
                to += inner if len(inner) == 1 else _one_spelling(inner, depth + 1)
        for mark, script in (("_", lower), ("^", upper)):
            done += [mark, *_grouped(script)] if script else []
        if i < len(tokens):
            inner, i = _argument(tokens, i)
            done += inner if len(inner) == 1 else _grouped(_one_spelling(inner, depth + 1))
    return done


def _argument(tokens: Sequence[str], i: int) -> tuple[list[str], int]:
    """What stands at `i`, one token or the inside of a group, and the index behind it."""
    if i >= len(tokens) or tokens[i] != "{":
        return list(tokens[i : i + 1]), i + 1
    depth = 0
    for end in range(i, len(tokens)):
        depth += (tokens[end] == "{") - (tokens[end] == "}")
        if not depth:
            return list(tokens[i + 1 : end]), end + 1
    return list(tokens[i + 1 :]), len(tokens)


def _grouped(tokens: list[str]) -> list[str]:
    return tokens if len(tokens) == 1 else ["{", *tokens, "}"]


Draw = Callable[[str], bytes | None]
"""LaTeX to an encoded picture, dark on light; None where it cannot be set."""


def picture_similarity(found: str, true: str, draw: Draw) -> float | None:
    """How like two formulas look when they are set, 0 to 1; None where the true one cannot be set, 0 where the found.

    1 - edit distance of the pictures' columns / columns of the wider one, after Deng et al. 2017, "Image-to-Markup
    Generation with Coarse-to-Fine Attention". There columns are equal or not, and a sign moved by half a pixel is
    another sign; here one column costs another 1 - Dice of their ink, ink a pixel to the side counting too. Columns
    without ink are left out. The pictures are aligned at the top, in the middle or at the bottom, whichever fits best:
    a formula that is higher elsewhere moves the rest. Cost: some 10 ms for two of 500 columns.
    """
    wanted = _drawn(true, draw)
    if wanted is None:
        return None
    got = _drawn(found, draw)
    if got is None:
        return 0.0
    height = max(got.shape[1], wanted.shape[1])
    widest = max(got.shape[2], wanted.shape[2])
    distances = {_edits(_padded(got, height, share), _padded(wanted, height, share)) for share in (0.0, 0.5, 1.0)}
    return 1 - min(distances) / widest


def _drawn(latex: str, draw: Draw) -> np.ndarray | None:
    """(2, height, width) bool: where there is ink, and where there is some at most a pixel to the side.

    From the first row with ink to the last, columns without ink left out; None without any.
    """
    picture = draw(latex)
    if picture is None:
        return None
    with Image.open(io.BytesIO(picture)) as image:
        flat = Image.new("RGBA", image.size, "white")
        flat.alpha_composite(image.convert("RGBA"))
    ink = np.pad(np.asarray(flat.convert("L")) < _DARK, ((0, 0), (1, 1)))
    near = ink | np.roll(ink, 1, axis=1) | np.roll(ink, -1, axis=1)
    rows = np.flatnonzero(ink.any(axis=1))
    return np.stack([ink, near])[:, rows[0] : rows[-1] + 1, ink.any(axis=0)] if len(rows) else None


_DARK = 160  # of 255: darker pixels are ink


def _padded(ink: np.ndarray, height: int, share: float) -> np.ndarray:
    """The picture made `height` high, `share` of what is missing put above it."""
    missing = height - ink.shape[1]
    above = round(share * missing)
    return np.pad(ink, ((0, 0), (above, missing - above), (0, 0))).astype(float)


def _edits(a: np.ndarray, b: np.ndarray) -> float:
    """The least cost of turning the columns of `a` into those of `b`, both as `_drawn` gives them, of one height.

    1 for putting in or taking out a column, 1 - Dice for changing one into another.
    """
    met = a[0].T @ b[1] + a[1].T @ b[0]  # ink of each that lies on or beside ink of the other
    change = 1 - met / (a[0].sum(axis=0)[:, None] + b[0].sum(axis=0)[None, :])
    columns = np.arange(change.shape[1] + 1, dtype=float)
    row = columns.copy()
    for costs in change:
        best = row + 1
        best[1:] = np.minimum(best[1:], row[:-1] + costs)
        row = np.minimum.accumulate(best - columns) + columns  # insertions run along the row
    return float(row[-1])
