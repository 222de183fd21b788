"""A follow-up question made to stand alone by rules: English and Persian, no model, the same every time.

What is carried over is the last question's subject: the element it names ("Table 2"), else a name ("BERT"), else its
first noun. A question that points at nothing is left as it is: a new subject must never drag the old one along.
`may_lean` is the cheap look before a model is asked: a question that stands by itself costs no call.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ingestion.mentions import mentions_in
from rag_app.searchable import STOP_TERMS, STOPWORDS, fold, terms

_BLANK = r"[\s\u200c]*"
LABEL = re.compile(
    r"(?<!\w)(?:tables?|tab\.|fig(?:ure)?s?\.?|equations?|eqs?\.?|formula|sections?|sec\.|algorithm|appendix"
    r"|جدول|شکل|نمودار|تصویر|رابطه‌?ی?|معادله‌?ی?|فرمول|بخش|الگوریتم|پیوست)"
    rf"{_BLANK}[(\[]?(?:[A-Z]\.?)?\d+(?:\.\d+)*[a-z]?[)\]]?(?!\w)",
    re.IGNORECASE,
)
# "and for table 3?", "what about BERT?", «و در جدول ۳؟», «بخش ۲ چطور؟»: what is new is the group `new`.
_SWAPS = (
    re.compile(r"^(?:and|but|or|also|then|so)\b,?\s+(?:what|how)\s+about\s+(?P<new>.+)$", re.IGNORECASE),
    re.compile(r"^(?:what|how)\s+about\s+(?P<new>.+)$", re.IGNORECASE),
    re.compile(r"^(?:and|but|or|also)\b,?\s+(?P<new>.+)$", re.IGNORECASE),
    re.compile(r"^(?:و|اما|ولی|یا)\s+(?P<new>.+?)(?:\s+(?:چطور|چه‌طور|چی|چه))?$"),
    re.compile(r"^(?P<new>.+?)\s+(?:چطور|چه‌طور|چی)$"),
    re.compile(
        r"^(?P<new>(?:(?:in|on|for|at|with|from|under|during|by|without)\s+|(?:در|برای|از|با|روی|بر|بدون)\s+).+)$"
    ),
)
_WHY = re.compile(
    r"^(?:(?:and|but|so|و|اما|ولی|خب)\s+)?(?:why(?:\s+(?:not|so|is\s+that))?|how(?:\s+(?:so|come))?|for\s+example|such\s+as"
    r"|when|where|really|more|go\s+on|tell\s+me\s+more|explain(?:\s+(?:it|that|this|more))?|what\s+else"
    r"|چرا|چطور|چه‌طور|چگونه|مثلاً?|مثلا|کجا|کی|واقعاً?|بیشتر(?:\s+بگو(?:یید)?)?|توضیح\s+(?:بده|بدهید|دهید)|دیگر\s+چه)$",
    re.IGNORECASE,
)
# A fragment with a verb of its own is a question: only "and"/«و» is taken off it.
_ASKS = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|do|does|did|can|could|has|have|had|will|would"
    r"|should)\b|(?<!\w)(?:چیست|چه|چند|چقدر|چگونه|چرا|کدام|کجا|کی|آیا|است|هست|هستند|بود|بودند|شد|شده|می‌?شود|دارد|دارند"
    r"|کرد|کرده|کردند|می‌?کند|می‌?دهد|می‌?کنند)(?!\w)",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"^(?P<word>in|on|for|at|with|from|under|during|by|without|در|برای|از|با|روی|بر|بدون)\s+(?P<rest>.+)$",
    re.IGNORECASE,
)
_ITS = re.compile(r"\b(?:its|their|his|her)\b(?=\s+\w)", re.IGNORECASE)
_VERBS = r"(?:is|are|was|were|do|does|did|has|have|can|cannot|could)"
_IT = re.compile(
    r"\b(?:it|they|them|he|she)\b(?!\s+(?:true|possible|clear|known|said|mean)\b)"
    # "is this ..."; but "this paper" is the paper asked, and "do that a model cannot" opens a clause
    r"|(?:(?<=\bis\s)|(?<=\bdo\s)|(?<=\bare\s)|(?<=\bwas\s)|(?<=\bdid\s)|(?<=\bdoes\s)|(?<=\bwere\s))"
    r"(?:this|that|these|those)\b(?!\s+(?:paper|work|study|an?|the|no|other|most)\b)"
    rf"(?!\s+\w+\s+{_VERBS}\b)"
    r"|\b(?:this|that|these|those)\b"
    rf"(?=\s*$|\s+(?:{_VERBS}|works?|means?|helps?|differ|compare)\b)",
    re.IGNORECASE,
)
_DUMMY = re.compile(
    r"\b(?:is|was|makes?|find|found)\s+it\s+(?:true|possible|clear|known|said|hard|easy|necessary|that)\b", re.I
)
_THIS = re.compile(
    r"\b(?:this|that|these|those|the\s+same)\s+"
    r"(?:model|method|approach|technique|value|number|result|score|figure|table|plot|chart|equation|formula|loss"
    r"|dataset|data|experiment|architecture|network|layer|algorithm|metric|setting|baseline)s?\b",
    re.IGNORECASE,
)
_FA_THIS = re.compile(
    r"(?<!\w)(?:این|آن|همین|همان)\s+(?:مدل|روش|شکل|جدول|نمودار|رابطه|معادله|فرمول|عدد|مقدار|نتیجه|داده|آزمایش|معماری|شبکه"
    r"|لایه|الگوریتم|سنجه|رویکرد)(?:‌?(?:ها|های|ی))?(?!\w)"
)
_FA_IT = re.compile(
    r"(?<!\w)(?:آن‌?ها|این‌?ها|ایشان|آنان|آن|این|او)(?!\w)(?!\u200c)"
    r"(?=\s*$|\s+(?:را|در|از|به|با|بر|برای|روی|چیست|چه|چقدر|چند|چگونه|چطور|چرا|کدام|کجا|است|بود|هست|هستند|بودند|شد|شده"
    r"|می‌?\w+|دارد|دارند|آموزش|مقایسه|استفاده|ارزیابی|و)(?!\w))"
)
_NAME = re.compile(
    r"(?<![\w-])(?:[A-Z][\w.]*[A-Z\d][\w.]*|[A-Z]{2,}[\w.]*)(?:[-/][\w.]+)*|(?<=\w\s)[A-Z][\w]+(?:[-/][\w.]+)*"
)
_PERSIAN = re.compile(r"[\u0600-\u06ff]")
_SHORT = 3  # telling words of a question that may be a fragment
_ENDS = " \t\n?؟!.…،,;:؛"
_WORD = re.compile(r"[^\W_](?:[\w\u200c\u0654'/-]*\w)?")
_AUXILIARY = {"do", "does", "did"}
_MORE_STOPS = STOPWORDS | frozenset(
    "used use uses many much long big large mean means show shows kind type got give gives same "
    "استفاده نشان معنی بود وجود".split()
)


def may_lean(question: str) -> bool:
    """Whether a question may lean on the one before: it points, opens with "and", names nothing itself, or is short."""
    bare = question.strip(_ENDS)
    opens = bool(_WHY.match(bare)) or any(pattern.match(bare) for pattern in _SWAPS)
    named = bool(LABEL.search(bare) or _NAME.search(bare))
    telling = [term for term in terms(bare) if term not in STOP_TERMS]
    return _points(bare) or opens or not named or len(telling) <= _SHORT


def carried_over(question: str, before: str) -> str:
    """`question` with what it takes from the question `before` put in; as it is where it takes nothing."""
    asked = question.strip()
    bare = asked.strip(_ENDS)
    if not bare or not before.strip(_ENDS):
        return asked
    if _WHY.match(bare):
        return _joined(before, asked)
    swapped = _swapped(bare, before)
    if swapped is not None:
        return swapped
    return _pronouns_filled(asked, before)


def subject_of(question: str) -> str:
    """What a question is about, in its own words: "Table 2", "ResNet-50", "learning rate"; "" where nothing is seen."""
    if label := LABEL.search(question):
        return label[0]
    if name := _NAME.search(question):
        return name[0]
    run: list[str] = []
    after_auxiliary = False
    for word in _WORD.findall(question):
        folded = fold(word)
        if folded in _AUXILIARY and not run:
            after_auxiliary = True
        if _is_stop(folded):
            if run:
                break
            continue
        run.append(word)
    if after_auxiliary and len(run) > 1 and not _PERSIAN.search(question):
        run.pop()  # "How does dropout help?" is about dropout
    return " ".join(run[:4])


def _is_stop(folded: str) -> bool:
    return all(part in _MORE_STOPS for part in folded.split())


def _swapped(bare: str, before: str) -> str | None:
    """The question before, with the new element, place or condition instead of the old one."""
    if LABEL.fullmatch(bare):
        return _with_new_label(bare, before)
    for pattern in _SWAPS:
        found = pattern.match(bare)
        if found is None:
            continue
        new = found["new"].strip(_ENDS)
        if _ASKS.search(new):
            return _pronouns_filled(_sentence(new, bare), before) if new != bare else None
        if len(new.split()) > 8:
            return None
        return (
            _with_new_label(new, before)
            or _with_new_name(new, before)
            or _with_new_place(new, before)
            or _continued(before, new)
        )
    return None


def _with_new_label(new: str, before: str) -> str | None:
    """ "... in Table 2?" with "table 3": the label of its kind gives way, else the first."""
    label, labels = LABEL.search(new), list(LABEL.finditer(before))
    if label is None or not labels:
        return None
    old = next((one for one in labels if _kind_of(one[0]) == _kind_of(label[0])), labels[0])
    return before[: old.start()] + label[0] + before[old.end() :]


def _kind_of(label: str) -> str:
    return next((mention.split(" ")[0] for mention in mentions_in(label)), "")


def _with_new_name(new: str, before: str) -> str | None:
    """ "What is the accuracy of CLIP?" with "BERT"; only where one name stands before."""
    names = list(_NAME.finditer(before))
    if len(names) != 1 or not _NAME.fullmatch(new):
        return None
    return before[: names[0].start()] + new + before[names[0].end() :]


def _with_new_place(new: str, before: str) -> str | None:
    """ "... on ImageNet?" with "on CIFAR-10"; in English only at the end, where a place's end is known."""
    place = _PREPOSITION.match(new)
    if place is None:
        return None
    if _PERSIAN.search(place["word"]):
        old = re.match(rf"^{place['word']}\s+[^\W_][\w-]*(?=\s)", before)
        return new + before[old.end() :] if old else None
    old = re.search(rf"\s{place['word']}\s+[^\s?]+(?:\s[^\s?]+)?\s*\??\s*$", before, re.IGNORECASE)
    return f"{before[: old.start()]} {new}?" if old else None


def _pronouns_filled(asked: str, before: str) -> str:
    subject = subject_of(before)
    if not subject:
        return _joined(before, asked) if _points(asked) else asked
    if LABEL.search(asked):
        return asked  # "What does Table 3 show, and how was it made?" has its own subject
    if _PERSIAN.search(asked):
        return _filled(asked, ((_FA_THIS, _noun_and(subject)), (_FA_IT, _only(subject))))
    if _DUMMY.search(asked) or (_NAME.search(asked) and not _ITS.match(asked) and not _starts_with_pronoun(asked)):
        return asked
    possessive = subject + ("'" if subject.endswith("s") else "'s")
    return _filled(asked, ((_THIS, _noun_and(subject)), (_ITS, _only(possessive)), (_IT, _only(subject))))


def _starts_with_pronoun(asked: str) -> bool:
    """ "Does it beat BERT?": the pronoun comes before the name, so it is not the name's."""
    name = _NAME.search(asked)
    pronoun = _IT.search(asked) or _ITS.search(asked)
    return name is not None and pronoun is not None and pronoun.start() < name.start()


def _points(asked: str) -> bool:
    patterns = (_FA_THIS, _FA_IT) if _PERSIAN.search(asked) else (_THIS, _ITS, _IT)
    return any(pattern.search(asked) for pattern in patterns) and not _DUMMY.search(asked)


Filling = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]


def _filled(asked: str, fillings: tuple[Filling, ...]) -> str:
    """`asked` with the first pronoun that is found replaced; the others stand, they mean the same thing."""
    for pattern, put in fillings:
        filled, count = pattern.subn(put, asked, count=1)
        if count:
            return filled[:1].upper() + filled[1:]
    return asked


def _noun_and(subject: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"{match[0]} ({subject})"


def _only(text: str) -> Callable[[re.Match[str]], str]:
    return lambda match: text


def _sentence(new: str, like: str) -> str:
    mark = "؟" if _PERSIAN.search(like) else "?"
    return f"{new}{mark}"


def _continued(before: str, new: str) -> str:
    """The question before, going on with a condition: "..., for retrieval?"."""
    joint, mark = ("،", "؟") if _PERSIAN.search(before) else (",", "?")
    return f"{before.strip(_ENDS)}{joint} {new}{mark}"


def _joined(before: str, asked: str) -> str:
    mark = "؟" if _PERSIAN.search(before) else "?"
    first = before.strip()
    return f"{first if first[-1] in '?؟.!' else first + mark} {asked[:1].upper()}{asked[1:]}"
