"""`status`, `repair`, `check`, `backup`, `vacuum`, `export` and `import` as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from rag_app.render.described import description_lines
from rag_app.render.terminal import printable, shorten

if TYPE_CHECKING:
    from rag_app.exchange.exporting import ExportReport
    from rag_app.exchange.importing import ImportReport
    from rag_app.reports import LibraryStatus, RepairReport
    from rag_app.soundness import CheckReport
    from rag_app.store import DocumentInfo
    from rag_app.store.backup import Backup
    from rag_app.store.vacuum import Vacuumed

_LOST_SHOWN = 10


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


def check_text(report: CheckReport) -> str:
    """What was looked at, and what is wrong with it."""
    lines = [f"{finding.part:10} {finding.message}. {finding.mend}" for finding in report.findings]
    looked = (
        f"Read {many(report.nodes, 'node')}, {many(report.vectors, 'vector')}, {many(report.crops, 'crop')} and "
        f"{many(report.originals, 'original')} in {report.seconds:.0f} s."
    )
    return "\n".join(
        [*lines, looked, "The library is sound." if report.sound else "The library is damaged; see above."]
    )


def backup_text(done: Backup) -> str:
    """What a backup holds, and what the library lacked."""
    lines = lost_lines(done.lost)
    held = f"{many(done.documents, 'paper')}, {many(done.nodes, 'node')}, {many(done.crops, 'crop')}"
    return "\n".join(
        [*lines, f"Copied {held}, {many(done.originals, 'original')}: {megabytes(done.bytes)} in {done.path}."]
    )


def export_text(done: ExportReport) -> str:
    """What an export holds, and what the library lacked."""
    where = f"{megabytes(done.bytes)} as {done.format} in {done.path}"
    return "\n".join([*lost_lines(done.lost), f"Exported {_rows(done.rows)}, {_files(done)}: {where}."])


def import_text(done: ImportReport) -> str:
    """What came in, and what the exported library lacked."""
    return "\n".join([*lost_lines(done.lost), f"Imported {_rows(done.rows)}, {_files(done)} into {done.path}."])


def _files(done: ExportReport | ImportReport) -> str:
    return f"{many(done.crops, 'crop')} and {many(done.originals, 'original')}"


def _rows(rows: Mapping[str, int]) -> str:
    nouns = {"documents": "paper", "nodes": "node", "vectors": "vector", "ledger": "ledger row", "answers": "answer"}
    return ", ".join(many(rows[table], noun) for table, noun in nouns.items() if rows[table])


def lost_lines(lost: Sequence[str]) -> list[str]:
    """A line for each file that could not be copied because the library lacks it, or has it damaged."""
    lines = [f"left out  {name}: missing in the library, or damaged. Ingest its paper again." for name in lost]
    return lines if len(lines) <= _LOST_SHOWN else [*lines[:_LOST_SHOWN], f"and {len(lines) - _LOST_SHOWN} more"]


def vacuum_text(done: Vacuumed) -> str:
    """How much room was won, and where."""
    won = done.before - done.after
    removed = f"; {many(done.removed, 'file')} removed" if done.removed else ""
    lines = [
        f"{megabytes(done.before)} before, {megabytes(done.after)} now: {megabytes(max(won, 0))} given back "
        f"(library.sqlite {megabytes(done.sqlite_before)} to {megabytes(done.sqlite_after)}"
        f"{removed}) in {done.seconds:.0f} s."
    ]
    if done.held:
        lines.append("Another process still reads the state before; SQLite gives the rest back when it has ended.")
    return "\n".join(lines)


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
