"""`rag-app status`, `remove` and `repair`: what is in a library, and keeping it whole."""

from __future__ import annotations

import click

from rag_app.cli.frame import Call, Shown, command, pass_call


@command("status", example="rag-app status --library papers_library")
@pass_call
def status(call: Call) -> Shown:
    """Show what the library holds.

    Papers with their nodes by kind and their problems, the vector spaces, what models have described and what they
    failed at, the size on disk.
    """
    from rag_app.library import Library
    from rag_app.render.listing import status_text

    with Library.open(call.library, create=False) as library:
        report = library.status()
    return Shown(report.to_dict(), status_text(report))


@command("remove", example="rag-app remove clip.pdf")
@click.argument("papers", nargs=-1, required=True, metavar="ID|FILE...")
@pass_call
def remove(call: Call, papers: tuple[str, ...]) -> Shown:
    """Take papers out of the library.

    Their nodes, vectors, crops and stored copies go; your own files are left alone.
    """
    from rag_app.library import Library

    removed = []
    with Library.open(call.library, create=False) as library:
        for paper in papers:
            nodes = library.remove(paper)
            removed.append({"document": paper, "nodes": nodes})
    lines = [f"Removed {entry['document']} ({entry['nodes']} nodes)" for entry in removed]
    return Shown({"removed": removed}, "\n".join(lines))


@command("repair", example="rag-app repair")
@pass_call
def repair(call: Call) -> Shown:
    """Check the library and rebuild what can be rebuilt.

    Vector and full-text indexes are made again from what SQLite holds; crops that nothing uses are removed.
    """
    from rag_app.library import Library
    from rag_app.render.listing import repair_text

    call.interrupted = "Interrupted; the library is as it was. Run again: rag-app repair"
    with Library.open(call.library, create=False) as library:
        report = library.repair()
    return Shown(report.to_dict(), repair_text(report), exit_code=0 if report.sound else 1)
