"""`rag-app eval retrieval`."""

from __future__ import annotations

from pathlib import Path

import click

from rag_app.cli.evaluation_judge import JudgeOptions, judge_options, judge_rows, made_judge, told_of
from rag_app.cli.evaluation_run import RunOptions, ask_each, begin, conclude, manifest_of, question_sets, run_options
from rag_app.cli.frame import Call, Shown, command, pass_call


@command(
    "retrieval",
    example="rag-app eval retrieval data/questions/sample.jsonl --ablation\n"
    "rag-app eval retrieval mine.jsonl --fail-under recall@10=0.9",
)
@question_sets
@click.option(
    "-k", "k", metavar="N", type=click.IntRange(1, 100), default=10, show_default=True, help="Passages looked at."
)
@click.option("--ablation", is_flag=True, help="Also search without each half of the search, and with each alone.")
@judge_options
@run_options
@pass_call
def retrieval(
    call: Call,
    *,
    questions: tuple[Path, ...],
    k: int,
    ablation: bool,
    judging: JudgeOptions,
    options: RunOptions,
) -> Shown:
    """Search for each question and see where its page comes.

    Hits, recall, precision, MRR and nDCG of the gold pages among the first passages, and whether the gold element is
    one of them, by language and by kind. Questions without a gold page are counted and left out. No language model is
    asked but a judge, whose metrics of context need no answer.
    """
    from eval import retrieval as measuring
    from eval.questions import read_questions
    from eval.runs import Row
    from rag_app.cli.progress import ProgressBar
    from rag_app.library import Library

    read = read_questions(questions)
    asked = [question for question in read if question.answerable and question.pages]
    with Library.open(call.library, create=False, read_only=True) as library:
        judge = made_judge(library, judging)
        manifest = manifest_of(
            "retrieval",
            library,
            questions,
            total=len(asked),
            settings={"k": k},
            judge=judge.identity if judge is not None else None,
        )

        def work(question: measuring.Question) -> Row:
            return next(measuring.rows(lambda text: library.search(text, k=k), [question], k=k))

        with begin(call, options, manifest) as run:
            ask_each(run, asked, work, doing="Searching", unit="questions")
            if judge is not None:
                judge_rows(run, judge, library)
            report = measuring.RetrievalReport(k, run.rows(), skipped=len(read) - len(asked))
            document, told = report.to_dict(), [run.summary().table(), f"{report.skipped} without a gold page."]
            for one in document["questions"]:
                del one["record"]  # it is in the run's folder
            if judge is not None:
                told.append(told_of(judge))
            if ablation:
                with ProgressBar("Searching in parts", "searches") as progress:
                    parts = measuring.ablation(library, asked, k=k, on_progress=progress)
                run.keep("ablation", parts.to_dict())
                document["ablation"] = parts.to_dict()
                told.append(f"\n{parts.table()}")
            return conclude(call, options, run, document=document, text="\n".join(told))
