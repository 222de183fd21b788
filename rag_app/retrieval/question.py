"""A question as search understands it: language, telling terms and their weights, elements and kinds it names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rag_app.evidence import Question
from rag_app.searchable import fold, query_terms

_ARABIC_SCRIPT = re.compile(r"[\u0600-\u06ff]")
_LATIN = re.compile(r"[a-zA-Z]")
_PERSIAN_ONLY = re.compile(r"[پچژگکی]|\b(است|چیست|کدام|چه|چند|را|از|در|این)\b")

# Words that ask for a kind. "loss" and "objective" are written as formulas in papers.
_KIND_WORDS = {
    "figure": re.compile(
        r"\b(figure|figures|fig|plot|plotted|chart|diagram|graph|panel|image|picture|depicts?|drawn|illustrat\w*|curves?|"
        r"bars?|axis|axes|legend)\b|شکل|نمودار|تصویر|محور"
    ),
    "table": re.compile(r"\b(table|tables|row|column|tabulated)\b|جدول|ستون|سطر"),
    "formula": re.compile(
        r"\b(equation|equations|eq|formula|formulas|formulae|loss|objective|defined|definition|computed|mathematical\w*)\b"
        r"|رابطه|معادله|فرمول|تابع"
    ),
}
_LABEL_WORDS = {
    "Figure": r"figures?|figs?\.?|شکل|نمودار|تصویر",
    "Table": r"tables?|tab\.|جدول",
    "Equation": r"equations?|eqs?\.?|formulas?|رابطه|معادله|فرمول",
    "Section": r"sections?|sec\.|§|بخش",
    "Algorithm": r"algorithms?|الگوریتم",
}
_LABELS = [
    (name, re.compile(rf"(?<!\w)(?:{words})\s*[(\[]?\s*((?:[a-z]\.?)?\d+(?:\.\d+)*)(?!\w)", re.IGNORECASE))
    for name, words in _LABEL_WORDS.items()
]


def understand(text: str, weights: Mapping[str, float]) -> Question:
    """The question, its `weights` being those of `query_terms(text)` in this library."""
    terms = tuple(query_terms(text))
    folded = fold(text)
    labels = tuple(f"{name} {number.upper()}" for name, pattern in _LABELS for number in pattern.findall(folded))
    kinds = tuple(kind for kind, pattern in _KIND_WORDS.items() if pattern.search(folded))
    return Question(text, language_of(text), terms, weights, labels, kinds)


def language_of(text: str) -> str:
    """ "fa", "ar" or "en": by the script of most letters, Persian told from Arabic by its own letters and words."""
    arabic = len(_ARABIC_SCRIPT.findall(text))
    if arabic * 2 <= len(_LATIN.findall(text)):
        return "en"
    return "fa" if _PERSIAN_ONLY.search(text) else "ar"
