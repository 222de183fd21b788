"""`rag-app eval quiz`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.evaluation_run import RunOptions, ask_each, begin, conclude, manifest_of, question_sets, run_options
from rag_app.cli.frame import Call, Shown, command, pass_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eval.questions import Question
    from eval.quiz.examinees import Examinee
    from eval.runs import Manifest
    from rag_app.library import Library


@command(
    "quiz",
    example="rag-app eval quiz data/questions/vlm_quiz.jsonl --answer ollama:gemma3:4b\n"
    "rag-app eval quiz mine.jsonl --answer ollama:qwen2.5:7b --seed 2 --fail-under with_library=0.8",
)
@question_sets
@click.option(
    "-k", "k", metavar="N", type=click.IntRange(1, 100), default=8, show_default=True, help="Passages to answer from."
)
@click.option("--answer", "model", metavar="NAME", help="Who takes it. [default: models.answer in settings]")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="Of the order of the choices. [default: fixed]")
@run_options
@pass_call
def quiz(
    call: Call, *, questions: tuple[Path, ...], k: int, model: str | None, seed: int | None, options: RunOptions
) -> Shown:
    """Ask multiple-choice questions closed book and with the library: what retrieval is worth, as a number.

    A model is asked twice, the choices in the same order: with the question alone, then with the passages that are
    found for it. By language, with intervals, and with McNemar's exact test between both. Refusals and unparsable
    replies are counted.

    The builtin answerer takes the choice that the passages support best; it knows nothing by itself, so closed book it
    is not asked.
    """
    from eval.questions import read_questions
    from eval.quiz.asking import SEED, quiz_questions, quiz_row
    from eval.quiz.examinees import examinee
    from eval.quiz.report import table, to_dict
    from rag_app.library import Library

    asked = quiz_questions(read_questions(questions))
    chosen_seed = SEED if seed is None else seed
    with Library.open(call.library, create=False, read_only=True) as library:
        taker = examinee(library, model or library.settings.models.answer, k=k)
        taker.check()
        retriever = library.as_retriever(k=k)
        manifest = _manifest(library, taker, questions, asked, k=k, seed=chosen_seed)
        with begin(call, options, manifest) as run:
            ask_each(
                run,
                asked,
                lambda question: quiz_row(taker, retriever, question, seed=chosen_seed),
                doing="Asking",
                unit="questions",
            )
            rows = run.rows()
            return conclude(call, options, run, document=to_dict(rows, seed=chosen_seed), text=table(rows))


def _manifest(
    library: Library, taker: Examinee, files: Sequence[Path], asked: Sequence[Question], *, k: int, seed: int
) -> Manifest:
    from adapters.limits import limits_of
    from adapters.names import parse_model_name
    from eval.quiz.examinees import PROMPT_VERSION
    from eval.runs.manifest import digest_of_texts

    settings: dict[str, int] = {"k": k}
    digests: dict[str, str] = {}
    if taker.knows:
        settings["context_tokens"] = limits_of(parse_model_name(taker.name), library.settings).context_tokens
        digests = {"prompts": digest_of_texts([PROMPT_VERSION]), "answer_model": taker.digest}
    return manifest_of(
        "quiz",
        library,
        files,
        total=len(asked),
        settings=settings,
        models={"answer": taker.name},
        digests=digests,
        seeds={"choices": seed},
    )
