"""What a caption tells, counted without a model: things, attributes and numbers it names, in English and Persian.

A word is a thing unless a list or its form says that it is something else. docs/extraction_quality.md says how often
that is wrong.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from eval.captions import word_lists as lists
from rag_app.captioning.language import Language, english_leftovers, language_problem, persian_letters, words_of
from rag_app.sentences import sentences

_NUMBER = re.compile(r"\d+(?:[.,٫]\d+)*")

_VERB_FA = re.compile("^ن?می\u200c|^(?:نمی|می)[\u0600-\u06ff]{2,}(?:د|م|یم|ید)$|\u200c(?:است|اند)$")
_PAST_FA = re.compile("^[\u0600-\u06ff]{2,}(?:دند|تند)$")
_LIGHT_FA = re.compile(  # with the word before it one verb: «نگاه می‌کند»
    "^(?:ن?می\u200c?)?(?:کن(?:د|ند|ید|یم|م|ه)|زن(?:د|ند|ه)|زدند?|کردند?|شو(?:د|ند)|شه|ده(?:د|ند))$|^(?:کرد|زد|داد)(?:ه|ن|ند)?$|^شد(?:ه|ن|ند)?$"
)
_PLURAL_FA = re.compile("\u200c?(?:هایی|هایش|هایشان|های|ها)$")
_ENDING_FA = re.compile("\u200c(?:ای|ی|اش|شان|ام|ات|مان|تان)$")
_COMPARED_FA = re.compile("\u200c?(?:ترین|تر|تری)$")


@dataclass(frozen=True, slots=True)
class Told:
    """Distinct things, attributes and numbers that a text names, in one form a word."""

    things: frozenset[str]
    attributes: frozenset[str]
    numbers: frozenset[str]


def told(text: str, language: Language) -> Told:
    """What `text` names; singular and plural of a thing are one, digits of any script and number words are numbers."""
    things: set[str] = set()
    attributes: set[str] = set()
    numbers: set[str] = {_digits(number) for number in _NUMBER.findall(text)}
    parts = list(_parts(text, language))
    for word, after in zip(parts, [*parts[1:], ""], strict=True):
        if language == "fa" and _LIGHT_FA.match(after) and word not in lists.FUNCTION["fa"]:
            continue
        if word in lists.NUMBERS[language]:
            numbers.add(word)
        elif _is_attribute(word, language):
            attributes.add(word)
        elif len(word) > 1 and not _is_other(word, language):
            things.add(_singular(word, language))
    return Told(frozenset(things), frozenset(attributes), frozenset(numbers))


def _digits(number: str) -> str:
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else "." for c in number)


def _parts(text: str, language: Language) -> Iterator[str]:
    """The words in small letters; of a hyphenated English word its parts, where it is in no list itself."""
    plain = persian_letters(text)[0] if language == "fa" else text.replace("’", "'")
    for word in words_of(plain):
        small = word.lower().removesuffix("'s")
        if language == "en" and "-" in small and small not in lists.ATTRIBUTES["en"]:
            yield from small.split("-")
        else:
            yield small


def _is_attribute(word: str, language: Language) -> bool:
    if language == "fa":
        base = _COMPARED_FA.sub("", word)
        forms = {word, base, _ENDING_FA.sub("", word), word.removesuffix("ی")}
        return not forms.isdisjoint(lists.ATTRIBUTES["fa"])
    if word in lists.ATTRIBUTES["en"]:
        return True
    return len(word) > 5 and word.endswith(("ish", "ful", "less", "ous", "colored", "coloured"))


def _is_other(word: str, language: Language) -> bool:
    """A function word, verb or adverb."""
    if word in lists.FUNCTION[language]:
        return True
    if language == "fa":
        verb = word in lists.VERBS_FA or _VERB_FA.search(word) or _PAST_FA.match(word)
        return bool(verb) or not _persian(word)
    if word in lists.VERBS_EN:
        return True
    if word.endswith("ly") and len(word) > 4 and word not in ("family", "jelly", "belly"):
        return True
    if word.endswith("ing") and len(word) > 4:
        return word not in lists.NOUNS_ING
    return word.endswith("ed") and len(word) > 4 and word not in lists.NOUNS_ED


def _persian(word: str) -> bool:
    return any("\u0600" <= c <= "\u06ff" for c in word)


def _singular(word: str, language: Language) -> str:
    if word in lists.IRREGULAR:
        return lists.IRREGULAR[word]
    if language == "fa":
        base = _ENDING_FA.sub("", _PLURAL_FA.sub("", word))
        return base.removesuffix("ی") if len(base) > 3 else base if len(base) > 1 else word  # «مردی»: a man
    for ending, instead in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + instead
    return word.removesuffix("s") if len(word) > 3 and not word.endswith(("ss", "us", "is")) else word


def purity(text: str, language: Language) -> float | None:
    """Share of the words that stand in sentences of the language and are its own; None without words.

    What counts as the language is what `rag-app caption` refuses captions by: names, units and quoted text may stay.
    """
    total = own = 0
    for sentence in sentences(text):
        count = len(words_of(sentence.text))
        total += count
        if not language_problem(sentence.text, language):
            own += count
        elif language == "fa" and (left := english_leftovers(sentence.text)):
            own += count - len(left)
    return own / total if total else None


def variety(text: str) -> float | None:
    """Share of its three-word runs that are different; None under four words. Low where a text goes in circles."""
    said = [word.lower() for word in words_of(text)]
    runs = list(zip(said, said[1:], said[2:], strict=False))
    return len(set(runs)) / len(runs) if len(runs) > 1 else None
