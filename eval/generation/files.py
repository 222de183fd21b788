"""A question set on disk that grows and is reviewed: set.jsonl, and set.dropped.jsonl with what was taken out of it.

Each change is on the disk when the call returns; both files are question sets like any other.
"""

from __future__ import annotations

import os
from pathlib import Path

from eval.questions import Question, as_lines, read_questions
from rag_app.errors import InputError, UsageError


class QuestionFile:
    """The questions of a file and those dropped from it; a file that is not there yet holds none.

    Raises UsageError when `path` is no file that could be written, InputError when a file is no question set.
    """

    def __init__(self, path: Path) -> None:
        if not path.name or os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises on a name that no file can have
            raise UsageError(f"{path} is a folder; name a file in it, such as {path / 'questions.jsonl'}.")
        self.path = path
        self.dropped_path = path.with_name(f"{path.stem}.dropped{path.suffix}")
        self.questions = _read(path)
        self.dropped = _read(self.dropped_path)

    def add(self, question: Question) -> None:
        """Put a question at the end."""
        self._write(self.path, [*self.questions, question])
        self.questions.append(question)

    def replace(self, old: Question, new: Question) -> None:
        """Put `new` in the place of `old`."""
        changed = [new if question == old else question for question in self.questions]
        self._write(self.path, changed)
        self.questions = changed

    def drop(self, question: Question) -> None:
        """Take a question out; it is kept among the dropped."""
        self._write(self.dropped_path, [*self.dropped, question])
        self.dropped.append(question)
        left = [other for other in self.questions if other != question]
        self._write(self.path, left)
        self.questions = left

    def _write(self, path: Path, questions: list[Question]) -> None:
        scratch = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("w", encoding="utf-8") as file:
                file.write(as_lines(questions))
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
        except OSError as exc:
            raise UsageError(f"{path} cannot be written ({exc.strerror}). Name a file in another folder.") from exc


def _read(path: Path) -> list[Question]:
    """The questions of a file; none of one that is missing or empty, as it is when all were dropped."""
    try:
        if not path.stat().st_size:
            return []
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise UsageError(f"{path} cannot be read ({exc.strerror}). Name another file.") from exc
    questions = list(read_questions(path))
    if any(len(question.evidence) != len(question.pages) for question in questions):
        raise InputError(
            f"{path} holds questions in the form of page-level sets, which would be lost here: name a file of its own."
        )
    return questions
