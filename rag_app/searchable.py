"""Text as search sees it: one normal form for what is indexed and for what is asked.

Display text is never changed by this; the store keeps it beside the searchable form.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

# Arabic letters that Persian keyboards and PDFs mix freely; after NFKC, so presentation forms are gone.
_LETTERS = str.maketrans(
    {
        "ي": "ی", "ى": "ی", "ئ": "ی", "ك": "ک", "ة": "ه", "ۀ": "ه", "أ": "ا", "إ": "ا", "ٱ": "ا", "آ": "ا", "ؤ": "و",
        "ـ": None, "\u200d": None, "\u00ad": None, "\u200e": None, "\u200f": None,
        "\u200c": " ", "٫": ".", "٬": ",", "−": "-", "‐": "-", "‑": "-", "’": "'",
    }
)  # fmt: skip
_DIGITS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")
_COMBINING = re.compile("[\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]")
_WORD = re.compile(r"[^\W_]+(?:[.,](?=\d)[^\W_]+)*(?:[-'][^\W_]+)*")
_JOINTS = re.compile(r"[-']")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_STEMMER = snowballstemmer.stemmer("english")

# Persian inflection written apart (after ZWNJ becomes a blank) or joined; longest first.
_FA_SUFFIXES = ("هایشان", "هایی", "های", "ترین", "ها", "تر")
STOPWORDS = frozenset(
    """a an the of in on at to for from by with without and or nor but not no is are was were be been being am
    do does did done has have had having it its this that these those there here what which who whom whose
    when where why how as than then so such can could may might must shall should will would i you he she we
    they them their our your his her me us my if into onto about between over under out up down again also
    any each other some only own same very just during per via please tell explain describe say says said
    according paper papers authors author article study از به در با بر برای که را این آن یک و یا هم تا نیز
    است هست بود بودند باشد باشند شد شده شود شوند می نمی ها های ای ی چه چیست کدام چگونه چطور چرا کجا کی آیا
    چند چقدر چیزی هر همه اگر اما ولی پس نه بین درباره طبق مقاله نویسندگان کرد کردن کرده کند کنند دارد دارند
    داشت دهد دهند داده کنید بگو بگویید توضیح""".translate(_LETTERS).split()
)


def searchable(text: str) -> str:
    """`text` as search terms separated by single blanks, in order; repeated terms are kept.

    NFKC, case folded, accents and Arabic diacritics removed, Persian letters and digits unified, thousands separators
    dropped, English words stemmed (Snowball), Persian plural and comparative endings removed. A decimal point becomes
    the letter d ("28.4" -> "28d4") and hyphenated words give their parts and the joined form, so that every term is
    made of letters and digits alone and survives any tokenizer.
    """
    return " ".join(terms(text))


def terms(text: str) -> list[str]:
    """The search terms of `text` in order; see `searchable`."""
    found: list[str] = []
    for word in _WORD.findall(fold(text)):
        if "-" not in word and "'" not in word:
            found.append(_term(word))
            continue
        parts = _JOINTS.split(word)
        found.extend(_term(part) for part in parts)
        if len(parts) == 2 and parts[1] not in ("s", "t", "re", "ve", "ll", "d", "m"):
            found.append(_term("".join(parts)))
    return [term for term in found if term]


def query_terms(text: str) -> list[str]:
    """The distinct terms of a question that carry meaning, in order: no stop words, unless nothing else is left."""
    distinct = list(dict.fromkeys(terms(text)))
    telling = [term for term in distinct if term not in STOP_TERMS]
    return telling or distinct


def fold(text: str) -> str:
    """`text` in one case, one letter form and ASCII digits, word boundaries kept."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_LETTERS)
        text = _COMBINING.sub("", unicodedata.normalize("NFD", text)).translate(_DIGITS)
    return _THOUSANDS.sub("", text.casefold())


@lru_cache(maxsize=65536)
def _term(word: str) -> str:
    word = word.strip("'.,").replace(".", "d").replace(",", "d")
    if word.isascii():
        return _STEMMER.stemWord(word) if word.isalpha() else word
    for suffix in _FA_SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


STOP_TERMS = frozenset(_term(word) for word in STOPWORDS) | STOPWORDS
