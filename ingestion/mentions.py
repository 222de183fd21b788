"""Labels a text refers to: "Figs. 2 and 3", "Table 3", "Eq. (5)", "Section 3.1", «شکل ۲»."""

from __future__ import annotations

import re

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_MANY = r"(?:\u200c?های?)?"  # the Persian plural
_WORDS = {
    "Figure": rf"figures?|figs?\.?|شکل{_MANY}|نمودار{_MANY}|تصویر|الشكل|شكل",
    "Table": rf"tables?|tabs?\.|جدول{_MANY}|الجدول",
    "Equation": rf"equations?|eqs?n?s?\.?|formulas?|(?:رابطه|معادله)(?:\u200c?ی)?{_MANY}|فرمول{_MANY}|المعادلة",
    "Section": rf"sections?|secs?\.|§§?|appendix|appendices|بخش{_MANY}|فصل|پیوست|القسم",
    "Algorithm": r"algorithms?|alg\.|الگوریتم",
}
_NUMBER = r"[(\[]?(?:[A-Z]{1,2}[.\-]?)?\d+(?:[.\-–]\u200c?\d+)*[a-z]?(?![A-Za-z\d])[)\]]?"
_LETTER = r"(?-i:[A-Z])(?![A-Za-z])"  # "Appendix B"
_JOIN = r"\s*(?:,\s*and|,\s*&|,|and|&|–|-|to|or|و|تا|،)\s*"


def _pattern(label: str) -> re.Pattern[str]:
    first = f"(?:{_NUMBER}|{_LETTER})" if label == "Section" else f"(?:{_NUMBER})"
    return re.compile(rf"(?<!\w)(?:{_WORDS[label]})[\s\u00a0~\u200c]*({first}(?:{_JOIN}(?:{_NUMBER}))*)", re.IGNORECASE)


_PATTERNS = {label: _pattern(label) for label in _WORDS}
_SPLIT = re.compile(r"\s*(,\s*and|,\s*&|,|and|&|–|-(?=\d)|to|or|و|تا|،)\s*")
_RANGE = {"–", "-", "to", "تا"}


def mentions_in(text: str) -> tuple[str, ...]:
    """Labels in the order they are met, each once; ranges such as "Figs. 2-4" are spelt out."""
    text = text.translate(_DIGITS)
    found: dict[str, int] = {}
    for label, pattern in _PATTERNS.items():
        for m in pattern.finditer(text):
            for n in _numbers(m[1]):
                found.setdefault(f"{label} {n}", m.start())
    return tuple(sorted(found, key=lambda label: found[label]))


def _numbers(text: str) -> list[str]:
    parts = _SPLIT.split(text.replace("\u200c", ""))
    out: list[str] = []
    previous = ""
    for i, part in enumerate(parts):
        if i % 2:
            continue
        number = part.strip("()[] .")
        joint = parts[i - 1].strip() if i else ""
        if joint in _RANGE and previous.isdigit() and number.isdigit() and 0 < int(number) - int(previous) < 12:
            out += [str(n) for n in range(int(previous) + 1, int(number))]
        if number:
            out.append(number)
        previous = number
    return out
