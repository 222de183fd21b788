"""Follow-up questions by rules: "and for Table 3?", "what is its accuracy?", «و در جدول ۳؟».

What a question leaves out is taken from the question before it. Nothing is guessed: a question that stands by itself
is left as it is, and what was asked is shown to the user.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingestion.mentions import mentions_in
from rag_app.searchable import STOP_TERMS, terms

_END = " \t\n?؟.!"
_LEADING = re.compile(
    r"^(?:(?:and|but|so|then|ok(?:ay)?|also|or)\b[\s,]*)*(?:(?:what|how)\s+(?:about|of)\b\s*)?", re.IGNORECASE
)
_LEADING_FA = re.compile(r"^(?:(?:و|ولی|اما|پس|یا|خب|حالا)\s+)+")
_TRAILING_FA = re.compile(r"\s*(?:چطور|چی|چه(?:\s*طور)?)\s*$")
_PREPOSITION = re.compile(
    r"^(for|in|on|with|at|by|of|from|using|under|without|در|برای|با|روی|از|بدون)\s+(\S.*)$", re.IGNORECASE
)
_WHY = re.compile(
    r"^(?:and\s+|but\s+|و\s+)?(why(?:\s+(?:not|so|is\s+that))?|how(?:\s+so|\s+come)?|چرا|چگونه|چطور)$", re.IGNORECASE
)
_PERSONAL = re.compile(r"\b(its|their|it|they|them)\b", re.IGNORECASE)
_EXPLETIVE = re.compile(
    r"\bit\s+(?:(?:is|was)\s+)?\w+\s+(?:that|to|if|whether)\b|\bit\s+(?:takes?|took)\b", re.IGNORECASE
)
_PERSONAL_FA = re.compile(
    r"(?<!\w)(آن[\u200c ]?ها|آنها|آن|اینها|این[\u200c ]?ها|او)"
    r"(?=\s+(?:را|چیست|چه|چند|چگونه|چطور|چرا|کجا|کدام|است|در|با|از|برای|به)|\s*[؟?.]?\s*$)"
)
_POINTING = re.compile(
    r"\b(?:this|that|these|those|the same|the former|the latter)\b|(?<!\w)(?:این|آن|همین|همان)(?=\s+\w)", re.IGNORECASE
)
_NAME = re.compile(r"(?<![\w-])(?=[^\s]*[A-Z])[A-Za-z][\w.+/-]*(?:-\w+)*")  # CLIP, ResNet-50, Flamingo
_ASKING = frozenset(
    "what which who whom whose when where why how does do did is are was were can could should would will has have had "
    "in on at for of to and the a an if by with from compare list show name give explain describe tell".split()
)
_LABEL_WORDS = frozenset("figure figures fig table tables equation eq section appendix algorithm".split())
_LABEL = re.compile(
    r"(?:\b(?:figures?|figs?\.?|tables?|equations?|eqs?\.?|sections?|appendix|algorithms?)|شکل|نمودار|جدول|رابطه|معادله|فرمول|بخش)"
    r"[\s\u200c]*\(?[\d۰-۹]+(?:\.[\d۰-۹]+)*[a-z]?\)?",
    re.IGNORECASE,
)
_SHORT = 3  # telling words; an opening "and" before more than these does not make a follow-up
_TOPIC_WORDS = 6


def standalone(question: str, earlier: Sequence[str]) -> str:
    """`question` with what it leaves out, taken from the last of the `earlier` standalone questions; else as it is."""
    if not earlier:
        return question
    before = earlier[-1].strip()
    bare = question.strip().strip(_END)
    if not bare or not before:
        return question
    if _WHY.match(bare):
        return f"{bare[0].upper()}{bare[1:]}{_mark(bare)} {before}"
    rest = _without_opening(bare)
    elliptic = (rest != bare or _LABEL.fullmatch(bare) is not None) and len(_telling(rest)) <= _SHORT
    if elliptic or (_PREPOSITION.match(bare) and len(_telling(bare)) <= _SHORT):
        return _completed(rest, before) if rest else question
    return _with_topic(question, before)


def may_lean(question: str) -> bool:
    """Whether a question may lean on the one before: it names nothing itself, or has a pronoun or an opening "and"."""
    bare = question.strip().strip(_END)
    points = _PERSONAL.search(bare) or _PERSONAL_FA.search(bare) or _POINTING.search(bare)
    return bool(points) or _without_opening(bare) != bare or not _has_own_topic(bare) or len(_telling(bare)) <= _SHORT


def topic_of(question: str) -> str:
    """What a question is about: the names in it, else the elements it names, else its telling words; "" for nothing."""
    names = names_in(question)
    if names:
        return " ".join(names[:3])
    labels = _LABEL.findall(question)
    if labels:
        return labels[0]
    words = [word for word in re.findall(r"[\w‌-]+", question) if _telling(word) and word.lower() not in _ASKING]
    return " ".join(words[:_TOPIC_WORDS])


def names_in(question: str) -> list[str]:
    """The words with a capital that are no ordinary sentence opening and no label: CLIP, ResNet-50."""
    found = []
    for match in _NAME.finditer(question):
        word = match[0].rstrip(".-/")
        opening = not question[: match.start()].strip(" \t\n\"'([«“")
        plain = word[1:].islower() and word[0].isupper()
        if word.lower() in _ASKING | _LABEL_WORDS or word == "I" or (opening and plain and len(word) < 4):
            continue
        found.append(word)
    return list(dict.fromkeys(found))


def _without_opening(bare: str) -> str:
    """What stands behind "and what about", or before «چطور»."""
    rest = _LEADING_FA.sub("", _LEADING.sub("", bare)).strip()
    if rest != bare or len(_telling(bare)) <= _SHORT:
        rest = _TRAILING_FA.sub("", rest).strip()
    return rest


def _completed(rest: str, before: str) -> str:
    """The question before with `rest` in the place of its like: a label of the same kind, or the same preposition."""
    label = _LABEL.search(rest)
    if label is not None:
        wanted = mentions_in(rest)[:1]
        kind = wanted[0].split(" ")[0] if wanted else ""
        for old in _LABEL.finditer(before):
            if any(mention.split(" ")[0] == kind for mention in mentions_in(old[0])):
                return before[: old.start()] + label[0] + before[old.end() :]
    head = _PREPOSITION.match(rest)
    if head is not None:
        old = re.search(rf"(?<!\w){re.escape(head[1])}\s+(?:the\s+)?([^\s?؟,،]+)", before, re.IGNORECASE)
        if old is not None and _telling(old[1]):
            return before[: old.start()] + rest + before[old.end() :]
    elif names_in(rest):
        names = names_in(before)
        if names and " " not in rest:
            return re.sub(rf"(?<![\w-]){re.escape(names[0])}(?![\w-])", lambda _: rest, before, count=1)
    end = "؟" if "؟" in before or "؟" in rest else "?"
    joint = "، " if end == "؟" else ", "
    return f"{before.strip(_END)}{joint}{rest}{end}"


def _with_topic(question: str, before: str) -> str:
    """The question with the topic of the one before in the place of its pronoun."""
    topic = topic_of(before)
    if not topic:
        return question
    pronoun = _PERSONAL.search(question)
    if pronoun is not None and not _EXPLETIVE.search(question) and not _has_own_topic(question[: pronoun.start()]):
        owning = pronoun[1].lower() in ("its", "their")
        return question[: pronoun.start()] + topic + ("'s" if owning else "") + question[pronoun.end() :]
    pronoun = _PERSONAL_FA.search(question)
    if pronoun is not None and not _has_own_topic(question):
        return question[: pronoun.start()] + topic + question[pronoun.end() :]
    if _POINTING.search(question) and not _has_own_topic(question):
        persian = "؟" in question or re.search(r"[\u0600-\u06ff]", question)
        bare = question.strip().strip(_END)
        return f"{bare} (دربارهٔ {topic})؟" if persian else f"{bare} (about {topic})?"
    return question


def _has_own_topic(text: str) -> bool:
    return bool(names_in(text) or _LABEL.search(text))


def _telling(text: str) -> list[str]:
    return [term for term in terms(text) if term not in STOP_TERMS]


def _mark(bare: str) -> str:
    return "؟" if re.search(r"[\u0600-\u06ff]", bare) else "?"
