"""Texts that the application says in its own voice, by language."""

from __future__ import annotations

_REFUSALS = {
    "en": "The papers in this library do not hold the answer to this question.",
    "fa": "مقاله‌های این کتابخانه پاسخ این پرسش را در بر ندارند.",
    "ar": "لا تتضمن الأوراق في هذه المكتبة إجابة عن هذا السؤال.",
}
_EMPTY = {
    "en": "The library is empty. Add papers first: rag-app ingest FOLDER",
    "fa": "کتابخانه خالی است. نخست مقاله بیفزایید: rag-app ingest FOLDER",
    "ar": "المكتبة فارغة. أضف أوراقًا أولًا: rag-app ingest FOLDER",
}


def refusal(language: str) -> str:
    """What an answer says when the papers do not hold it; English where the language is not known."""
    return _REFUSALS.get(language, _REFUSALS["en"])


def empty_library(language: str) -> str:
    return _EMPTY.get(language, _EMPTY["en"])
