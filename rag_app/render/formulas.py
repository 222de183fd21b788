"""LaTeX that a model read, as MathML: the browser's own mathematics, without a script.

latex2mathml writes what a formula says into the markup as it stands (`\\text{<script>}`, `\\href{javascript:...}`), so
its tree is taken, not its text, and written anew: known elements and attributes, everything else escaped or dropped.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_LONGEST = 4000  # characters of LaTeX
_DEEPEST = 60
_ELEMENTS = frozenset(
    """math mrow mi mn mo ms mtext mspace msub msup msubsup munder mover munderover mfrac msqrt mroot mtable mtr mtd
    mfenced menclose mpadded mphantom mstyle mmultiscripts mprescripts""".split()
)
_ATTRIBUTES = frozenset(
    """display mathvariant stretchy fence form separator lspace rspace largeop movablelimits symmetric accent
    accentunder linethickness columnalign rowlines columnlines columnspacing rowspacing notation width height depth
    minsize maxsize displaystyle scriptlevel open close""".split()
)
_DELIMITERS = (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$"))


def mathml(latex: str) -> Markup | None:
    """The formula as a MathML element; None where the LaTeX cannot be read, and should be shown as it is."""
    from latex2mathml import exceptions
    from latex2mathml.converter import convert_to_element

    latex = _bare(latex)
    if not latex or len(latex) > _LONGEST:
        return None
    refused = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    try:
        # Beyond its own exceptions it fails on broken LaTeX with whatever Python raises on the way.
        tree = convert_to_element(latex, display="block")
    except (*refused, LookupError, ValueError, TypeError, AttributeError, RecursionError, StopIteration):
        return None
    written = _written(tree, 0)
    return None if written is None else Markup(written)


def _bare(latex: str) -> str:
    latex = latex.strip()
    for opening, closing in _DELIMITERS:
        if latex.startswith(opening) and latex.endswith(closing) and len(latex) >= len(opening) + len(closing):
            return latex[len(opening) : len(latex) - len(closing)].strip()
    return latex


def _written(element: Element, depth: int) -> str | None:
    """The element as markup; None for a tree too deep. An unknown element is written as a row of its children."""
    if depth > _DEEPEST:
        return None
    tag = element.tag if element.tag in _ELEMENTS else "mrow"
    attributes = "".join(
        f' {name}="{escape(html.unescape(value))}"' for name, value in element.items() if name in _ATTRIBUTES
    )
    parts = [str(escape(html.unescape(element.text or "")))]
    for child in element:
        written = _written(child, depth + 1)
        if written is None:
            return None
        parts += [written, str(escape(html.unescape(child.tail or "")))]
    return f"<{tag}{attributes}>{''.join(parts)}</{tag}>"
