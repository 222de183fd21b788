r"""Right LaTeX in other spellings: every sign stays.

\dfrac for \frac, \text for \mathrm, blanks, \left and \right, ^{\top}_i for _i^{\top}, delimiters, numbers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from eval.planted.formulas import tokens_of


def _sub(pattern: str, by: str) -> Callable[[str, random.Random], str | None]:
    def change(latex: str, rng: random.Random) -> str | None:
        done = re.sub(pattern, by, latex)
        return done if done != latex else None

    return change


def _spaced(latex: str, rng: random.Random) -> str:
    tokens = tokens_of(re.sub(r"\\[,;!](?![A-Za-z])|\\quad", " ", latex))
    blank = rng.choice([" ", r"\,", r"\; "])
    return "".join(f"{blank}{t}{blank}" if t in ("=", "+") else t for t in tokens)


def _tight(latex: str, rng: random.Random) -> str | None:
    done = re.sub(r"(?<![A-Za-z\\ ]) +", "", latex)
    return done if done != latex else None


def _sized(latex: str, rng: random.Random) -> str | None:
    if "\\left" in latex:
        return re.sub(r"\\(?:left|right)(?![a-z])\s*", "", latex)
    if "(" not in latex or "\\\\" in latex or "&" in latex or latex.count("(") != latex.count(")"):
        return None
    return latex.replace("\\bigl(", "(").replace("\\bigr)", ")").replace("(", "\\left(").replace(")", "\\right)")


def _sup_first(latex: str, rng: random.Random) -> str | None:
    done = re.sub(
        r"_(\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z0-9])\^(\{(?:[^{}]|\{[^{}]*\})*\}|\\[A-Za-z]+|[A-Za-z0-9])", r"^\2_\1", latex
    )
    return done if done != latex else None


def _delimited(latex: str, rng: random.Random) -> str:
    left, right = rng.choice(
        [
            ("$$", "$$"),
            ("\\[ ", " \\]"),
            ("```latex\n", "\n```"),
            ("$", "$"),
            ("\\begin{equation}\n", "\n\\end{equation}"),
        ]
    )
    return f"{left}{latex}{right}"


def _numbered(latex: str, rng: random.Random) -> str:
    return latex + rng.choice([" \\tag{3}", " \\tag*{(3)}", " \\label{eq:x}", " \\qquad (3)", " \\nonumber"])


def _ended(latex: str, rng: random.Random) -> str:
    return re.sub(r"\s*[.,]$", "", latex) if latex.rstrip()[-1:] in ".," else latex + rng.choice([".", ",", " \\, ,"])


def _upright(latex: str, rng: random.Random) -> str | None:
    by = rng.choice([r"\\operatorname{\1}", r"\\text{\1}", r"\\mathit{\1}", r"\\textrm{\1}"])
    done = re.sub(r"\\mathrm\{([A-Za-z]+)\}", by, latex)
    return done if done != latex else None


def _alphabet(latex: str, rng: random.Random) -> str | None:
    by = rng.choice([r"\\boldsymbol{\1}", r"\\bm{\1}", r"{\1}"])
    done = re.sub(r"\\mathbf\{([A-Za-z])\}", by, latex)
    return done if done != latex else None


LATEX_VARIANTS: dict[str, Callable[[str, random.Random], str | None]] = {
    "dfrac": _sub(r"\\frac(?![a-z])", r"\\dfrac"),
    "tfrac": _sub(r"\\frac(?![a-z])", r"\\tfrac"),
    "text for mathrm": _upright,
    "another alphabet": _alphabet,
    "blanks": _spaced,
    "no blanks": _tight,
    "left and right": _sized,
    "norms": _sub(r"\\[lr]Vert(?![a-z])", r"\\|"),
    "transposed": _sub(r"\\top(?![a-z])", r"T"),
    "intercal": _sub(r"\\top(?![a-z])", r"\\intercal"),
    "upper index first": _sup_first,
    "dots": _sub(r"\\(?:dots|ldots|cdots)(?![a-z])", r"\\dotsc"),
    "le": _sub(r"\\le(?:q)?(?![a-z])", r"\\leqslant"),
    "arrows": _sub(r"\\to(?![a-z])", r"\\rightarrow"),
    "bars": _sub(r"\\mid(?![a-z])", "|"),
    "split": _sub(r"\{aligned\}", "{split}"),
    "align": _sub(r"\{aligned\}", "{align*}"),
    "gather": lambda latex, rng: (
        re.sub(r"\{aligned\}", "{gathered}", latex).replace("&", "") if "{aligned}" in latex else None
    ),
    "brackets": _sub(r"\{pmatrix\}", "{matrix}"),
    "function names": _sub(r"\\(log|exp|max|min|tanh|ln|sin|cos)(?![a-z])", r"\\operatorname{\1}"),
    "upright functions": _sub(r"\\(log|exp|max|min|tanh|ln|sin|cos)(?![a-z])", r"\\mathrm{\1}"),
    "braced indices": _sub(r"([_^])([A-Za-z0-9])(?![}\\])", r"\1{\2}"),
    "script": _sub(r"\\mathcal(?![a-z])", r"\\mathscr"),
    "displaystyle": lambda latex, rng: "\\displaystyle " + latex,
    "limits": _sub(r"\\(sum|prod)_", r"\\\1\\limits_"),
    "prime": _sub(r"(?<=[A-Za-z}])'", r"^{\\prime}"),
    "epsilon": _sub(r"\\(epsilon|phi|theta)(?![a-z])", r"\\var\1"),
    "delimiters": _delimited,
    "number": _numbered,
    "punctuation": _ended,
}
