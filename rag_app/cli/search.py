"""`rag-app search`."""

from __future__ import annotations

from pathlib import Path

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.cli.options import evidence_kinds, filter_options
from rag_app.errors import UsageError


@command("search", example='rag-app search "contrastive loss"\nrag-app search "zero-shot accuracy" --kind table -k 5')
@click.argument("text", required=False)
@click.option(
    "--image", type=click.Path(path_type=Path), metavar="FILE", help="Search by a picture (not in this version)."
)
@filter_options
@click.option(
    "-k", "k", metavar="N", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many passages."
)
@pass_call
def search(
    call: Call,
    *,
    text: str | None,
    image: Path | None,
    papers: tuple[str, ...],
    pages: tuple[int, ...],
    kinds: tuple[tuple[str, ...], ...],
    references: bool,
    k: int,
) -> Shown:
    """Find passages, tables, formulas and figures by a text.

    Best first, each with its place and what found it: its words, its meaning, or both.
    """
    if image is not None:
        raise UsageError(
            "Search by picture is not in this version; search by text: rag-app search 'TEXT' --kind figure"
        )
    if not text or not text.strip():
        raise UsageError("Give a text to search for: rag-app search 'TEXT'")
    from rag_app.library import Library
    from rag_app.render.terminal import Screen, hits_text

    with Library.open(call.library, create=False) as library:
        result = library.search(
            text, k=k, papers=papers, pages=pages, kinds=evidence_kinds(kinds, references=references)
        )
        screen = Screen.detect(library.settings.terminal.right_to_left, on_terminal=call.on_terminal)
    return Shown(result.to_dict(), hits_text(result, screen, library=call.library))
