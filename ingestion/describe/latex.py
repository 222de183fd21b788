r"""LaTeX as models write it: without fences and delimiters, and what is wrong with it as seen by two parsers.

pylatexenc finds unbalanced braces, environments and missing arguments; latex2mathml finds \left without \right, double
indices and empty ones. Each lets pass what the other catches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from xml.etree.ElementTree import Element as Node

_FENCE = re.compile(r"^```[ \t]*(?:latex|tex|math)?[ \t]*\n?(.*?)\n?```$", re.DOTALL | re.IGNORECASE)
_DELIMITERS = (("$$", "$$"), ("$", "$"), ("\\[", "\\]"), ("\\(", "\\)"))
_DISPLAY = re.compile(r"^\\begin\s*\{(equation|displaymath|math)(\*?)\}(.*)\\end\s*\{\1\2\}$", re.DOTALL)
_NUMBERED = re.compile(r"\\(?:tag\*?|label|eqno|leqno)\s*\{[^{}]*\}|\\(?:nonumber|notag)(?![A-Za-z])")
_TRAILING_NUMBER = re.compile(r"\\(?:qquad|quad|hfill)(?:\\(?:qquad|quad)|\s)*\(\s*[\d۰-۹.]+\s*\)\s*$")
_MACRO = re.compile(r"\\([A-Za-z]+)")
_DEFINES = re.compile(
    r"\\(?:def|edef|gdef|let|newcommand|renewcommand|providecommand|newenvironment|input|include|href|verb|csname)(?![A-Za-z])"
)
_MORE = frozenset(
    """argmax argmin bm mathds mathbbm dbinom tbinom cfrac lVert rVert lvert rvert coloneqq eqqcolon intertext notag
    nonumber overset underset middle Bigm bigm biggm Biggm dotsc dotsb dotsm dotsi dotso hdotsfor boxed iint iiint
    iiiint idotsint varlimsup varliminf bmod pmod pod mod hfill ensuremath symbf symbfit symup symcal mathtt mathsf
    intercal smash substack xrightarrow xleftarrow sideset operatorname operatornamewithlimits""".split()
)  # of amsmath and its companions, in neither parser's tables


def clean_latex(text: str) -> str:
    r"""The formula alone: without code fences, $, \[ \], equation environments, \tag, \label and a trailing number."""
    done, before = text.strip(), None
    while done != before:
        before = done
        if fence := _FENCE.match(done):
            done = fence[1].strip()
        for left, right in _DELIMITERS:
            inner = done[len(left) : -len(right)]
            if len(done) > len(left + right) and done.startswith(left) and done.endswith(right) and right not in inner:
                done = inner.strip()
        if display := _DISPLAY.match(done):
            done = display[3].strip()
        done = _TRAILING_NUMBER.sub("", _NUMBERED.sub("", done)).strip()
    return done


def latex_problems(latex: str) -> list[str]:
    """What keeps it from being LaTeX, a sentence each; empty when both parsers accept it. Never raises."""
    if not latex.strip():
        return ["There is no LaTeX."]
    if match := _DEFINES.search(latex):
        return [f"A formula does not contain {match[0]}."]
    found: list[str] = []
    tree = mathml(latex)
    if problem := _walk_problem(latex) or (tree if isinstance(tree, str) else ""):
        found.append(f"The LaTeX does not parse: {problem}.")
    unknown = sorted({name for name in _MACRO.findall(latex) if name not in known_macros()})
    if unknown:
        found.append(f"LaTeX knows no {', '.join(chr(92) + name for name in unknown[:5])}.")
    return found


@lru_cache(maxsize=64)
def mathml(latex: str) -> Node | str:
    """The formula as a MathML tree, for reading only; a string that says what is wrong where it cannot be made."""
    from latex2mathml import exceptions
    from latex2mathml.converter import convert_to_element

    if _DEFINES.search(latex):
        return "it defines commands"
    own = tuple(kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception))
    try:
        return convert_to_element(_ready(latex))
    except own as exc:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(exc).__name__.removesuffix("Error")).lower()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, StopIteration, RuntimeError):
        return "it cannot be read as mathematics"  # what the parser meets where it expects something else


def _ready(latex: str) -> str:
    """LaTeX that latex2mathml reads as TeX would: it knows no starred names, and no crossed out relations."""
    ready = re.sub(r"\\operatorname\s*\*", r"\\operatorname", latex)
    ready = re.sub(r"\\not\s*=", r"\\neq ", ready)
    return re.sub(r"\\not\s*\\in(?![A-Za-z])", r"\\notin ", ready)


def _walk_problem(latex: str) -> str:
    from pylatexenc.latexwalker import LatexWalker, LatexWalkerParseError

    try:
        LatexWalker(latex, tolerant_parsing=False).get_latex_nodes()
    except LatexWalkerParseError as exc:
        return str(exc).splitlines()[0].strip().rstrip(".")
    except RecursionError:
        return "it is nested too deeply"
    return ""


@lru_cache(maxsize=1)
def known_macros() -> frozenset[str]:
    """Macro names that pylatexenc or latex2mathml know, and a few of amsmath that neither lists."""
    from latex2mathml import commands, symbols_parser
    from pylatexenc.latex2text import get_default_latex_context_db as texts
    from pylatexenc.latexwalker import get_default_latex_context_db as macros

    known = set(_MORE)
    for base in (texts(), macros()):
        known.update(spec.macroname for spec in base.iter_macro_specs())
    names = [*symbols_parser.SYMBOLS, *_strings(vars(commands).values())]
    return frozenset(known | {name.lstrip("\\") for name in names if name.startswith("\\")})


def _strings(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (tuple, list, set, frozenset, dict)):
            yield from (item for item in value if isinstance(item, str))
