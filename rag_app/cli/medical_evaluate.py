"""`rag-app medical evaluate`: how well a model diagnoses, beside trivial baselines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.evaluation_judge import JudgeOptions, judge_options
from rag_app.cli.frame import Call, Shown, command, pass_call

if TYPE_CHECKING:
    from eval.judging import Judge
    from eval.medical.baselines import Baseline
    from eval.runs import Manifest, Run
    from rag_app.medical.records import Dataset, Split
    from rag_app.settings import Settings

REPORT, FIGURES = "report.html", "figures.json"
CACHE_FOLDER = "judge_cache"  # in --out, shared by its runs
_DATA = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
_JUDGED = "Only these: factual_correctness, answer_correctness, response_relevancy. [default: all but the last]"


@command(
    "evaluate",
    example="rag-app medical evaluate dataset --out measured\n"
    "rag-app medical evaluate dataset --model hf:Qwen/Qwen2.5-VL-3B-Instruct "
    "--model hf:Qwen/Qwen2.5-VL-3B-Instruct+adapters/mri --out measured\n"
    "rag-app medical evaluate dataset --model qwen2.5vl:7b --answers caption --judge qwen2.5:14b --out measured",
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
@partial(judge_options, metrics=_JUDGED)
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
    judging: JudgeOptions,
) -> Shown:
    """Measure models on the held-out images of a dataset. For study and research, not for the diagnosis of patients.

    Diagnosis, and normal against abnormal: accuracy, balanced accuracy, macro F1, sensitivity and specificity, AUROC,
    calibration, accuracy by coverage; with intervals, by subgroup, beside the majority class and linear probes. Each
    model has a folder in --out; report.html there has plots and what went wrong. Without --model only the baselines.
    With --answers caption or free, a --judge scores these answers by metrics of Ragas.
    """
    from eval.medical import manifests, running
    from eval.medical.comparing import against
    from eval.medical.results import examine
    from rag_app.cli.evaluation_judge import told_of
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
    judge = _judge(judging, settings, out, names=names, answers=answers)
    runs: list[Run] = []
    notes: list[str] = []
    for name in names:
        runs.append(
            _model_run(
                name,
                dataset,
                out,
                settings,
                split=split,
                language=language,
                answers=answers,
                judge=judge,
                resume=resume,
            )
        )
    if baselines:
        found, notes = _baselines(dataset, split, probes, settings)
        for one in found:
            manifest = manifests.baseline_manifest(dataset, one, split=split, command=_typed())
            with _open(out, manifest, resume=resume) as run:
                running.run_baseline(run, dataset, one, split=split)
            runs.append(run)
    examined = [examine(run) for run in runs]
    pairs = [against(runs[0], run) for run in runs[1:]] if names else []
    write_medical_report(dataset, examined, pairs, out / REPORT, notes=notes)
    figures = document(dataset, examined, pairs, notes, split=split)
    _write_figures(out / FIGURES, figures)
    shown = {**figures, "runs": [str(run.folder) for run in runs], "report": str(out / REPORT)}
    text = told(dataset, examined, pairs, notes, split=split, report=out / REPORT)
    return Shown(shown, text if judge is None else f"{told_of(judge)}\n{text}")


def _model_run(
    name: str,
    dataset: Dataset,
    out: Path,
    settings: Settings,
    *,
    split: Split,
    language: str,
    answers: Sequence[str],
    judge: Judge | None,
    resume: bool,
) -> Run:
    from eval.medical import manifests, running
    from rag_app.cli.progress import ProgressBar
    from rag_app.medical.asking import Assistant

    assistant = Assistant.open(name, data=dataset.folder, settings=settings)
    assistant.model.check(pictures=True)
    manifest = manifests.model_manifest(
        dataset,
        assistant,
        split=split,
        language=language,
        answers=answers,
        judge=judge.identity if judge is not None else None,
        command=_typed(),
    )
    images = len(dataset.of(split))
    with _open(out, manifest, resume=resume) as run:
        with ProgressBar(f"Asking {name}", "images") as progress:
            running.run_model(
                run,
                dataset,
                assistant,
                split=split,
                language=language,
                answers=answers,
                on_done=lambda done: progress(done, images),
            )
        if judge is not None:
            _judge_answers(run, judge, language)
    return run


def _judge(
    judging: JudgeOptions, settings: Settings, out: Path, *, names: Sequence[str], answers: Sequence[str]
) -> Judge | None:
    """The judge that was named, checked before any image is asked about; None where none was."""
    from eval.medical.judging import DEFAULT_METRICS, KINDS, answer_metrics
    from rag_app.cli.evaluation_judge import judge_of, named
    from rag_app.errors import UsageError

    if not named(judging):
        return None
    if not names or not set(answers) & set(KINDS):
        raise UsageError(
            "A judge scores a model's answers in words: name a --model, and add --answers caption or --answers free."
        )
    metrics = answer_metrics(judging.metrics.split(",")) if judging.metrics else DEFAULT_METRICS
    return judge_of(judging, settings, metrics=metrics, cache=out / CACHE_FOLDER)


def _judge_answers(run: Run, judge: Judge, language: str) -> None:
    from eval.medical.judging import judge_answers
    from rag_app.cli.evaluation_judge import cost_keeper
    from rag_app.cli.progress import ProgressBar

    keep_cost = cost_keeper(run, judge)
    with ProgressBar("Judging", "answers") as progress:

        def told(done: int, total: int) -> None:
            keep_cost()
            progress(done, total)

        judge_answers(run, judge, language=language, on_done=told)


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
