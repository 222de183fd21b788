"""`status` and `repair` as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from rag_app.render.described import description_lines
from rag_app.render.terminal import printable, shorten

if TYPE_CHECKING:
    from rag_app.reports import LibraryStatus, RepairReport
    from rag_app.store import DocumentInfo


def status_text(status: LibraryStatus) -> str:
    """What a library holds, a paper a line, then the totals, the vector spaces and what models have read."""
    if not status.documents:
        return f"The library {status.path} is empty. Put papers into it: rag-app ingest PATH..."
    lines = [_document_line(document) for document in status.documents]
    papers = f"{many(len(status.documents), 'paper')}, {many(status.pages, 'page')}"
    lines += ["", f"{papers}: {counts(status.nodes)}"]
    for space in status.spaces:
        use = "in use" if space.active else "not in use"
        lines.append(f"Vectors {space.name}: {space.vectors} of dimension {space.dim}, {use}")
    lines += [click.style(status.note, fg="yellow")] if status.note else []
    lines += description_lines(status.descriptions)
    lines.append(f"{many(status.answers, 'saved answer')}; {megabytes(status.size_bytes)} in {status.path}")
    if status.read_only:
        lines.append("This library can be read but not written from here.")
    return "\n".join(lines)


def repair_text(report: RepairReport) -> str:
    """What was wrong and what was done about it."""
    if not report.found:
        return "\n".join(["Nothing was wrong.", *report.done])
    lines = [f"found  {line}" for line in report.found] + [f"done   {line}" for line in report.done]
    last = "The library is sound again." if report.sound else "Not all could be repaired; see above."
    return "\n".join([*lines, last])


def counts(nodes: Mapping[str, int]) -> str:
    """ "48 passages, 1 figure": how many nodes of each kind there are."""
    return ", ".join(many(count, "passage" if kind == "text" else kind) for kind, count in nodes.items() if count) or (
        "nothing to search in"
    )


def many(count: int, noun: str) -> str:
    """ "1 paper", "2 papers"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def megabytes(size: int) -> str:
    """A size in bytes, for people."""
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def _document_line(document: DocumentInfo) -> str:
    name = click.style(printable(document.name), bold=True)
    line = f"{document.document_id[:12]}  {name}  {many(document.pages, 'page')}; {counts(document.nodes)}"
    if document.problems:
        line += click.style(f"; {many(len(document.problems), 'problem')}", fg="yellow")
    if document.title and document.title != document.name:
        line += f"\n{'':14}{printable(shorten(document.title, 90))}"
    return line
