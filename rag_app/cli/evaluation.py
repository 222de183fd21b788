"""`rag-app eval`: how well a library is searched and answers, and how well papers were read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rag_app.cli.frame import Call, Group, Shown, command, pass_call
from rag_app.errors import LibraryDamaged

F = TypeVar("F", bound=Callable[..., Any])


@click.group(
    "eval",
    cls=Group,
    members={
        "retrieval": "rag_app.cli.evaluation:retrieval",
        "answers": "rag_app.cli.evaluation:answers",
    },
)
def evaluation() -> None:
    """Measure retrieval and answers against known ones.

    A question set is JSONL, one question a line; data/README.md describes its fields. Shares come with 95 % bootstrap
    intervals; what was scored and what failed add up to the total.
    """


question_sets = click.argument(
    "questions",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="JSONL...",
)


@command("retrieval", example="rag-app eval retrieval data/questions/sample.jsonl")
@question_sets
@click.option(
    "-k", "k", metavar="N", type=click.IntRange(1, 100), default=10, show_default=True, help="Passages looked at."
)
@pass_call
def retrieval(call: Call, *, questions: tuple[Path, ...], k: int) -> Shown:
    """Search for each question and see where its page comes.

    Recall, MRR and nDCG of the gold page among the first passages, by language and by kind.
    """
    from eval.questions import read_questions
    from eval.retrieval import run
    from rag_app.cli.progress import ProgressBar
    from rag_app.library import Library

    asked = read_questions(questions)
    with Library.open(call.library, create=False) as library, ProgressBar("Searching", "questions") as progress:
        report = run(library, asked, k=k, on_progress=progress)
    return Shown(report.to_dict(), report.table())


@command("answers", example="rag-app eval answers data/questions/sample.jsonl --json > answers.json")
@question_sets
@click.option(
    "-k", "k", metavar="N", type=click.IntRange(1, 100), default=8, show_default=True, help="Passages to answer from."
)
@click.option("--answer", "model", metavar="NAME", help="The model that answers. [default: models.answer in settings]")
@pass_call
def answers(call: Call, *, questions: tuple[Path, ...], k: int, model: str | None) -> Shown:
    """Ask each question and judge the answer.

    Right or wrong, refused or not, and each citation checked in the original file. Exit code 1 when a citation is
    invented.
    """
    from eval.answers import run
    from eval.questions import read_questions
    from rag_app.cli.progress import ProgressBar
    from rag_app.library import Library

    def file_of(document_id: str) -> Path:
        stored = next((call.library / "files").glob(f"{document_id}.*"), None)
        if stored is None:
            raise LibraryDamaged(f"The stored copy of {document_id[:16]} is gone from {call.library}. Ingest it again.")
        return stored

    asked = read_questions(questions)
    with Library.open(call.library, create=False) as library, ProgressBar("Asking", "questions") as progress:
        report = run(library, asked, file_of=file_of, k=k, answer=model, on_progress=progress)
    return Shown(report.to_dict(), report.table(), exit_code=1 if report.citations()["invented"] else 0)
