"""Words with which a model refuses, or says that it was shown no picture. Doubt about a detail is neither."""

from __future__ import annotations

import re

_ENGLISH = (
    r"\bas an ai\b",
    r"\bi(?:'m| am) (?:an ai|a (?:large )?language model|just a text)",
    r"\bsorry,? (?:but )?(?:i|there)\b",
    r"\bi apologi[sz]e",
    r"\bi (?:cannot|can't|am (?:not able|unable) to|do(?:n't| not) have the ability to) (?:directly )?"
    r"(?:see|view|access|open|display|analy[sz]e|process|describe|interpret|help|assist|provide|fulfil)\b"
    r"[^.]{0,40}?\b(?:images?|pictures?|photos?|visual|requests?|that|this|you)\b",
    r"\bi'm (?:not able|unable) to (?:see|view|access|describe|help|assist|provide)\b",
    r"\bno (?:image|picture|photo) (?:was |is |has been )?(?:provided|attached|uploaded|given|shared|included)",
    r"\b(?:please|could you|can you) (?:provide|upload|share|attach|send)\b[^.]{0,30}\b(?:image|picture|photo)",
    r"\bi do(?:n't| not) see (?:an|any|the) (?:image|picture|photo)",
)
_PERSIAN = (
    r"به ?عنوان یک (?:مدل|هوش|دستیار)",
    r"من یک (?:مدل زبانی|هوش مصنوعی|دستیار)",
    r"مت[أا]سفانه (?:من )?(?:نمی|قادر|امکان)",
    r"مت[أا]سفم|(?:معذرت|پوزش|عذر) می.?خواهم|ببخشید",
    r"(?:نمی.?توانم|قادر نیستم|توانایی ندارم)[^.]{0,40}(?:تصویر|عکس|ببینم|مشاهده کنم|کمک کنم|توصیف کنم|شرح)",
    r"(?:تصویر|عکس) را نمی.?(?:بینم|توانم)",
    r"(?:تصویری|عکسی) (?:ارائه|ارسال|بارگذاری|پیوست|ضمیمه|فرستاده|داده|دریافت) ?(?:نشده|نکرده)",
    r"لطفا[ًّ]? (?:یک )?(?:تصویر|عکس)[^.]{0,20}(?:ارسال|بارگذاری|بفرست|ارائه)",
)
_ANY = re.compile("|".join((*_ENGLISH, *_PERSIAN)), re.IGNORECASE)


def refusal(text: str) -> str:
    """The words with which `text` refuses, in either language; "" where it does not.

    Both are looked for, since a model asked in Persian may refuse in English.
    """
    match = _ANY.search(text.replace("’", "'").replace("ي", "ی").replace("ك", "ک"))
    return " ".join(match.group().split()) if match else ""
