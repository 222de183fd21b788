"""`rag-app eval captions`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.evaluation_run import RunOptions, begin, command_line, conclude, run_options
from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import InputError, ModelUnsuitable, UsageError

if TYPE_CHECKING:
    from eval.runs import Group, Row
    from rag_app.models import ImageEmbedding

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@command(
    "captions",
    example="rag-app eval captions captions.jsonl\n"
    "rag-app eval captions captions.jsonl --references photos.jsonl --clip openclip:ViT-B-32/laion2b_s34b_b79k",
)
@click.argument("files", nargs=-1, type=_FILE, metavar="[JSONL]...")
@click.option(
    "--references",
    "references_file",
    type=_FILE,
    metavar="JSONL",
    help='What people wrote: {"image": "a.jpg", "captions": {"en": [...], "fa": [...]}} a line.',
)
@click.option("--clip", metavar="NAME", help="An image embedding with texts, for CLIPScore. [default: none]")
@run_options
@pass_call
def captions(
    call: Call, *, files: tuple[Path, ...], references_file: Path | None, clip: str | None, options: RunOptions
) -> Shown:
    """Score captions against references, and by what they say themselves.

    A JSONL is what rag-app caption writes, or any file of images and captions; its writers are then named after the
    file. With --references: chrF, BLEU, CIDEr, and what people score among themselves; --references alone shows that.
    A run's items are the captions; what people score is beside them.

    Without references: length, things, attributes and numbers named, purity of language, repetition, agreement of the
    writers.
    """
    from eval.captions.files import References, read_written
    from eval.captions.scores import PEOPLE, caption_rows, people_and_chance
    from eval.runs import Manifest
    from eval.runs.manifest import digest_of_files
    from rag_app.cli.progress import ProgressBar

    if not files and references_file is None:
        raise UsageError("Name a file of captions, as rag-app caption writes it, or --references.")
    written = read_written(files)
    references = References(references_file)
    embedding = _clip(call, clip) if clip else None
    beside = list(people_and_chance(references, clip=embedding))
    people = [row for row in beside if row.groups["writer"] == PEOPLE]
    total = len(written or people)
    if not total:
        raise InputError(f"{references_file or files[0]} holds no caption that could be scored.")
    digests = {"captions": digest_of_files(files)}
    if references_file:
        digests["references"] = digest_of_files([references_file])
    manifest = Manifest(
        "captions",
        total,
        models={"clip": embedding.model_name} if embedding else {},
        digests=digests,
        command=command_line(),
    )
    with begin(call, options, manifest) as run:
        done = run.done()
        with ProgressBar("Scoring", "captions") as progress:
            for row in caption_rows(written, references, clip=embedding, on_progress=progress) if written else people:
                if row.id not in done:
                    run.append(row)
        tables = _tables(run.rows(), beside)
        document = {
            "tables": [
                {"language": language, "kind": kind, "writers": {name: one.to_dict() for name, one in groups.items()}}
                for (language, kind), groups in tables.items()
            ]
        }
        return conclude(call, options, run, document=document, text=_text(tables))


def _clip(call: Call, name: str) -> ImageEmbedding:
    from adapters.names import load_model, parse_model_name
    from rag_app.settings import Settings

    embedding: ImageEmbedding = load_model("image_embedding", parse_model_name(name), Settings.load(call.library))
    if embedding.languages is not None and not embedding.languages:
        raise ModelUnsuitable(
            f"{name} reads no texts, so it gives no CLIPScore. Name a CLIP model: --clip openclip:NAME/WEIGHTS"
        )
    return embedding


def _tables(rows: Sequence[Row], beside: Sequence[Row]) -> dict[tuple[str, str], dict[str, Group]]:
    """By language and kind of caption: the writers, then the two lines to read them by."""
    from eval.side_by_side import grouped

    ids = {row.id for row in rows}
    found: dict[tuple[str, str], dict[str, Group]] = {}
    for language, kind in dict.fromkeys((row.groups["language"], row.groups["kind"]) for row in rows):
        shown = [row for row in rows if (row.groups["language"], row.groups["kind"]) == (language, kind)]
        shown += [row for row in beside if row.groups["language"] == language and row.id not in ids]
        found[language, kind] = grouped(shown, "writer", list(dict.fromkeys(row.groups["writer"] for row in shown)))
    return found


def _text(tables: dict[tuple[str, str], dict[str, Group]]) -> str:
    from eval.captions.scores import LABELS
    from eval.side_by_side import table

    return "\n\n".join(table(f"{language}, {kind}", groups, LABELS) for (language, kind), groups in tables.items())
