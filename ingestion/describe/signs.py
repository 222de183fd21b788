r"""A formula as a row of signs, from LaTeX and from a PDF's text layer, so that the two can be compared.

A sign is one character: a letter of a word, a digit, an operator. What writers and fonts vary freely is made one:
alphabets (bold, script), spellings of the same operator, dots, primes, a transposing ⊤ and T. Round and curly brackets,
commas and fraction strokes are no signs, because a text layer adds and loses them.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element as Node

_SAME = str.maketrans(
    {
        "∥": "‖", "ǁ": "‖", "∣": "|", "❘": "|", "│": "|", "−": "-", "–": "-", "‐": "-", "‑": "-", "—": "-", "﹣": "-",
        "∗": "*", "⋆": "*", "★": "*", "⋅": "·", "∙": "·", "•": "·", "․": "·", "ϵ": "ε", "ϕ": "φ", "ϑ": "θ",
        "ϱ": "ρ", "ς": "σ", "ϖ": "π", "ϰ": "κ", "∆": "Δ", "µ": "μ", "∑": "Σ", "∏": "Π", "⨁": "⊕", "⨂": "⊗",
        "⨀": "⊙", "⋃": "∪", "⋂": "∩", "⋁": "∨", "⋀": "∧", "⩽": "≤", "≦": "≤", "⩾": "≥", "≧": "≥", "∼": "~",
        "〈": "⟨", "〉": "⟩", "⟶": "→", "⟵": "←", "⟹": "⇒", "⟺": "⇔", "⇐": "⇐", "⊤": "T", "⊺": "T",
        "′": "'", "’": "'", "ʹ": "'", "ı": "i", "ȷ": "j", "∖": "\\", "⧵": "\\", "⋯": "…", "⋮": "…", "⋱": "…",
        "⋰": "…", "∶": ":", "◦": "∘", "○": "∘", "×": "×", "ⅆ": "d", "∕": "/", "⁄": "/", "⊥": "⊥", "∅": "ø", "⌀": "ø",
        "Ø": "ø", "≔": ":=", "″": "''", "‴": "'''", "⩵": "==",
    }
)  # fmt: skip
_NOT_COMPARED = frozenset("(){}/,.;&_^⁡⁢⁣⁤")
_BIG = frozenset("ΣΠ∫∐∮")
_RAISED_ANYWAY = frozenset("'*†‡°")  # the text layer does not mark these as raised
_ACCENTS = {
    "\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar", "\u0307": "dot", "\u0308": "ddot",
    "\u030c": "check", "\u0306": "breve", "\u20d7": "vec",
    "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "¯": "bar", "―": "bar", "‾": "bar", "_": "bar", "˙": "dot",
    "¨": "ddot", "ˇ": "check", "˘": "breve", "→": "vec", "⏞": "", "⏟": "", "⎴": "", "⎵": "",
}  # fmt: skip
_ALONE = {"ˆ": "hat", "˜": "tilde", "¯": "bar", "˙": "dot", "¨": "ddot", "ˇ": "check", "˘": "breve"}
NAMELESS = "\ufffd"  # stands for any glyph whose character the font does not say
_UNKNOWN = re.compile("[\ufffd\ue000-\uf8ff\U000f0000-\U0010ffff]")
_DOTS = re.compile(r"\.\s?\.\s?\.|·\s?·\s?·")
_NAME_WITH_UNDERSCORE = re.compile(r"(?<=[a-z]{2})_(?=[a-z]{2})")
_INVISIBLE = {"mspace", "mphantom", "annotation", "annotation-xml", "none", "mprescripts"}


@dataclass(frozen=True, slots=True)
class Sign:
    """level: "" on the line, "_" lowered, "^" raised (the outermost counts), "?" where the text layer does not say."""

    c: str
    level: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A formula as signs.

    lines    rows of signs in reading order; signs at the end of one and the beginning of the next are no neighbours
    accents  how often each accent stands over something
    unknown  glyphs whose character the font does not say
    """

    lines: tuple[tuple[Sign, ...], ...]
    accents: Counter[str]
    unknown: int = 0

    @property
    def signs(self) -> list[Sign]:
        return [sign for line in self.lines for sign in line if sign.c != NAMELESS]

    def small(self) -> list[str]:
        """Each line as a string, without big operators, whose place a text layer often loses."""
        return ["".join(sign.c for sign in line if sign.c not in _BIG) for line in self.lines]

    def counts(self) -> Counter[str]:
        return Counter(sign.c for sign in self.signs)

    def neighbours(self) -> Counter[tuple[str, str]]:
        """Pairs of signs that follow each other, big operators apart."""
        return Counter(pair for line in self.small() for pair in pairwise(line) if NAMELESS not in pair)


def of_text(text: str) -> Row:
    """The signs of a text layer as `ingestion.formulas` writes it: "s_{ij}", "∑_{i=1}^{N}", "(a)/(b)", "√(x)"."""
    accents: Counter[str] = Counter()
    unknown = len(_UNKNOWN.findall(text))
    lines = []
    for line in unicodedata.normalize("NFC", _UNKNOWN.sub(NAMELESS, text)).splitlines():
        line = _NAME_WITH_UNDERSCORE.sub("", _DOTS.sub("…", line))
        signs = tuple(_marked(line, accents))
        if signs:
            lines.append(signs)
    return Row(tuple(lines), accents, unknown)


def _marked(line: str, accents: Counter[str]) -> Iterator[Sign]:
    depth: list[str] = []  # what each open brace is: "_", "^" or "" for a plain one
    mark = ""
    after_blank = True
    for i, c in enumerate(line):
        if mark and c == "{":
            depth.append(mark)
            mark = ""
            continue
        if c == "{":
            depth.append("")
        elif c == "}" and depth:
            depth.pop()
        elif c in "_^" and i + 1 < len(line) and not line[i + 1].isspace():
            mark = c
            continue
        level = next((m for m in depth if m), mark)
        for plain in _plain(c, accents, point=0 < i < len(line) - 1 and line[i - 1 : i + 2 : 2].isdigit()):
            yield Sign(plain, level or ("?" if after_blank else ""))
        mark = ""
        after_blank = c.isspace()


def of_mathml(tree: Node, *, raised_first: bool = False) -> Row:
    """The signs of LaTeX as latex2mathml reads it. raised_first: of two indices over each other the upper one first."""
    accents: Counter[str] = Counter()
    return Row((tuple(_signs(tree, "", accents, raised_first)),), accents)


def _signs(node: Node, level: str, accents: Counter[str], raised_first: bool) -> Iterator[Sign]:
    tag = node.tag.rsplit("}", 1)[-1]
    children = list(node)

    def inside(child: Node, marked: str = "") -> Iterator[Sign]:
        return _signs(child, level or marked, accents, raised_first)

    if tag in _INVISIBLE:
        return
    if tag in ("msub", "munder", "msup", "mover", "msubsup", "munderover") and len(children) > 1:
        marks = "_^" if len(children) > 2 else "_" if tag in ("msub", "munder") else "^"
        yield from inside(children[0])
        indices = list(zip(children[1:], marks, strict=False))
        for child, mark in reversed(indices) if raised_first else indices:
            accent = _accent(child) if tag in ("mover", "munder", "munderover") else None
            if accent is None:
                yield from inside(child, mark)
            elif accent:
                accents[accent] += 1
        return
    if tag == "mroot" and len(children) == 2:
        yield from inside(children[1], "^")
        yield Sign("√", level)
        yield from inside(children[0])
        return
    if tag == "msqrt":
        yield Sign("√", level)
    text = html.unescape(node.text or "").strip()
    if tag == "mtext" and text == "⧸":  # \not
        text = ""
    for i, c in enumerate(text):
        point = 0 < i < len(text) - 1 and text[i - 1 : i + 2 : 2].isdigit()
        yield from (Sign(plain, level) for plain in _plain(c, accents, point=point))
    for child in children:
        yield from inside(child)


def _accent(node: Node) -> str | None:
    """The accent that stands over or under something; "" for a brace, None when it is no accent."""
    text = html.unescape("".join(node.itertext())).strip()
    return _ACCENTS.get(text) if len(text) == 1 and not len(node) else None


def _plain(c: str, accents: Counter[str], *, point: bool = False) -> Iterator[str]:
    """The signs one character stands for; accents are counted. point: a "." between two digits, which is a sign."""
    if c in _ALONE:
        accents[_ALONE[c]] += 1
        return
    if c == NAMELESS or (c == "." and point):
        yield c
        return
    same = unicodedata.normalize("NFKC", c.translate(_SAME)).translate(_SAME)
    # A crossed out relation (≠, ∉) is a sign of its own; a letter with an accent is the letter and an accent.
    for part in same if unicodedata.category(c) == "Sm" else unicodedata.normalize("NFD", same):
        if part in _ACCENTS and unicodedata.combining(part):
            accents[_ACCENTS[part]] += 1
        elif part == "‖":
            yield from "||"
        elif not (part.isspace() or part in _NOT_COMPARED or unicodedata.category(part) in ("Cf", "Cc", "Mn")):
            digit = unicodedata.digit(part, None)
            yield str(digit) if digit is not None else part


def levels_compared(text: Sign, latex: Sign) -> bool:
    """Whether the levels of two signs that were paired agree, as far as the text layer can tell."""
    if text.c in _RAISED_ANYWAY or text.level == latex.level:
        return True
    return text.level == "?" and latex.level in ("", "^")
