"""`rag-app medical evaluate` and `rag-app medical compare`: how well a model diagnoses, beside trivial baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Shown, command, pass_call

if TYPE_CHECKING:
    from eval.medical.baselines import Baseline
    from eval.runs import Manifest, Run
    from rag_app.medical.records import Dataset, Split
    from rag_app.settings import Settings

REPORT, FIGURES = "report.html", "figures.json"
_DATA = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@command(
    "evaluate",
    example="rag-app medical evaluate dataset --out measured\n"
    "rag-app medical evaluate dataset --model hf:Qwen/Qwen2.5-VL-3B-Instruct "
    "--model hf:Qwen/Qwen2.5-VL-3B-Instruct+adapters/mri --out measured",
)
@click.argument("data", type=_DATA, metavar="DATASET")
@click.option(
    "--model",
    "names",
    multiple=True,
    metavar="NAME",
    help="hf:NAME, hf:NAME+ADAPTER or ollama:NAME. Repeatable; the others are compared with the first.",
)
@click.option("--out", type=_NEW_FOLDER, required=True, metavar="DIR", help="For the runs and the report.")
@click.option(
    "--split",
    type=click.Choice(["test", "validation"]),
    default="test",
    show_default=True,
    help="The part that is measured on.",
)
@click.option("--language", type=click.Choice(["en", "fa"]), default="en", show_default=True, help="Of the questions.")
@click.option(
    "--answers",
    type=click.Choice(["diagnosis", "anomaly", "caption", "free"]),
    multiple=True,
    help="Also ask the dataset's questions of this kind in words, and compare the answers. Repeatable.",
)
@click.option("--baselines/--no-baselines", default=True, help="Majority class and linear probes beside the models.")
@click.option("--probe", "probes", multiple=True, metavar="NAME", help="Also a probe on a CLIP model: openclip:NAME.")
@click.option("--resume", is_flag=True, help="Go on with what is in --out.")
@pass_call
def evaluate(
    call: Call,
    *,
    data: Path,
    names: Sequence[str],
    out: Path,
    split: Split,
    language: str,
    answers: tuple[str, ...],
    baselines: bool,
    probes: Sequence[str],
    resume: bool,
) -> Shown:
    """Measure models on the held-out images of a dataset. For study and research, not for the diagnosis of patients.

    Diagnosis, and normal against abnormal: accuracy, balanced accuracy, macro F1, sensitivity and specificity, AUROC,
    calibration, accuracy by coverage; with intervals, by subgroup, beside the majority class and linear probes. Each
    model has a folder in --out; report.html there has plots and what went wrong. Without --model only the baselines.
    """
    from eval.medical import running
    from eval.medical.results import against, examine
    from rag_app.cli.medical_evaluate_text import document, told
    from rag_app.errors import UsageError
    from rag_app.medical.records import Dataset
    from rag_app.render.medical_report import write_medical_report
    from rag_app.settings import Settings

    if not (names or baselines):
        raise UsageError("There is nothing to measure: name a --model, or leave --no-baselines out.")
    if probes and not baselines:
        raise UsageError("--probe is a baseline; leave --no-baselines out.")
    if len(set(names)) < len(names):
        raise UsageError("A --model is named twice; name each once.")
    call.interrupted = "Interrupted; what was done is kept. Go on with the same command and: --resume"
    settings = Settings.load(call.library)
    dataset = Dataset.read(data)
    dataset.of(split)
    runs: list[Run] = []
    notes: list[str] = []
    for name in names:
        runs.append(
            _model_run(name, dataset, out, settings, split=split, language=language, answers=answers, resume=resume)
        )
    if baselines:
        found, notes = _baselines(dataset, split, probes, settings)
        for one in found:
            manifest = running.baseline_manifest(dataset, one, split=split, command=_typed())
            with _open(out, manifest, resume=resume) as run:
                running.run_baseline(run, dataset, one, split=split)
            runs.append(run)
    examined = [examine(run) for run in runs]
    pairs = [against(runs[0], run) for run in runs[1:]] if names else []
    write_medical_report(dataset, examined, pairs, out / REPORT, notes=notes)
    figures = document(dataset, examined, pairs, notes, split=split)
    _write_figures(out / FIGURES, figures)
    shown = {**figures, "runs": [str(run.folder) for run in runs], "report": str(out / REPORT)}
    return Shown(shown, told(dataset, examined, pairs, notes, split=split, report=out / REPORT))


@command("compare", example="rag-app medical compare measured/hf-base measured/hf-tuned")
@click.argument("before", type=_DATA, metavar="RUN")
@click.argument("after", type=_DATA, metavar="RUN")
@pass_call
def compare(call: Call, *, before: Path, after: Path) -> Shown:
    """Compare two models on the same images. For study and research, not for the diagnosis of patients.

    RUN is a folder that `medical evaluate` made in its --out. Gains are paired, with intervals over whole groups of
    images; McNemar's exact test says whether chance explains the images that flipped.
    """
    from eval.medical.results import against
    from eval.runs import Run
    from rag_app.cli.medical_evaluate_text import pair_lines
    from rag_app.medical import DISCLAIMER

    found = against(Run.open(before), Run.open(after))
    return Shown(
        {"disclaimer": DISCLAIMER["en"], **found.to_dict()}, "\n".join([*pair_lines(found), "", DISCLAIMER["en"]])
    )


def _model_run(
    name: str,
    dataset: Dataset,
    out: Path,
    settings: Settings,
    *,
    split: Split,
    language: str,
    answers: Sequence[str],
    resume: bool,
) -> Run:
    from eval.medical import running
    from rag_app.cli.progress import ProgressBar
    from rag_app.medical.asking import Assistant

    assistant = Assistant.open(name, data=dataset.folder, settings=settings)
    assistant.model.check(pictures=True)
    manifest = running.model_manifest(
        dataset, assistant, split=split, language=language, answers=answers, command=_typed()
    )
    images = len(dataset.of(split))
    with _open(out, manifest, resume=resume) as run, ProgressBar(f"Asking {name}", "images") as progress:
        running.run_model(
            run,
            dataset,
            assistant,
            split=split,
            language=language,
            answers=answers,
            on_done=lambda done: progress(done, images),
        )
    return run


def _open(out: Path, manifest: Manifest, *, resume: bool) -> Run:
    from eval.medical.running import folder_name
    from eval.runs import Run
    from eval.runs.run import MANIFEST
    from rag_app.errors import UsageError

    folder = out / folder_name(manifest.models["vision"])
    if resume:
        return Run.resume(folder, manifest)
    if (folder / MANIFEST).exists():
        raise UsageError(f"{folder} holds a run already: add --resume to go on with it, or name another --out.")
    return Run.create(folder, manifest)


def _baselines(
    dataset: Dataset, split: Split, probes: Sequence[str], settings: Settings
) -> tuple[list[Baseline], list[str]]:
    """The baselines that can be had here, and a sentence for the builtin probe where it cannot."""
    from adapters.names import load_model, parse_model_name
    from eval.medical.baselines import linear_probe, majority
    from rag_app.errors import ModelUnsuitable

    held_out = dataset.of(split)
    found = [majority(dataset, held_out)]
    notes = []
    for name in ("builtin", *probes):
        try:
            found.append(
                linear_probe(dataset, held_out, load_model("image_embedding", parse_model_name(name), settings))
            )
        except ModelUnsuitable as exc:
            if probes:
                raise
            notes.append(str(exc))
    return found, notes


def _typed() -> str:
    from rag_app.cli.evaluation_run import command_line

    return command_line()


def _write_figures(path: Path, document: dict[str, object]) -> None:
    import json

    from rag_app.render.self_contained import write_whole

    write_whole(path, iter([json.dumps(document, ensure_ascii=False, indent=1)]), option="--out")
