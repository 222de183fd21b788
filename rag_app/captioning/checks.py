"""Whether a pair of captions may be kept: deterministic checks, each with its reason.

form        the reply is the JSON object that was asked for (known when it is read)
language    Persian is Persian, English is English; see rag_app.captioning.language
length      the short one is a sentence or two, the detailed one many sentences
complete    the detailed one ends where a sentence ends
repetition  no sentence, phrase, word or letter goes round in circles
refusal     the model looked, and did not say that it cannot
copying     it is a caption, not the words of the prompt
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from rag_app.captioning.language import Language, language_problem, words_of
from rag_app.captioning.refusals import refusal
from rag_app.sentences import sentences

SHORT_WORDS = (3, 60)  # fewest and most words of a short caption; asked for are 8 to 25
SHORT_SENTENCES = 3
DETAILED_WORDS = 45  # fewest; asked for are 100 to 250
DETAILED_SENTENCES = 4  # fewest; asked for are 6 to 12

_COPIED_WORDS = 9  # as many in a row of the prompt's are no accident
_ENDS = re.compile(r"[.!?؟。…][)\]\"'”’»]*\s*$")
_LETTER_LOOP = re.compile(r"(\S)\1{9}|(\S{2,12}?)\2{5}|(?:(\S{1,12})\s+)(?:\3\s+){4}")


@dataclass(frozen=True, slots=True)
class Check:
    """One check's result; note is the reason where it failed, or something worth knowing where it did not."""

    name: str
    ok: bool
    note: str = ""


def check_captions(short: str, detailed: str, language: Language, *, prompt: str) -> tuple[Check, ...]:
    """Every check of a pair of captions in `language`, made with `prompt`; all must be ok for it to be kept."""
    both = f"{short}\n{detailed}"
    return (
        _check(
            "language",
            _first(("short", language_problem(short, language)), ("detailed", language_problem(detailed, language))),
        ),
        _check("length", length_problem(short, detailed)),
        _check(
            "complete", "" if _ENDS.search(detailed) else f"the detailed one breaks off: … {detailed[-30:].strip()}"
        ),
        _check("repetition", _first(("short", repetition(short)), ("detailed", repetition(detailed)))),
        _check("refusal", f"it says: {_cut(words)}" if (words := refusal(both)) else ""),
        _check("copying", copied(both, prompt)),
    )


def length_problem(short: str, detailed: str) -> str:
    """Why the two captions are too short or too long; "" where they are not."""
    brief, full = len(words_of(short)), len(words_of(detailed))
    if not SHORT_WORDS[0] <= brief <= SHORT_WORDS[1]:
        return f"the short one has {brief} words, not {SHORT_WORDS[0]} to {SHORT_WORDS[1]}"
    if len(sentences(short)) > SHORT_SENTENCES:
        return f"the short one has {len(sentences(short))} sentences, not 1 to {SHORT_SENTENCES}"
    if full < DETAILED_WORDS:
        return f"the detailed one has {full} words, fewer than {DETAILED_WORDS}"
    if len(sentences(detailed)) < DETAILED_SENTENCES:
        return f"the detailed one has {len(sentences(detailed))} sentences, fewer than {DETAILED_SENTENCES}"
    return ""


def repetition(text: str) -> str:
    """What goes round in circles in `text`; "" where nothing does.

    A letter ten times or a group of letters six times in a row, a word five times in a row, a sentence of four words
    or more twice, five words in a row three times, or, in 40 words or more, fewer than 70 % different three-word runs.
    """
    if loop := _LETTER_LOOP.search(text + " "):
        return f"it repeats «{' '.join(loop.group().split())[:24]}»"
    found = [" ".join(words_of(s.text)).lower() for s in sentences(text)]
    for sentence, times in Counter(found).items():
        if times > 1 and len(sentence.split()) >= 4:
            return f"a sentence stands there {times} times: {_cut(sentence)}"
    said = [word.lower() for word in words_of(text)]
    runs = Counter(zip(*(said[i:] for i in range(5)), strict=False))
    if runs and runs.most_common(1)[0][1] >= 3:
        return f"a phrase stands there {runs.most_common(1)[0][1]} times: {' '.join(runs.most_common(1)[0][0])}"
    triples = list(zip(said, said[1:], said[2:], strict=False))
    if len(said) >= 40 and len(set(triples)) < 0.7 * len(triples):
        return f"only {len(set(triples))} of its {len(triples)} three-word runs differ"
    return ""


def copied(text: str, prompt: str) -> str:
    """Nine words in a row that are the prompt's own; "" where there are none."""
    said, asked = [w.lower() for w in words_of(text)], [w.lower() for w in words_of(prompt)]
    runs = {tuple(asked[i : i + _COPIED_WORDS]) for i in range(len(asked) - _COPIED_WORDS + 1)}
    for i in range(len(said) - _COPIED_WORDS + 1):
        if tuple(said[i : i + _COPIED_WORDS]) in runs:
            return f"it repeats the prompt: {' '.join(said[i : i + _COPIED_WORDS])}"
    return ""


def _check(name: str, problem: str) -> Check:
    return Check(name, not problem, problem)


def _first(*problems: tuple[str, str]) -> str:
    return next((f"the {which} one: {problem}" for which, problem in problems if problem), "")


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60].rsplit(' ', 1)[0]} …"
