"""`rag-app eval answers`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rag_app.cli.evaluation_judge import JudgeOptions, judge_options, judge_rows, made_judge, told_of
from rag_app.cli.evaluation_run import RunOptions, ask_each, begin, conclude, manifest_of, question_sets, run_options
from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import LibraryDamaged, RagAppError

if TYPE_CHECKING:
    from eval.judging import Judge
    from eval.questions import Question
    from eval.runs import Manifest, Row
    from rag_app.answering.engine import PaperQueryEngine
    from rag_app.library import Library


@command(
    "answers",
    example="rag-app eval answers data/questions/sample.jsonl --html report.html\n"
    "rag-app eval answers mine.jsonl --answer ollama:gemma3:4b --judge ollama:qwen2.5:7b --run runs/gemma\n"
    "rag-app eval answers mine.jsonl --fail-under right=0.8 --no-worse-than runs/gemma",
)
@question_sets
@click.option(
    "-k", "k", metavar="N", type=click.IntRange(1, 100), default=8, show_default=True, help="Passages to answer from."
)
@click.option("--answer", "model", metavar="NAME", help="The model that answers. [default: models.answer in settings]")
@judge_options
@run_options
@pass_call
def answers(
    call: Call,
    *,
    questions: tuple[Path, ...],
    k: int,
    model: str | None,
    judging: JudgeOptions,
    options: RunOptions,
) -> Shown:
    """Ask each question and measure the answer.

    Right or wrong, refused or not, how near to the gold answer, and each citation checked in the original file; with
    --judge also the metrics of Ragas. docs/metrics.md says what each metric means. Everything is kept in a run folder,
    an answer a line as it comes; the library itself is not changed.

    What failed or could not be judged is counted beside the means, and asked again by --resume. Exit code 1 when a
    citation is invented, or a gate fails.
    """
    from eval.questions import read_questions
    from rag_app.library import Library

    asked = read_questions(questions)
    with Library.open(call.library, create=False, read_only=True) as library:
        judge = made_judge(library, judging)
        engine = library.as_query_engine(k=k, answer=model)
        engine.answerer.check()
        manifest = _manifest(library, engine, questions, total=len(asked), k=k, judge=judge)
        with begin(call, options, manifest) as run:
            ask_each(run, asked, answering(library, engine), doing="Asking", unit="questions")
            if judge is not None:
                judge_rows(run, judge, library)
            document = _document(run.rows())
            told = [run.summary().table(), _told(run.rows()), *([told_of(judge)] if judge is not None else [])]
            invented = document["citations"].get("invented", 0)
            return conclude(call, options, run, document=document, text="\n".join(told), exit_code=1 if invented else 0)


def _manifest(
    library: Library,
    engine: PaperQueryEngine,
    files: Sequence[Path],
    *,
    total: int,
    k: int,
    judge: Judge | None,
) -> Manifest:
    from adapters.limits import limits_of
    from adapters.names import parse_model_name
    from eval.runs.manifest import digest_of_files
    from rag_app.answering import prompt
    from rag_app.answering.writer import model_of

    model = model_of(engine.answerer)
    settings: dict[str, Any] = {"k": k}  # Any: JSON values
    digests: dict[str, str] = {}
    if model is not None:
        settings["context_tokens"] = limits_of(parse_model_name(model.name), library.settings).context_tokens
        digests["prompts"] = digest_of_files([Path(prompt.__file__)])
        digests["answer_model"] = getattr(model, "digest", "")  # LanguageModel asks for none; Ollama's models have one
    return manifest_of(
        "answers",
        library,
        files,
        total=total,
        settings=settings,
        models={"answer": engine.answerer.name},
        digests=digests,
        judge=judge.identity if judge is not None else None,
    )


def answering(library: Library, engine: PaperQueryEngine) -> Callable[[Question], Row]:
    """What asks a question of the engine and makes the row of its answer, citations checked in the original files."""
    from eval.answers import answer_row, similarity_by
    from eval.citations import check_citations

    similarity = similarity_by(library.text_embedding())

    def file_of(document_id: str) -> Path:
        stored = next((library.path / "files").glob(f"{document_id}.*"), None)
        if stored is None:
            raise LibraryDamaged(f"The stored copy of {document_id[:16]} is gone from {library.path}. Ingest it again.")
        return stored

    def work(question: Question) -> Row:
        try:
            answer = engine.answer(question.question)
            checked = check_citations(answer.answer, answer.citations, file_of)
        except RagAppError as exc:
            return answer_row(question, None, str(exc))
        return answer_row(question, answer, checked=checked, similarity=similarity)

    return work


def _document(rows: Sequence[Row]) -> dict[str, Any]:  # Any: JSON
    """What --json has shown since the first version, beside the run: totals, scores, citations, questions."""
    import dataclasses

    from eval.runs import summarise

    summary = summarise(rows)
    return {
        "total": len(rows),
        "failed": summary.all.failed,
        "scores": {
            metric: dataclasses.asdict(score.mean) for metric, score in summary.all.scores.items() if score.scored
        },
        "citations": _verdicts(rows),
        "questions": [
            {**{key: value for key, value in row.to_dict().items() if key != "record"}, "answer": _said(row)}
            for row in rows
        ],
    }


def _verdicts(rows: Sequence[Row]) -> dict[str, int]:
    from eval.citations import VERDICTS

    counts = Counter(checked["verdict"] for row in rows for checked in row.record["checked"])
    return {verdict: counts[verdict] for verdict in VERDICTS}


def _said(row: Row) -> str | None:
    answer = row.record["answer"]
    return answer["answer"] if answer else None


def _told(rows: Sequence[Row]) -> str:
    """What the table cannot say: verdicts on citations, and what failed or could not be scored, with its reason."""
    lines = [
        "Citations, checked in the original files: "
        + ", ".join(f"{count} {verdict}" for verdict, count in _verdicts(rows).items())
        + "."
    ]
    for row in rows:
        invented = [one for one in row.record["checked"] if one["verdict"] == "invented"]
        lines += [f"  {row.id} [{one['n']}]: {one['reason']}" for one in invented]
    lines += [f"Failed: {row.id}: {row.error}" for row in rows if row.error is not None]
    reasons = Counter((metric, reason) for row in rows for metric, reason in row.unscored.items())
    lines += [f"Not scored: {metric}, {count}: {reason}" for (metric, reason), count in reasons.most_common()]
    return "\n".join(lines)
