"""`rag-app status`, `remove`, `repair`, `check`, `backup` and `vacuum`: what is in a library, and keeping it whole."""

from __future__ import annotations

from pathlib import Path

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


@command("check", example="rag-app check\nrag-app check --library /backups/monday")
@pass_call
def check(call: Call) -> Shown:
    """Read the whole library and say what is not sound.

    SQLite, checksums, vectors, full text, crops, originals and indexes are compared with each other. Nothing is
    changed, and papers may come in meanwhile. Exit code 1 when something is damaged or missing.
    """
    from rag_app.cli.progress import StageBars
    from rag_app.library import Library
    from rag_app.render.listing import check_text

    with Library.open(call.library, create=False, read_only=True) as library, StageBars("Checking") as progress:
        report = library.check(on_progress=progress)
    return Shown(report.to_dict(), check_text(report), exit_code=0 if report.sound else 1)


@command(
    "backup", example="rag-app backup /backups/monday\nrag-app ask 'Which data was used?' --library /backups/monday"
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@pass_call
def backup(call: Call, folder: Path) -> Shown:
    """Copy the library into the new folder DIR, also while it is in use.

    The copy is the library at one moment, with its crops, originals and settings; every file is compared with its
    digest. To go back, open it: --library DIR. Exit code 1 when the library itself lacked files.
    """
    from rag_app.cli.progress import StageBars
    from rag_app.library import Library
    from rag_app.render.listing import backup_text

    call.interrupted = "Interrupted; the backup is not whole. Run the same command again: what was copied is used."
    with Library.open(call.library, create=False, read_only=True) as library, StageBars("Copying") as progress:
        done = library.backup(folder, on_progress=progress)
    return Shown(done.to_dict(), backup_text(done), exit_code=1 if done.lost else 0)


@command("vacuum", example="rag-app vacuum")
@pass_call
def vacuum(call: Call) -> Shown:
    """Give back the room that removed papers have left.

    SQLite's file is written anew without gaps, indexes are brought up to date, files that nothing needs are removed.
    Questions can be asked meanwhile; it takes room for two more copies of library.sqlite while it runs.
    """
    from rag_app.cli.progress import StageBars
    from rag_app.library import Library
    from rag_app.render.listing import vacuum_text

    call.interrupted = "Interrupted; the library holds what it held. Run again: rag-app vacuum"
    with Library.open(call.library, create=False) as library, StageBars("Writing") as progress:
        progress("library.sqlite anew", 0, 0)
        done = library.vacuum()
    return Shown(done.to_dict(), vacuum_text(done))
