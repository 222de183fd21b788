"""`rag-app export` and `rag-app import`: a library as open formats, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from rag_app.cli.frame import Call, Shown, command, pass_call


@command("export", example="rag-app export papers_export\nrag-app export papers_export --format jsonl")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "jsonl"]),
    default="parquet",
    show_default=True,
    help="Of the tables. Parquet is smaller and needs pip install 'rag-app[scale]'; jsonl can be read by anything.",
)
@pass_call
def export(call: Call, folder: Path, form: Literal["parquet", "jsonl"]) -> Shown:
    """Write the library into the new folder DIR, in open formats.

    Documents, elements, nodes with stored captions, vectors, the ledger of descriptions and saved answers as tables;
    crops and originals as files. What is in them stands in docs/exchange.md. The paths that papers were read from are
    in it, settings are not. The library can be in use meanwhile. Exit code 1 when it lacked crops or originals.
    """
    from rag_app.cli.progress import StageBars
    from rag_app.library import Library
    from rag_app.render.listing import export_text

    call.interrupted = "Interrupted; the export is not whole. Run the same command again: what was copied is used."
    with Library.open(call.library, create=False, read_only=True) as library, StageBars("Writing") as progress:
        done = library.export(folder, format=form, on_progress=progress)
    return Shown(done.to_dict(), export_text(done), exit_code=1 if done.lost else 0)


@command("import", example="rag-app import papers_export --library papers_library")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@pass_call
def import_(call: Call, folder: Path) -> Shown:
    """Make a new library of what `rag-app export` wrote into DIR.

    Everything is checked: what is not whole, or not as an export is, is refused, and then nothing is imported. The full
    text and the indexes are made anew.
    """
    from rag_app.cli.progress import StageBars
    from rag_app.library import Library
    from rag_app.render.listing import import_text

    call.interrupted = "Interrupted; nothing was imported. Run the same command again."
    with StageBars("Reading") as progress:
        done = Library.import_(folder, call.library, on_progress=progress)
    return Shown(done.to_dict(), import_text(done), exit_code=1 if done.lost else 0)
