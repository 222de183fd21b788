"""The demo: read the sample papers, ask four questions, check the answers, keep what was shown.

    python data/demo.py [--out FOLDER]

Writes demo_output/: the library, an HTML page for each question, and the crops of the figures, tables and formulas that
were cited. Also an example of the Python API. Exit code 1 when an answer is not the known one.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

import click

from eval.answers import is_right
from eval.questions import Question, read_questions
from rag_app import Answer, Library
from rag_app.cli.progress import ProgressBar
from rag_app.render.page import write_page
from rag_app.render.terminal import Screen, answer_text

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="default: demo_output")
    out: Path = parser.parse_args().out
    questions = read_questions(HERE / "questions" / "demo.jsonl")
    started = time.perf_counter()
    right = 0
    with Library.open(out / "library") as library:
        with ProgressBar("Reading", "pages") as progress:
            report = library.ingest(HERE / "papers", on_progress=progress)
        for document in report.documents:
            click.echo(f"{document.document}: {document.pages} pages{', unchanged' if document.skipped else ''}")
        for earlier in [*out.glob("*.html"), *out.glob("*.png")]:
            earlier.unlink()
        screen = Screen.detect(library.settings.terminal.right_to_left)
        for number, question in enumerate(questions, start=1):
            answer = library.ask(question.question)
            good = is_known(answer, question)
            right += good
            click.echo(f"\n{'─' * screen.width}\nQuestion {number}. {question.question}\n")
            click.echo(answer_text(answer, screen, library=library.path))
            page = out / f"{number}-{question.kind}.html"
            write_page(answer, page, library=library)
            crops = {citation.image: citation for citation in reversed(answer.citations) if citation.image}
            for image, citation in crops.items():
                kept = out / f"{number}-{citation.kind}-{citation.n}.png"
                shutil.copyfile(library.path / "crops" / image, kept)
                click.echo(f"    saved: {kept}")
            verdict = "As known." if good else f"NOT the known answer: {'; '.join(question.answers)}"
            click.echo(f"\nPage: {page}\n{verdict}")
    click.echo(
        f"\n{'─' * screen.width}\n{right} of {len(questions)} answers are right ({time.perf_counter() - started:.0f} s)"
    )
    return 0 if right == len(questions) else 1


def is_known(answer: Answer, question: Question) -> bool:
    """Whether the answer is the known one and cites the known page."""
    cited = {(citation.document, page) for citation in answer.citations for page, _ in citation.places}
    return is_right(answer, question) and any((question.document, page) in cited for page in question.pages)


if __name__ == "__main__":
    sys.exit(main())
