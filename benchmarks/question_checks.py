"""The checks of generated questions: how many sound proposals they let through, and how many planted wrong ones.

    python -m benchmarks.question_checks LIBRARY [--count 400] [--seed 1] [--json]

No model is asked. For each passage one sound proposal is made (a sentence or row as quote, a word of it as answer), and
of it one wrong proposal of each kind. A wrong one counts as stopped for whatever reason.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from eval.generation.asking import Candidate
from eval.generation.checks import Dropped, asked_already, checked
from eval.generation.sources import sources
from eval.questions import Question
from eval.statistics import text_table, wilson
from rag_app import Library
from rag_app.evidence import Passage
from rag_app.searchable import STOP_TERMS, terms
from rag_app.sentences import sentences

FORMS = {"en": "What is said of {} together with {}?", "fa": "دربارهٔ {} و {} با هم چه گفته شده است؟"}
LEANING = {"en": "What does this paper say of {} and {}?", "fa": "در این مقاله دربارهٔ {} و {} چه آمده است؟"}
FOREIGN = {"en": ("temperature", "batches"), "fa": ("دما", "دسته‌ها")}
SOUND = "sound"


@dataclass(frozen=True, slots=True)
class Case:
    """A sound proposal about a passage, and what wrong ones are made of. about: two words of the quote."""

    passage: Passage
    language: str
    quote: str
    answer: str
    about: tuple[str, str]
    foreign: str
    elsewhere: str

    @property
    def sound(self) -> Candidate:
        return Candidate(question=FORMS[self.language].format(*self.about), answer=self.answer, quote=self.quote)


def cases(library: Library, seed: int) -> Iterator[Case]:
    """Cases in the order of `sources`; passages without enough words give none."""
    dice = random.Random(seed)
    before = ""
    for passage in sources(library, seed=seed):
        lines = passage.text.splitlines() if passage.kind == "table" else [s.text for s in sentences(passage.text)]
        able = [line for line in lines if len(_words(line)) >= 4]
        if not able:
            continue
        quote = dice.choice(able)
        first, second, answer, *_ = dice.sample(_words(quote), 4)
        others = [word for line in able if line != quote for word in _words(line) if word not in quote]
        if before and others:
            language = "fa" if passage.language in ("fa", "ar") else "en"
            yield Case(passage, language, quote, answer, (first, second), before, dice.choice(others))
        before = quote


def _words(text: str) -> list[str]:
    """Its different telling words and numbers, none of which is part of another."""
    words = dict.fromkeys(word for word in re.findall(r"\w[\w\u200c.-]*\w", text) if _tells(word))
    return [word for word in words if sum(word.casefold() in other.casefold() for other in words) == 1]


def _tells(word: str) -> bool:
    return len(word) >= 3 and any(term not in STOP_TERMS for term in terms(word))


def _changed_number(case: Case) -> Candidate | None:
    found = re.search(r"\d", case.quote)
    if found is None:
        return None
    digit = str((int(found[0]) + 1) % 10)
    quote = case.quote[: found.start()] + digit + case.quote[found.end() :]
    number = re.search(rf"[\d.,]*{re.escape(digit)}[\d.,]*", quote)
    return case.sound.model_copy(update={"quote": quote, "answer": (number[0] if number else digit).strip(".,")})


def _other_language(case: Case) -> Candidate:
    other = "en" if case.language == "fa" else "fa"
    text = (
        "What is it that is said of both together here?"
        if other == "en"
        else "دربارهٔ این دو با هم چه چیزی گفته شده است؟"
    )
    return case.sound.model_copy(update={"question": text})


PLANTED: dict[str, Callable[[Case], Candidate | None]] = {
    "a number changed": _changed_number,
    "quote of another passage": lambda case: case.sound.model_copy(update={"quote": case.foreign}),
    "answer from another sentence": lambda case: case.sound.model_copy(update={"answer": case.elsewhere}),
    "question holds the answer": lambda case: case.sound.model_copy(
        update={"question": FORMS[case.language].format(case.answer, case.about[0])}
    ),
    "question leans on the paper": lambda case: case.sound.model_copy(
        update={"question": LEANING[case.language].format(*case.about)}
    ),
    "another language": _other_language,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    tried: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    reasons: Counter[str] = Counter()

    def count(name: str, outcome: Question | Dropped) -> None:
        tried[name] += 1
        passed[name] += isinstance(outcome, Question)
        if name == SOUND and isinstance(outcome, Dropped):
            reasons[outcome.reason] += 1

    with Library.open(given.library, create=False, read_only=True) as library:
        for case in islice(cases(library, given.seed), given.count):
            sound = checked(case.sound, case.passage, case.language, model="none")
            count(SOUND, sound)
            for name, plant in PLANTED.items():
                wrong = plant(case)
                if wrong is not None:
                    count(name, checked(wrong, case.passage, case.language, model="none"))
            if isinstance(sound, Question):
                tried["asked again"] += 1
                passed["asked again"] += not asked_already(replace(sound, id="again"), [sound])
    rows = []
    for name, n in tried.items():
        low, high = wilson(passed[name], n)
        rows.append([name, n, passed[name], f"{passed[name] / n:.3f} [{low:.3f}, {high:.3f}]"])
    if given.json:
        print(json.dumps({"tried": tried, "passed": passed, "sound_dropped": reasons}, ensure_ascii=False))
        return
    print(text_table(["proposals", "n", "let through", "share [95 %]"], rows))
    print(f"Sound ones dropped: {', '.join(f'{n} {reason}' for reason, n in reasons.items()) or 'none'}.")


if __name__ == "__main__":
    main()
