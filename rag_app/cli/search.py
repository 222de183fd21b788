"""`rag-app search`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.cli.options import evidence_kinds, filter_options
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from rag_app.render.hits import Hits

_PICTURED = ("figure", "table", "formula")  # kinds that have a crop
_ADDRESSES = ("http://", "https://", "ftp://", "data:", "file:")


@command(
    "search",
    example='rag-app search "contrastive loss"\n'
    'rag-app search "a bar chart with error bars" --kind figure\n'
    'rag-app search --images "a bar chart with error bars" --without "line chart" --html hits.html\n'
    'rag-app search --image photo.jpg "like this, but at night" --folder photos/ --contact-sheet hits.png',
)
@click.argument("text", required=False)
@click.option("--images", is_flag=True, help="Find pictures by TEXT: what they show and what is said about them.")
@click.option("--image", metavar="FILE", help="Find pictures like this one; with TEXT, like it and as TEXT says.")
@click.option("--without", metavar="WORDS", help="With --images or --image: not pictures of this.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --images or --image: only files that were read from below this folder (repeat).",
)
@filter_options
@click.option(
    "-k", "k", metavar="N", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many hits."
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write one self-contained page: pictures, captions, what matched.",
)
@click.option(
    "--contact-sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Also write one picture with all hits that have one.",
)
@pass_call
def search(
    call: Call,
    *,
    text: str | None,
    images: bool,
    image: str | None,
    without: str | None,
    folders: tuple[Path, ...],
    papers: tuple[str, ...],
    pages: tuple[int, ...],
    kinds: tuple[tuple[str, ...], ...],
    references: bool,
    k: int,
    html: Path | None,
    contact_sheet: Path | None,
) -> Shown:
    """Find passages, tables, formulas and figures by a text, or pictures by words or a picture.

    TEXT alone finds passages: by words, by meaning and, with a CLIP model in models.image_embedding, figures by how
    they look; --kind figure keeps the figures. --images finds pictures only, in papers and in folders of photos, and
    adds stored captions (rag-app ingest --captions). --image FILE finds what looks like a picture.

    Best first, each with its place and what found it. Pictures that are nearly the same stand under the best of them.
    """
    by_picture = images or image is not None
    asked_with = _picture_file(image) if image is not None else None
    if not (text and text.strip()) and asked_with is None:
        raise UsageError("Give a text to search for: rag-app search 'TEXT', or a picture: rag-app search --image FILE.")
    if not by_picture and (without or folders):
        given = "--without" if without else "--folder"
        raise UsageError(f"{given} is for pictures: add --images to find pictures by the text, or --image FILE.")
    chosen = evidence_kinds(kinds, references=references)
    if by_picture and set(chosen) - set(_PICTURED):
        raise UsageError(
            f"Only {', '.join(_PICTURED)} have pictures; leave out the other kinds with --images or --image."
        )
    from rag_app.library import Library
    from rag_app.render.hits import hits_text, image_hits, passage_hits
    from rag_app.render.terminal import Screen

    call.interrupted = "Interrupted; nothing was changed."
    with Library.open(call.library, create=False) as library:
        if by_picture:
            result = library.search_images(
                text,
                image=asked_with,
                without=without,
                k=k,
                papers=papers,
                pages=pages,
                kinds=chosen or ("figure",),
                folders=[str(folder) for folder in folders],
            )
            hits = image_hits(result, library, picture=asked_with)
        else:
            result = library.search(text or "", k=k, papers=papers, pages=pages, kinds=chosen)
            hits = passage_hits(result, library)
        screen = Screen.detect(library.settings.terminal.right_to_left, on_terminal=call.on_terminal)
    written = _written(hits, html, contact_sheet)
    files = {"html": str(html) if html else None, "contact_sheet": str(contact_sheet) if contact_sheet else None}
    return Shown(result.to_dict() | files, "\n".join([hits_text(hits, screen), *written]))


def _picture_file(given: str) -> Path:
    """The picture searched with, looked at once so that what is wrong with it is said before any work."""
    from ingestion.limits import Limits
    from rag_app.captioning.pictures import read_picture

    if given.lower().startswith(_ADDRESSES):
        raise UsageError(f"{given} is an address, and nothing is fetched: save the picture and name its file.")
    path = Path(given)
    if not path.exists():
        raise UsageError(f"There is no picture {given}: name a PNG, JPEG, WebP, GIF, BMP or TIFF file.")
    if path.is_dir():
        raise UsageError(f"{given} is a folder: name one picture in it, or find in it with --folder {given}.")
    read_picture(path, limits=Limits())
    return path


def _written(hits: Hits, html: Path | None, contact_sheet: Path | None) -> list[str]:
    """Write what was asked for; a line for each file, and a note for each thing that is not on it."""
    lines = []
    if html is not None:
        from rag_app.render.hits_page import write_hits_page

        lines.append(f"Page: {html} ({write_hits_page(hits, html) / 1e6:.1f} MB)")
    if contact_sheet is not None:
        from rag_app.render.contact_sheet import write_contact_sheet

        sheet = write_contact_sheet(hits, contact_sheet)
        if sheet.shown:
            lines.append(f"Contact sheet: {contact_sheet} ({sheet.size_bytes / 1e6:.1f} MB)")
        lines += sheet.notes
    return ["", *lines] if lines else []
