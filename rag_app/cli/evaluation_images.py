"""`rag-app eval images`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import InputError, UsageError

if TYPE_CHECKING:
    from eval.images.records import ImagesReport

_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@command(
    "images",
    example="rag-app eval images captions.jsonl --stored 1 --html report.html --heat-map heat.png\n"
    "rag-app eval images photos.jsonl --image-embedding openclip:ViT-B-32-SigLIP2-256/webli --language fa",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="JSONL")
@click.option(
    "--stored",
    metavar="N",
    type=click.IntRange(min=0),
    help="Captions stored of each image. [default: all but the one asked with]",
)
@click.option(
    "--asked", metavar="N", type=click.IntRange(min=1), help="Captions asked with of each image. [default: all]"
)
@click.option("--image-embedding", metavar="NAME", help="[default: models.image_embedding in settings]")
@click.option("--text-embedding", metavar="NAME", help="[default: models.text_embedding in settings]")
@click.option("--language", "languages", metavar="CODE", multiple=True, help="Only captions in it, as en. Repeatable.")
@click.option(
    "--html", type=_NEW_FILE, metavar="FILE", help="Also write one self-contained page with the worst misses."
)
@click.option("--heat-map", type=_NEW_FILE, metavar="FILE", help="Images by captions, as .png or .svg.")
@click.option("--out", type=_NEW_FILE, metavar="FILE", help="Also write one JSON line for each caption asked with.")
@pass_call
def images(
    call: Call,
    *,
    file: Path,
    stored: int | None,
    asked: int | None,
    image_embedding: str | None,
    text_embedding: str | None,
    languages: tuple[str, ...],
    html: Path | None,
    heat_map: Path | None,
    out: Path | None,
) -> Shown:
    """Search images by held-out captions, captions by images, and images by their class.

    A line of the file is {"image": "a.jpg", "captions": ["A bear."], "label": "bear"}; captions may be {"en": [...],
    "fa": [...]}, labels may be missing; rows of rag-app caption and usual names of other data sets are read too.

    The pictures are read into a temporary library, once, with the settings of --library; that library is not touched.
    Each caption is asked with while others of its image are stored. Recall, median rank and MRR with 95 % intervals,
    for the search as a whole and for each of its parts.
    """
    if heat_map is not None and heat_map.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"{heat_map} is neither .png nor .svg: name the heat map so that its kind is known.")
    import dataclasses

    from eval.images.data import read_image_set
    from eval.images.gallery import LibraryGallery, versions
    from eval.images.records import table, to_dict
    from eval.images.rounds import HoldOut
    from eval.images.searching import run
    from rag_app.cli.progress import ProgressBar
    from rag_app.settings import Settings

    data = read_image_set(file)
    if unknown := [one for one in languages if one not in data.languages()]:
        known = ", ".join(data.languages()) or "none"
        raise InputError(f"{file} has no captions in {', '.join(unknown)}; it has {known}.")
    settings = Settings.load(call.library)
    named = {"image_embedding": image_embedding, "text_embedding": text_embedding}
    models = dataclasses.replace(settings.models, **{role: one for role, one in named.items() if one is not None})
    with LibraryGallery(data, dataclasses.replace(settings, models=models)) as gallery:
        with ProgressBar("Reading", "pictures") as progress:
            gallery.read_pictures(on_progress=progress)
        with ProgressBar("Asking", "searches") as progress:
            report = run(data, gallery, hold_out=HoldOut(stored, asked), languages=languages, on_progress=progress)
    report = dataclasses.replace(report, versions=versions(models), notes=tuple(gallery.notes))
    written = _write(report, html=html, heat_map=heat_map, out=out)
    failed = any(one.failed for one in report.languages) or bool(gallery.failed)
    told = [table(report), *(f"Written: {path}" for path in written)]
    document = {**to_dict(report), "written": [str(path) for path in written]}
    return Shown(document, "\n".join(told), exit_code=1 if failed else 0)


def _write(report: ImagesReport, *, html: Path | None, heat_map: Path | None, out: Path | None) -> list[Path]:
    """The files that were asked for and could be made."""
    from eval.images.records import lines
    from rag_app.render import heat_map as drawing
    from rag_app.render import image_report
    from rag_app.render.self_contained import write_whole

    written: list[Path] = []
    if html is not None:
        image_report.write_image_report(report, html)
        written.append(html)
    heat = image_report.heat_map(report, report.languages[0]) if heat_map is not None and report.languages else None
    if heat_map is not None and heat is not None:
        write_whole(heat_map, iter([drawing.as_file(heat, heat_map.suffix.lower())]), option="--heat-map")
        written.append(heat_map)
    if out is not None:
        write_whole(out, (json.dumps(one, ensure_ascii=False) + "\n" for one in lines(report)), option="--out")
        written.append(out)
    return written
