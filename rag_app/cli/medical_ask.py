"""`rag-app medical ask` and `rag-app medical calibrate`: questions on an image, and how sure the answers may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Shown, command, pass_call

if TYPE_CHECKING:
    from rag_app.medical.calibration import Calibration
    from rag_app.medical.records import Split

_DATA = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


@command(
    "ask",
    example="rag-app medical ask scan.png 'What is the diagnosis?' --model hf:Qwen/Qwen2.5-VL-3B-Instruct\n"
    "rag-app medical ask scan.png 'What is the diagnosis?' --model hf:Qwen/Qwen2.5-VL-3B-Instruct+adapters/mri "
    "--data dataset --bar 0.6\n"
    "rag-app medical ask scan.png «تشخیص چیست؟» --model qwen2.5vl:7b --labels normal,nodule --language fa --papers",
)
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("question")
@click.option(
    "--model", "name", metavar="NAME", help="hf:NAME, hf:NAME+ADAPTER or ollama:NAME. [default: models.vision]"
)
@click.option("--data", type=_DATA, metavar="DIR", help="A prepared dataset: its diagnoses, in its words.")
@click.option(
    "--labels", metavar="A,B,...|FILE.toml", help="The diagnoses, where there is no dataset; a file also names them."
)
@click.option("--language", type=click.Choice(["en", "fa"]), help="The answer's. [default: the question's]")
@click.option(
    "--bar",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="P",
    help="Abstain where the likeliest diagnosis is less probable.",
)
@click.option(
    "--calibration",
    "scaling",
    type=_FILE,
    metavar="FILE",
    help="By medical calibrate. [default: calibration.json in the adapter's folder]",
)
@click.option("--papers", is_flag=True, help="Also say, cited, what the library holds on the likeliest diagnosis.")
@pass_call
def ask(
    call: Call,
    *,
    image: Path,
    question: str,
    name: str | None,
    data: Path | None,
    labels: str | None,
    language: str | None,
    bar: float,
    scaling: Path | None,
    papers: bool,
) -> Shown:
    """Ask a vision model about a medical image. For study and research, not for the diagnosis of patients.

    With --data or --labels the answer comes with a differential: how probable each diagnosis is. A model of
    transformers is asked how likely each one is; an Ollama model can only say numbers itself.
    """
    import contextlib

    from rag_app.library import Library
    from rag_app.medical.asking import Assistant
    from rag_app.render.medical_answer import answer_text
    from rag_app.render.terminal import Screen
    from rag_app.retrieval.question import language_of
    from rag_app.settings import Settings

    call.interrupted = "Interrupted; nothing was changed. Ask again when you like."
    settings = Settings.load(call.library)
    wanted = language or ("fa" if language_of(question) == "fa" else "en")
    with contextlib.ExitStack() as opened:
        library = opened.enter_context(Library.open(call.library, create=False)) if papers else None
        assistant = Assistant.open(
            name or settings.models.vision,
            data=data,
            labels=_labels(labels),
            scaling=scaling,
            bar=bar,
            library=library,
            settings=settings,
        )
        answer = assistant.ask(image, question, wanted)
    screen = Screen.detect(settings.terminal.right_to_left, on_terminal=call.on_terminal)
    return Shown(answer.to_dict(), answer_text(answer, screen, library=call.library))


@command(
    "calibrate",
    example="rag-app medical calibrate hf:Qwen/Qwen2.5-VL-3B-Instruct+adapters/mri --data dataset",
)
@click.argument("name", metavar="MODEL")
@click.option("--data", type=_DATA, required=True, metavar="DIR", help="The prepared dataset.")
@click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="The images to fit on; what is reported on the same ones afterwards is too good.",
)
@click.option("--language", type=click.Choice(["en", "fa"]), default="en", show_default=True, help="Of the question.")
@click.option("--out", type=_FILE, metavar="FILE", help="[default: calibration.json in the adapter's folder]")
@pass_call
def calibrate(call: Call, *, name: str, data: Path, split: Split, language: str, out: Path | None) -> Shown:
    """Make a model's differential as sure as it is right, by temperature scaling on images it has not learned from.

    `medical ask` takes the file from the adapter's folder by itself. For study and research, not for the diagnosis of
    patients.
    """
    from adapters.names import parse_model_name
    from rag_app.cli.progress import ProgressBar
    from rag_app.errors import UsageError
    from rag_app.medical.asking import Assistant
    from rag_app.medical.calibration import FILE
    from rag_app.medical.records import Dataset
    from rag_app.settings import Settings

    adapter = parse_model_name(name).adapter
    if out is None and adapter is None:
        raise UsageError(f"{name} has no adapter to keep the calibration with; say where: --out FILE.")
    path = out or Path(adapter or "").expanduser() / FILE
    dataset = Dataset.read(data)
    images = len(dataset.of(split))
    assistant = Assistant.open(name, settings=Settings.load(call.library))
    with ProgressBar("Weighing", "images") as progress:
        fitted = assistant.calibrate(
            dataset, split=split, language=language, on_done=lambda done: progress(done, images)
        )
    fitted.save(path)
    return Shown(_calibration_document(fitted, path), _calibration_text(fitted, path))


def _calibration_document(fitted: Calibration, path: Path) -> dict[str, object]:
    import dataclasses

    from rag_app.medical import DISCLAIMER

    return {**dataclasses.asdict(fitted), "file": str(path), "disclaimer": DISCLAIMER["en"]}


def _calibration_text(fitted: Calibration, path: Path) -> str:
    from rag_app.medical import DISCLAIMER

    sure = "too sure" if fitted.temperature > 1 else "not sure enough"
    return (
        f"{DISCLAIMER['en']}\n\nTemperature {fitted.temperature:.3f} on {fitted.images} images: the model was {sure}. "
        f"Negative log-likelihood {fitted.nll_before:.4f} before, {fitted.nll_after:.4f} after, in nats.\n"
        f"Kept in {path}."
    )


def _labels(given: str | None) -> list[str] | Path:
    """The labels, or the file that holds them."""
    if given is not None and given.strip().endswith(".toml"):
        return Path(given.strip()).expanduser()
    return [label.strip() for label in (given or "").split(",") if label.strip()]
