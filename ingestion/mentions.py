"""Labels a text refers to: "Figs. 2 and 3", "Table 3", "Eq. (5)", "Section 3.1", «شکل ۲»."""

from __future__ import annotations

import re

_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_WORDS = {
    "Figure": r"figures?|figs?\.?|شکل(?:\u200c?های?)?|نمودار(?:\u200c?های?)?|تصویر|الشكل|شكل",
    "Table": r"tables?|tabs?\.|جدول(?:\u200c?های?)?|الجدول",
    "Equation": r"equations?|eqs?n?s?\.?|formulas?|رابطه(?:\u200c?(?:ی|های?))?|معادله(?:\u200c?(?:ی|های?))?|فرمول(?:\u200c?های?)?|المعادلة",
    "Section": r"sections?|secs?\.|§§?|appendix|appendices|بخش(?:\u200c?های?)?|فصل|پیوست|القسم",
    "Algorithm": r"algorithms?|alg\.|الگوریتم",
}
_NUMBER = r"[(\[]?(?:[A-Z]{1,2}[.\-]?)?\d+(?:[.\-–]\u200c?\d+)*[a-z]?(?![A-Za-z\d])[)\]]?"
_LETTER = r"[A-Z](?![A-Za-z])"
_JOIN = r"\s*(?:,\s*and|,\s*&|,|and|&|–|-|to|or|و|تا|،)\s*"
_PATTERNS = {
    label: re.compile(
        rf"(?<![\w])(?:{words})[\s\u00a0~\u200c]*((?:{_NUMBER}{f'|{_LETTER}' if label == 'Section' else ''})(?:{_JOIN}(?:{_NUMBER}))*)",
        re.IGNORECASE if label != "Section" else 0,
    )
    for label, words in {
        **_WORDS,
        "Section": rf"[Ss]ections?|[Ss]ecs?\.|§§?|[Aa]ppendix|[Aa]ppendices|{_WORDS['Section'].split('|', 5)[-1]}",
    }.items()
}
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
