"""`rag-app eval`: how well a library is searched and answers, papers are read, and readings of models are checked."""

from __future__ import annotations

from pathlib import Path

import click

from rag_app.cli.frame import Call, Group, Shown, command, pass_call


@click.group(
    "eval",
    cls=Group,
    members={
        "answers": "rag_app.cli.evaluation_answers:answers",
        "retrieval": "rag_app.cli.evaluation_retrieval:retrieval",
        "extraction": "rag_app.cli.evaluation_extraction:extraction",
        "captions": "rag_app.cli.evaluation_captions:captions",
        "verification": "rag_app.cli.evaluation:verification",
        "quiz": "rag_app.cli.evaluation_quiz:quiz",
        "generate": "rag_app.cli.evaluation_generate:generate",
        "review": "rag_app.cli.evaluation_generate:review",
        "images": "rag_app.cli.evaluation_images:images",
        "sweep": "rag_app.cli.evaluation_sweep:sweep",
        "compare": "rag_app.cli.evaluation_runs:compare",
        "report": "rag_app.cli.evaluation_runs:report",
        "runs": "rag_app.cli.evaluation_runs:runs",
    },
)
def evaluation() -> None:
    """Measure answers, retrieval, extraction and more against what is known, keep it as runs, and compare runs.

    A question set is JSONL, one question a line; docs/question_sets.md describes its fields. Means come with 95 %
    bootstrap intervals; what was scored, what could not be and what failed add up to the total.
    """


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@command("verification", example="rag-app eval verification data/papers/*.pdf")
@click.argument("papers", nargs=-1, required=True, type=_FILE, metavar="PDF...")
@click.option(
    "--transcriptions",
    type=_FILE,
    metavar="JSON",
    help="Right readings written by hand, as in benchmarks/transcriptions.",
)
@click.option("--each", type=click.IntRange(1, 20), default=3, show_default=True, help="Plantings of each kind.")
@pass_call
def verification(call: Call, *, papers: tuple[Path, ...], transcriptions: Path | None, each: int) -> Shown:
    """Plant errors in right readings and see which are caught.

    Formulas and tables come from paper.truth.json beside paper.pdf, where it is there; others from --transcriptions.
    Right readings, spelled in several ways, must pass. No model and no library is needed. Exit code 1 below the bar:
    90 % of the errors caught, 5 % false alarms.
    """
    import tempfile

    from eval.transcriptions import Case, transcribed_cases, truth_cases
    from eval.verification import run
    from ingestion.reading import read_paper
    from rag_app.errors import InputError

    cases: list[Case] = []
    with tempfile.TemporaryDirectory() as crops:
        read = [(path, read_paper(path, crops=Path(crops))) for path in papers]
    for path, paper in read:
        truth = path.with_suffix(".truth.json")
        cases += truth_cases(paper, truth) if truth.exists() else []
    lost: list[str] = []
    if transcriptions:
        more, lost = transcribed_cases([paper for _, paper in read], transcriptions)
        cases += more
    if not cases:
        raise InputError("There is no right reading to start from: give --transcriptions, or papers with a truth file.")
    report = run(cases, each=each)
    shown = "\n".join([report.table(), *(f"Left out: {line}" for line in lost)])
    return Shown({**report.to_dict(), "left_out": lost}, shown, exit_code=0 if report.holds else 1)
