"""`rag-app models tune`: a CLIP model fine-tuned on one's own pictures and captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import UsageError
from rag_app.outside import json_value
from rag_app.render.listing import many

if TYPE_CHECKING:
    from adapters.training.contrastive import Epoch, Report
    from adapters.training.pairs import Pair
    from adapters.training.recall import Recall

_PROBLEMS_SHOWN = 5
_GROUP_KEYS = ("group", "paper", "document", "patient")


@command(
    "tune",
    example="rag-app models tune openclip:ViT-B-32/laion2b_s34b_b79k --from-library --out adapters/mine\n"
    "rag-app models tune openclip:ViT-B-32/laion2b_s34b_b79k --pairs pairs.jsonl --out adapters/mine --epochs 10",
)
@click.argument("name")
@click.option(
    "--pairs",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.jsonl",
    help='Lines of {"image": "a.png", "captions": ["..."], "group": "paper-1"}; without a group it stands alone.',
)
@click.option("--from-library", is_flag=True, help="Use the library's figures with their captions, split by paper.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder for the adapter.",
)
@click.option("--epochs", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="At most.")
@click.option("--batch", type=click.IntRange(2, 4096), default=32, show_default=True, metavar="N", help="Pairs a step.")
@click.option(
    "--learning-rate", type=click.FloatRange(0, 1, min_open=True), default=1e-3, show_default=True, metavar="X"
)
@click.option("--rank", type=click.IntRange(1, 256), default=8, show_default=True, metavar="N", help="Of LoRA.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option("--resume", is_flag=True, help="Go on after the last whole epoch of an interrupted run.")
@pass_call
def tune(
    call: Call,
    *,
    name: str,
    pairs: Path | None,
    from_library: bool,
    out: Path,
    epochs: int,
    batch: int,
    learning_rate: float,
    rank: int,
    seed: int,
    resume: bool,
) -> Shown:
    """Fine-tune a CLIP model on pictures with their captions, and measure it before and after.

    A LoRA adapter is trained by CLIP's own loss and stops early. Pairs are split by paper into those it learns from,
    those it stops by, and those the report is about, which it has not seen. The adapter is used by its path after a
    plus: models.image_embedding = "openclip:NAME+DIR".
    """
    if (pairs is None) == (not from_library):
        raise UsageError("Say what to learn from: --pairs FILE.jsonl or --from-library, one of them.")
    from adapters.names import load_model, parse_model_name

    model = parse_model_name(name)
    if model.scheme != "openclip":
        raise UsageError(
            f"Only CLIP models can be tuned so, not {name}: name one, openclip:ViT-B-32/laion2b_s34b_b79k."
        )
    load_model("image_embedding", model)  # says what is not installed
    from adapters.training.contrastive import Options, fine_tune

    chosen = _of_library(call) if pairs is None else _of_file(pairs)
    options = Options(epochs=epochs, batch=batch, learning_rate=learning_rate, rank=rank, seed=seed)
    call.interrupted = f"Interrupted. Whole epochs are kept in {out}; add --resume to go on from them."
    click.echo(f"{many(len(chosen), 'pair')} in {many(len({pair.group for pair in chosen}), 'group')}", err=True)
    report = fine_tune(name, chosen, out, options=options, resume=resume, on_epoch=_tell)
    return Shown(report.to_dict(), report_text(report))


def _tell(epoch: Epoch) -> None:
    learned = f"{epoch.training_loss:.4f}" if epoch.training_loss is not None else "-"
    click.echo(
        f"epoch {epoch.number}: training loss {learned}, validation loss {epoch.validation_loss:.4f}, "
        f"recall@1 {epoch.validation.mean_at_1:.3f}",
        err=True,
    )


def _of_library(call: Call) -> list[Pair]:
    from adapters.training.pairs import Pair
    from rag_app.library import Library

    with Library.open(call.library, create=False) as library:
        figures = library.captioned_figures()
    if not figures:
        raise UsageError(f"No figure in {call.library} has a caption; ingest papers, or captions with --captions.")
    return [Pair(one.image, caption, one.document_id) for one in figures for caption in one.captions]


def _of_file(path: Path) -> list[Pair]:
    from adapters.training.pairs import Pair
    from eval.images.data import read_image_set

    groups = _groups(path)
    return [
        Pair(image.path, caption, groups.get(image.name, image.name))
        for image in read_image_set(path).images
        for captions in image.captions.values()
        for caption in captions
    ]


def _groups(path: Path) -> dict[str, str]:
    """The group of each picture by its name in the file, where a line says one."""
    from eval.images.data import IMAGE_KEYS

    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8-sig").split("\n"):
        record = json_value(line) if line.strip() else {}
        image = next((record[key] for key in IMAGE_KEYS if key in record), None)
        group = next((record[key] for key in _GROUP_KEYS if record.get(key)), None)
        if image is not None and group is not None:
            found[image] = str(group)
    return found


def report_text(report: Report) -> str:
    """Before and after as a table, with 95 % intervals, then what was learned from and how to use it."""
    from eval.statistics import text_table

    before, after = report.before, report.after
    rows = [
        ("text to image, recall@1", _share(before, "text_to_image_1"), _share(after, "text_to_image_1")),
        ("text to image, recall@5", _share(before, "text_to_image_5"), _share(after, "text_to_image_5")),
        ("image to text, recall@1", _share(before, "image_to_text_1"), _share(after, "image_to_text_1")),
        ("image to text, recall@5", _share(before, "image_to_text_5"), _share(after, "image_to_text_5")),
    ]
    parts = "; ".join(
        f"{part}: {many(count, 'pair')} in {many(report.groups[part], 'group')}" for part, count in report.pairs.items()
    )
    held_out = f"{many(after.pictures, 'picture')} and {many(after.captions, 'caption')}"
    lines = [text_table(("", "before", "after"), rows), ""]
    lines.append(f"Measured on {held_out} that it has not learned from. {parts}.")
    problems = [f"  {file}: {problem}" for file, problem in list(report.problems.items())[:_PROBLEMS_SHOWN]]
    lines += [f"{many(len(report.problems), 'picture')} left out:", *problems] if problems else []
    if not report.best_epoch:
        lines.append("No epoch was better than the model itself on the validation part: this adapter changes nothing.")
        return "\n".join(lines)
    lines.append(f"Best after {many(report.best_epoch, 'epoch')} of {len(report.history) - 1}; {report.seconds:.0f} s.")
    lines.append(f'To use it: models.image_embedding = "{report.base}+{report.adapter}" in settings.toml, then')
    lines.append("rag-app ingest --reembed")
    return "\n".join(lines)


def _share(recall: Recall, name: str) -> str:
    """A recall with its interval: "0.55 [0.45, 0.65]"."""
    from eval.statistics import wilson

    asked = recall.captions if name.startswith("text") else recall.pictures
    share = getattr(recall, name)
    low, high = wilson(round(share * asked), asked)
    return f"{share:.2f} [{low:.2f}, {high:.2f}]"
