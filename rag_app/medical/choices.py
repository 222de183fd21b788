"""The diagnoses a model chooses among: how they are asked about and what each is called, by language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from rag_app.errors import InputError, UsageError
from rag_app.medical.captions import Wording
from rag_app.medical.labels import LANGUAGES, Names
from rag_app.medical.records import Dataset


@dataclass(frozen=True, slots=True)
class Choices:
    """labels in the order in which they are shown; questions by language; answers by language and label.

    names: what labels are called where they are shown, by label and language; the answers where there is none.
    """

    labels: tuple[str, ...]
    questions: Mapping[str, str]
    answers: Mapping[str, Mapping[str, str]]
    names: Names = field(default_factory=dict)

    @classmethod
    def of_labels(cls, labels: Sequence[str], names: Names | None = None) -> Self:
        """As `medical prepare` asks about such labels. Raises UsageError for fewer than two, or one twice."""
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise UsageError(f"A differential needs two different labels or more, not {', '.join(labels) or 'none'}.")
        wording = Wording(labels, "", names)
        return cls(
            tuple(labels),
            {language: wording.diagnosis_question(language) for language in LANGUAGES},
            {language: {label: wording.answer(label, language) for label in labels} for language in LANGUAGES},
        )

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> Self:
        """As this dataset asks, in the words a model was tuned on. Raises InputError where it asks for no diagnosis."""
        questions: dict[str, str] = {}
        answers: dict[str, dict[str, str]] = {}
        for example in dataset.examples:
            for turn in example.turns:
                if turn.kind == "diagnosis":
                    questions.setdefault(turn.language, turn.question)
                    answers.setdefault(turn.language, {}).setdefault(example.label, turn.answer)
        if not questions:
            raise InputError(f"{dataset.folder} asks for no diagnosis; prepare it with labels.")
        missing = {label for said in answers.values() for label in dataset.labels if label not in said}
        if missing:
            raise InputError(f"{dataset.folder} has no image of {', '.join(sorted(missing))}; prepare it again.")
        return cls(dataset.labels, questions, answers, dataset.names)

    def called(self, label: str, language: str) -> str:
        """What the label is called in that language, where it is shown."""
        return self.names.get(label, {}).get(language) or self.answers[language][label]

    def of(self, language: str) -> tuple[str, tuple[str, ...]]:
        """The question in that language, and each label's answer. Raises UsageError for a language it lacks."""
        if language not in self.questions:
            known = " and ".join(sorted(self.questions))
            raise UsageError(f"These diagnoses are asked about in {known}, not in {language!r}.")
        return self.questions[language], tuple(self.answers[language][label] for label in self.labels)
