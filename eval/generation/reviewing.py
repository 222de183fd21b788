"""A person goes through generated questions one by one: each is kept, edited or dropped, and written at once."""

from __future__ import annotations

import dataclasses
from collections import Counter

from eval.generation.files import QuestionFile
from eval.generation.generating import found_at
from eval.questions import Question
from rag_app.errors import InputError, UsageError
from rag_app.evidence import Passage
from rag_app.library import Library


class Review:
    """The questions of a file that a model made and no one has looked at yet, in their order.

    Raises InputError when the file has none that a model made.
    """

    def __init__(self, file: QuestionFile, library: Library) -> None:
        if not any(question.origin for question in file.questions):
            raise InputError(
                f"{file.path} holds no question that a model made, so there is nothing to review. Make some: "
                f"rag-app eval generate {file.path}"
            )
        self.file = file
        self._library = library
        self._skipped: set[str] = set()
        self._edited: str | None = None  # id of the current question, when it was edited and may be edited again

    @property
    def waiting(self) -> list[Question]:
        """What is still to be looked at."""
        return [q for q in self.file.questions if q.id not in self._skipped and (_pending(q) or q.id == self._edited)]

    @property
    def current(self) -> Question:
        """The next one. Raises UsageError when all have been looked at."""
        if not self.waiting:
            raise UsageError(f"Every question in {self.file.path} has been looked at.")
        return self.waiting[0]

    def passage(self) -> Passage | None:
        """What the current question was made from; None when the library does not hold it any more."""
        origin = self.current.origin
        return next(iter(self._library.passages([origin.node_id])), None) if origin else None

    def keep(self) -> None:
        """The current question is good as it is; one that was edited stays so."""
        if _pending(self.current):
            self._reviewed(self.current, "kept")
        self._edited = None

    def drop(self) -> None:
        """Take the current question out of the set; it is kept in the file of what was dropped."""
        self.file.drop(self.current)
        self._edited = None

    def skip(self) -> None:
        """Leave the current question for another time."""
        self._skipped.add(self.current.id)
        self._edited = None

    def edit(self, *, question: str | None = None, answer: str | None = None) -> None:
        """Give the current question another text or answer; it is searched for again, and stays the current one.

        Raises InputError when either is empty, UsageError when nothing is given.
        """
        old = self.current
        text, gold = (old.question if question is None else question.strip()), old.answers
        if answer is not None:
            gold = (answer.strip(),)
        if not text or not all(gold):
            raise InputError("A question needs a text and an answer; drop it if it has none.")
        if (text, gold) == (old.question, old.answers):
            raise UsageError("Nothing of the question was changed; keep it, or write another text or answer.")
        self._reviewed(dataclasses.replace(old, question=text, answers=gold), "edited")
        self._edited = old.id

    def counts(self) -> dict[str, int]:
        """How many are pending, kept, edited and dropped."""
        said = Counter(question.origin.review for question in self.file.questions if question.origin)
        return {
            "pending": said["pending"],
            "kept": said["kept"],
            "edited": said["edited"],
            "dropped": len(self.file.dropped),
        }

    def _reviewed(self, question: Question, review: str) -> None:
        origin = question.origin
        assert origin is not None
        found = found_at(self._library, question) if review == "edited" else origin.found_at
        new = dataclasses.replace(question, origin=dataclasses.replace(origin, review=review, found_at=found))
        self.file.replace(self.current, new)


def _pending(question: Question) -> bool:
    return question.origin is not None and question.origin.review == "pending"
