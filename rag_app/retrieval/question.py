"""A question as search understands it: language, telling terms and their weights, elements and kinds it names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ingestion.mentions import mentions_in
from rag_app.evidence import Question
from rag_app.searchable import fold, query_terms

_ARABIC_SCRIPT = re.compile(r"[\u0600-\u06ff]")
_LATIN = re.compile(r"[a-zA-Z]")
_PERSIAN_ONLY = re.compile(r"[پچژگکی]|\b(است|چیست|کدام|چه|چند|را|از|در|این)\b")

# Words that ask for a kind. "loss" and "objective" are written as formulas in papers.
_KIND_WORDS = {
    "figure": re.compile(
        r"\b(figures?|figs?|plot|plotted|chart|diagram|graph|panel|image|picture|depicts?|drawn|illustrat\w*|curves?|"
        r"bars?|axis|axes|legend)\b|شکل|نمودار|تصویر|محور"
    ),
    "table": re.compile(r"\b(table|tables|row|column|tabulated)\b|جدول|ستون|سطر"),
    "formula": re.compile(
        r"\b(equation|equations|eq|formula|formulas|formulae|loss|objective|defined|definition|computed|mathematical\w*)\b"
        r"|رابطه|معادله|فرمول|تابع"
    ),
}
_PERSIAN_LETTERS = str.maketrans("يك", "یک")
_PANEL = re.compile(r"(?<=\d)[a-z]$")


def understand(text: str, weights: Mapping[str, float]) -> Question:
    """The question, its `weights` being those of `query_terms(text)` in this library."""
    terms = tuple(query_terms(text))
    folded = fold(text)
    labels = tuple(dict.fromkeys(map(_as_the_paper_says, mentions_in(text.translate(_PERSIAN_LETTERS)))))
    kinds = tuple(kind for kind, pattern in _KIND_WORDS.items() if pattern.search(folded))
    return Question(text, language_of(text), terms, weights, labels, kinds)


def _as_the_paper_says(label: str) -> str:
    """ "Figure 3b" is a panel of what the paper calls Figure 3; "Section a.1" is its Section A.1."""
    name, _, number = label.partition(" ")
    return f"{name} {_PANEL.sub('', number).upper()}"


def language_of(text: str) -> str:
    """ "fa", "ar" or "en": by the script of most letters, Persian told from Arabic by its own letters and words."""
    arabic = len(_ARABIC_SCRIPT.findall(text))
    if arabic * 2 <= len(_LATIN.findall(text)):
        return "en"
    return "fa" if _PERSIAN_ONLY.search(text) else "ar"
