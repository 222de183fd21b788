"""`rag-app medical train`: a vision-language model tuned on a prepared dataset."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rag_app.cli.frame import Call, Shown, command, pass_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.training.supervised.options import Progress
    from adapters.training.supervised.training import Report

_KINDS = ("anomaly", "diagnosis", "caption")
_PARTS = ("language", "vision", "projector")
_COUNT = click.IntRange(1, 1_000_000)


@command(
    "train",
    example="rag-app medical train dataset --model hf:Qwen/Qwen2.5-VL-3B-Instruct --out adapters/mri\n"
    "rag-app medical train dataset --model hf:google/gemma-3-4b-it --out adapters/mri --questions diagnosis "
    "--language en --batch 2 --accumulate 8\n"
    "rag-app medical train dataset --model hf:Qwen/Qwen2.5-VL-3B-Instruct --out adapters/mri --resume",
)
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DATASET")
@click.option("--model", "name", required=True, metavar="NAME", help="hf:OWNER/NAME or hf:/path/to/folder.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder for the adapter.",
)
@click.option("--resume", is_flag=True, help="Go on with the interrupted training in --out, with the same settings.")
@click.option(
    "--questions", multiple=True, type=click.Choice(_KINDS), help="Kinds to learn from; repeat it. [default: all]"
)
@click.option("--language", "languages", multiple=True, type=click.Choice(["en", "fa"]), help="[default: both]")
@click.option(
    "--part", "parts", multiple=True, type=click.Choice(_PARTS), help="Of the model; repeat it. [default: all]"
)
@click.option("--rank", type=click.IntRange(1, 1024), default=16, show_default=True, metavar="N", help="Of LoRA.")
@click.option("--alpha", type=click.IntRange(1, 4096), default=32, show_default=True, metavar="N")
@click.option("--dropout", type=click.FloatRange(0, 0.9), default=0.05, show_default=True, metavar="X")
@click.option(
    "--learning-rate", type=click.FloatRange(0, 1, min_open=True), default=2e-4, show_default=True, metavar="X"
)
@click.option("--warm-up", type=click.FloatRange(0, 1), default=0.05, show_default=True, metavar="SHARE")
@click.option("--weight-decay", type=click.FloatRange(0, 1), default=0.0, show_default=True, metavar="X")
@click.option("--epochs", type=_COUNT, default=3, show_default=True, metavar="N", help="At most.")
@click.option("--steps", type=_COUNT, metavar="N", help="Instead of --epochs.")
@click.option("--batch", type=_COUNT, default=4, show_default=True, metavar="N", help="Questions at a time.")
@click.option("--accumulate", type=_COUNT, default=4, show_default=True, metavar="N", help="Batches to a step.")
@click.option(
    "--patience",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    metavar="N",
    help="Checks without a lower validation loss before it stops; 0 never does.",
)
@click.option(
    "--check-every",
    type=_COUNT,
    metavar="N",
    help="Steps between checks, each with a checkpoint. [default: an epoch]",
)
@click.option(
    "--four-bit/--full",
    default=None,
    help="QLoRA: the base model in 4 bits. [default: on a GPU with bitsandbytes]",
)
@click.option(
    "--checkpointing/--no-checkpointing",
    default=None,
    help="Less memory, more time: activations computed again. [default: on a GPU]",
)
@click.option(
    "--min-pixels",
    type=click.IntRange(1, 100_000_000),
    metavar="N",
    help="Of a picture as a Qwen-VL model sees it: smaller ones are enlarged. Ollama shows Qwen2.5-VL at least 802816. "
    "[default: the model's]",
)
@click.option(
    "--max-pixels", type=click.IntRange(1, 100_000_000), metavar="N", help="Larger ones are made smaller; saves memory."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N")
@click.option("--fits", is_flag=True, help="Start although the estimated memory is more than there is.")
@pass_call
def train(
    call: Call,
    *,
    data: Path,
    name: str,
    out: Path,
    resume: bool,
    questions: tuple[str, ...],
    languages: tuple[str, ...],
    parts: tuple[Any, ...],  # Any: click has checked that they are Parts
    fits: bool,
    **more: Any,  # Any: the fields of Options, as click has checked them
) -> Shown:
    """Tune a vision-language model on a dataset made by `medical prepare`, by LoRA.

    Only the adapter's weights are trained, and only on the tokens of the answers. The validation part says when to
    stop, and the weights with its lowest loss are kept; the test part is not read. --out gets the adapter with its
    card, and the curves as JSON Lines and PNG. It is used as hf:NAME+DIR.
    """
    from adapters.training.supervised.folder import CURVES, read_curves
    from adapters.training.supervised.options import Options
    from rag_app.medical import DISCLAIMER
    from rag_app.medical.records import Dataset
    from rag_app.medical.training import train as tune

    options = Options(parts=parts or Options().parts, **more)
    dataset = Dataset.read(data)
    call.interrupted = f"Interrupted. Checkpoints are kept in {out}; run it again with --resume to go on from the last."
    click.echo(DISCLAIMER["en"], err=True)
    with _bar() as progress:
        report = tune(
            name,
            dataset,
            out,
            options=options,
            kinds=questions or _KINDS,
            languages=languages,
            resume=resume,
            fits=fits,
            on_estimate=lambda found: click.echo(f"It takes {found}.", err=True),
            on_progress=progress,
        )
    picture = _drawn(read_curves(out), out / "curves.png")
    document = {**report.to_dict(), "curves": str(out / CURVES), "disclaimer": DISCLAIMER["en"]}
    return Shown(document, "\n".join([_told(report), picture, DISCLAIMER["en"]]))


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """A bar with loss, rate, time left and memory on a terminal; elsewhere a line for each validation."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    from rag_app.render.terminal import draws

    on_terminal = draws(sys.stderr, os.environ)
    columns = (TextColumn("Training"), BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    said: dict[str, str] = {}
    with Bar(*columns, console=Console(file=sys.stderr), transient=True, disable=not on_terminal) as bar:
        task = bar.add_task("", total=None, said="")

        def tell(now: Progress) -> None:
            if now.loss is not None:
                said["loss"] = f"loss {now.loss:.3f}"
            if now.validation_loss is not None:
                said["validation"] = f"validation {now.validation_loss:.3f}"
            if now.items_per_second and now.seconds_left is not None:
                minutes, seconds = divmod(round(now.seconds_left), 60)
                said["rate"] = f"{now.items_per_second:.1f}/s"
                said["left"] = f"{minutes}:{seconds:02} left"
            if now.memory:
                said["memory"] = f"{now.memory / 2**30:.1f} GB"
            told = "  ".join(said.values())
            bar.update(task, completed=now.step, total=now.steps, said=told)
            if not on_terminal and now.validation_loss is not None:
                click.echo(f"step {now.step} of {now.steps}: {told}", err=True)

        yield tell


def _drawn(lines: list[dict[str, Any]], path: Path) -> str:  # Any: JSON
    """Draw the curves; says where they are, or why not."""
    from rag_app.render.plots_training import write_curves

    try:
        write_curves(lines, path)
    except ImportError:
        return f"No {path.name}: Matplotlib is not installed. Run: pip install matplotlib."
    return f"Curves: {path}"


def _told(report: Report) -> str:
    lines = [
        f"Validation loss {report.loss_before:.3f} without the adapter, {report.loss:.3f} with it "
        f"(step {report.best_step} of {report.steps}; {report.planned} were planned).",
        f"{report.trained:,} of {report.parameters:,} numbers were trained, all in the adapter; "
        f"{report.seconds:.0f} s, at most {report.memory / 2**30:.1f} GB.",
    ]
    if not report.better:
        lines.append("The adapter does not answer better than the model itself: do not use it.")
    lines.append(f"Use it as {report.base}+{report.adapter}")
    return "\n".join(lines)
