"""`rag-app ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import UsageError
from rag_app.render.listing import counts, many

if TYPE_CHECKING:
    from rag_app.library import Library
    from rag_app.reports import DocumentReport, IngestReport

_UNMATCHED_NAMED = 3


@command(
    "ingest",
    example="rag-app ingest papers/\n"
    "rag-app ingest thesis.pdf scan.tiff --password-file secret.txt\n"
    "rag-app ingest papers/ --describe qwen2.5vl:7b\n"
    "rag-app ingest photos/ --captions captions.jsonl\n"
    "rag-app ingest --reembed",
)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes that parse. [default: one a core]")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file whose first line opens encrypted PDFs.",
)
@click.option(
    "--describe", "vision", metavar="NAME", help="Then let this vision model read their figures, tables and formulas."
)
@click.option("--background", is_flag=True, help="Describe in the background; status shows how far it is.")
@click.option(
    "--captions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.jsonl",
    help="Store these captions with the pictures they are of: what rag-app caption wrote, or lines of "
    '{"image": "a.jpg", "captions": ["..."]}. No paths needed.',
)
@click.option(
    "--reembed",
    is_flag=True,
    help="Embed all texts with models.text_embedding and all pictures with models.image_embedding, then answer from "
    "that. No paths needed.",
)
@pass_call
def ingest(
    call: Call,
    *,
    paths: tuple[Path, ...],
    workers: int | None,
    password_file: Path | None,
    vision: str | None,
    background: bool,
    captions: Path | None,
    reembed: bool,
) -> Shown:
    """Read PDFs, pictures and folders of them into the library.

    A file that has not changed is skipped; a changed one replaces its older version. A broken page or file is
    reported and the rest is kept. Papers can be asked as soon as they are read; describing comes after. Exit code 1
    when a file could not be read at all, something could not be described, or no caption fits a picture.

    Each figure and picture gets a vector to be found by (rag-app search --image). After models.text_embedding or
    models.image_embedding changed, --reembed embeds what the new model has not seen.
    """
    if not paths and not reembed and captions is None:
        raise UsageError("Name files or folders to read, such as: rag-app ingest papers/")
    if background and not vision:
        raise UsageError("--background is for describing; add --describe NAME, such as --describe qwen2.5vl:7b.")
    from rag_app.library import Library

    call.interrupted = "Interrupted. What was finished is kept in the library; run the same command again to go on."
    password = _first_line(password_file) if password_file else None
    shown: list[Shown] = []
    with Library.open(call.library, create=bool(paths)) as library:
        if vision:
            library.vision_model(vision).check(pictures=True)
        report = _read(library, paths, workers, password) if paths else None
        if report is not None:
            failed = any(document.error for document in report.documents)
            shown.append(Shown(report.to_dict(), _summary(report, call.library), exit_code=1 if failed else 0))
        if captions is not None:
            shown.append(_captioned(library, captions))
        if reembed:
            shown.append(_reembedded(library))
        ids = [document.id for document in report.documents if document.id] if report else []
        if vision and ids:
            shown.append(_described(call, library, vision, ids, background=background))
    document = {key: value for one in shown for key, value in one.document.items()}
    return Shown(document, "\n\n".join(one.text for one in shown), exit_code=max(one.exit_code for one in shown))


def _read(library: Library, paths: tuple[Path, ...], workers: int | None, password: str | None) -> IngestReport:
    from rag_app.cli.progress import ProgressBar

    with ProgressBar("Reading", "pages") as progress:
        return library.ingest(paths, workers=workers, password=password, on_progress=progress)


def _captioned(library: Library, captions: Path) -> Shown:
    report = library.add_captions(captions)
    counted = [f"{many(report.added, 'caption')} stored"]
    counted += [f"{report.replaced} of them in the place of older ones"] if report.replaced else []
    counted += [f"{report.unchanged} there already"] if report.unchanged else []
    lines = [f"{', '.join(counted)}."]
    if report.unmatched:
        named = ", ".join(report.unmatched[:_UNMATCHED_NAMED])
        more = ", …" if len(report.unmatched) > _UNMATCHED_NAMED else ""
        pictures = many(len(report.unmatched), "picture")
        lines.append(f"{pictures} of {captions} not in the library: {named}{more}. Ingest them, then run this again.")
    nothing = report.unmatched and not report.added and not report.unchanged
    return Shown({"captions": report.to_dict()}, "\n".join(lines), exit_code=1 if nothing else 0)


def _reembedded(library: Library) -> Shown:
    """Pictures first: what their model lacks is said before the texts are embedded."""
    from rag_app.cli.progress import ProgressBar

    with ProgressBar("Embedding pictures", "pictures") as progress:
        pictures = library.index_images(on_progress=progress)
    with ProgressBar("Embedding", "passages") as progress:
        texts = library.reembed(on_progress=progress)
    left_out = f"; {many(texts.without, 'passage')} in languages that it does not know" if texts.without else ""
    lines = [
        f"{many(texts.embedded, 'passage')} embedded{left_out}. The library answers from {texts.space}.",
        f"{many(pictures.embedded, 'picture')} embedded. Pictures are found by {pictures.space}.",
        *(f"  {name}: {problem}" for name, problem in pictures.problems.items()),
    ]
    return Shown({"reembedded": texts.to_dict(), "images": pictures.to_dict()}, "\n".join(lines))


def _described(call: Call, library: Library, vision: str, ids: list[str], *, background: bool) -> Shown:
    from rag_app.cli.describe import INTERRUPTED, DescribeProgress, in_background, shown

    if background:
        started = in_background(call, model=vision, papers=ids)
        return Shown({"describing": started.document}, started.text)
    call.interrupted = INTERRUPTED
    with DescribeProgress() as progress:
        done = shown(library.describe(vision, papers=ids, on_progress=progress))
    return Shown({"described": done.document}, done.text, exit_code=done.exit_code)


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
    note = [report.note] if report.note else []
    return "\n".join([*lines, "", f"{', '.join(counts)}. Library: {library}", *note])


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
