"""`rag-app ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import UsageError
from rag_app.render.listing import counts, many

if TYPE_CHECKING:
    from rag_app.reports import DocumentReport, IngestReport


@command(
    "ingest",
    example="rag-app ingest papers/\nrag-app ingest thesis.pdf scan.tiff --password-file secret.txt",
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes that parse. [default: one a core]")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file whose first line opens encrypted PDFs.",
)
@pass_call
def ingest(call: Call, *, paths: tuple[Path, ...], workers: int | None, password_file: Path | None) -> Shown:
    """Read PDFs, pictures and folders of them into the library.

    A file that has not changed is skipped; a changed one replaces its older version. A broken page or file is
    reported and the rest is kept. Exit code 1 when a file could not be read at all.
    """
    from rag_app.cli.progress import ProgressBar
    from rag_app.library import Library

    call.interrupted = "Interrupted. What was finished is kept in the library; run the same command again to go on."
    password = _first_line(password_file) if password_file else None
    with Library.open(call.library) as library, ProgressBar("Reading", "pages") as progress:
        report = library.ingest(paths, workers=workers, password=password, on_progress=progress)
    failed = any(document.error for document in report.documents)
    return Shown(report.to_dict(), _summary(report, call.library), exit_code=1 if failed else 0)


def _first_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0]:
        raise UsageError(f"{path} is empty; write the password on its first line.")
    return lines[0]


def _summary(report: IngestReport, library: Path) -> str:
    lines = [_document_line(document) for document in report.documents]
    read = [d for d in report.documents if not d.skipped and not d.error]
    pages = sum(d.pages for d in read)
    skipped = sum(d.skipped for d in report.documents)
    failed = sum(bool(d.error) for d in report.documents)
    counts = [f"{len(read)} read ({many(pages, 'page')})"]
    counts += [f"{skipped} unchanged"] if skipped else []
    counts += [f"{failed} failed"] if failed else []
    if not report.documents:
        return "No PDF or picture was found there."
    return "\n".join([*lines, "", f"{', '.join(counts)}. Library: {library}"])


def _document_line(document: DocumentReport) -> str:
    if document.error:
        return f"{click.style('failed', fg='red')}     {document.document}: {document.error}"
    if document.skipped:
        return f"{click.style('unchanged', dim=True)}  {document.document}"
    found = f"{many(document.pages, 'page')}; {counts(document.nodes)}"
    line = f"{click.style('read', fg='green')}       {document.document}: {found}"
    problems = [
        f"             page {p.page}: {p.message}" if p.page else f"             {p.message}" for p in document.problems
    ]
    shown = problems if len(problems) <= 5 else [*problems[:4], f"             and {len(problems) - 4} more problems"]
    return "\n".join([line, *shown])
