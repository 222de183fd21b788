"""`rag-app medical`: images made ready, a model tuned on them, asked and measured. For study, not for patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag_app.cli.frame import Call, Group, Shown, command, pass_call
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from rag_app.medical.preparing import Prepared
    from rag_app.medical.records import Split

_PROBLEMS_SHOWN = 5
MEMBERS = {
    "prepare": "rag_app.cli.medical:prepare",
    "caption": "rag_app.cli.medical:caption",
    "train": "rag_app.cli.medical_train:train",
    "export": "rag_app.cli.medical_export:export",
    "ask": "rag_app.cli.medical_ask:ask",
    "calibrate": "rag_app.cli.medical_ask:calibrate",
    "evaluate": "rag_app.cli.medical_evaluate:evaluate",
    "compare": "rag_app.cli.medical_compare:compare",
}


@click.group("medical", cls=Group, members=MEMBERS)
def medical() -> None:
    """Make medical images ready for a vision model, and see how well it diagnoses.

    For study and research. Not for the diagnosis or treatment of patients.
    """


@command(
    "prepare",
    example="rag-app medical prepare scans/ --out dataset\n"
    "rag-app medical prepare scans.csv --out dataset --normal clear --group scanner --test 0.2",
)
@click.argument("source", type=click.Path(exists=True, path_type=Path), metavar="FOLDER|TABLE")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The dataset's folder.",
)
@click.option("--normal", metavar="LABEL", help="The label that means nothing was found. [default: by its name]")
@click.option("--rename", multiple=True, metavar="OLD=NEW", help="Take a label for another one.")
@click.option("--keep-labels", is_flag=True, help="The labels are meant as they are written, however alike.")
@click.option("--persian", multiple=True, metavar="LABEL=NAME", help="What a label is called in Persian.")
@click.option("--validation", type=click.FloatRange(0, 0.9), default=0.15, show_default=True, metavar="SHARE")
@click.option("--test", type=click.FloatRange(0, 0.9, min_open=True), default=0.15, show_default=True, metavar="SHARE")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of the split.")
@click.option("--resplit", is_flag=True, help="Make a split of our own where the source comes with one.")
@click.option("--group", "groups", multiple=True, metavar="COLUMN", help="A column of the table to report by.")
@click.option("--colour", is_flag=True, help="Take images with colours too.")
@click.option("--card/--no-card", default=True, help="Write card.html, the data card with a contact sheet.")
@pass_call
def prepare(
    call: Call,
    *,
    source: Path,
    out: Path,
    normal: str | None,
    rename: Sequence[str],
    keep_labels: bool,
    persian: Sequence[str],
    validation: float,
    test: float,
    seed: int,
    resplit: bool,
    groups: tuple[str, ...],
    colour: bool,
    card: bool,
) -> Shown:
    """Make a dataset of medical images: labels, captions, questions, and a split that does not leak.

    FOLDER holds one folder of images for each label, or train/, validation/ and test/ with those. TABLE is a CSV or
    JSON Lines file with the columns image and label, and where known patient, split, caption_en, caption_fa. DICOM is
    read in both. No name, number or date of a patient is kept.

    Images of one patient, copies of an image (cropped, mirrored, resized, lighter, saved again) and neighbouring slices
    stay in one part. A split that comes with the source is searched for copies across its parts and refused with the
    numbers where it has them; a validation part that it lacks is taken out of its training part.
    """
    from rag_app.cli.progress import ProgressBar
    from rag_app.medical import DISCLAIMER
    from rag_app.medical.preparing import Options
    from rag_app.medical.preparing import prepare as make
    from rag_app.render.data_card import write_data_card

    shares: dict[Split, float] = {"train": 1 - validation - test, "validation": validation, "test": test}
    if shares["train"] <= 0:
        raise UsageError(f"--validation {validation:g} and --test {test:g} leave nothing to train on.")
    call.interrupted = "Interrupted; nothing was written. Run it again."
    options = Options(
        normal=normal,
        renames=_named("--rename", rename),
        keep_labels=keep_labels,
        names={label: {"fa": name} for label, name in _named("--persian", persian).items()},
        shares=shares,
        seed=seed,
        resplit=resplit,
        group_columns=groups,
        colour=colour,
    )
    stages: dict[str, ProgressBar] = {}

    def progress(stage: str, done: int, total: int) -> None:
        if stage not in stages:
            for bar in stages.values():
                bar.__exit__(None, None, None)
            stages[stage] = ProgressBar(stage, "images").__enter__()
        stages[stage](done, total)

    try:
        made = make(source, out, options, on_progress=progress)
    finally:
        for bar in stages.values():
            bar.__exit__(None, None, None)
    if card:
        write_data_card(made.dataset, out / "card.html")
    document = {
        "dataset": str(out),
        "disclaimer": DISCLAIMER["en"],
        "digest": made.dataset.digest,
        **{key: made.dataset.about[key] for key in ("counts", "split_from", "leaks", "problems")},
    }
    return Shown(document, _told(made, out, card=card))


@command(
    "caption",
    example="rag-app medical caption dataset --vision qwen2.5vl:7b\n"
    "rag-app medical caption dataset --vision gemma3:12b --languages fa",
)
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DATASET")
@click.option("--vision", "name", metavar="NAME", help="A model that sees. [default: models.vision in settings]")
@click.option("--languages", default="en,fa", show_default=True, metavar="en,fa", help="Which, with commas between.")
@pass_call
def caption(call: Call, *, dataset: Path, name: str | None, languages: str) -> Shown:
    """Let a vision model describe a dataset's images, in the words a radiologist would look for.

    What passes the checks of `rag-app caption` takes the place of the captions from the labels; the others stay. It
    can be interrupted and called again. Look at the captions on the data card before you train on them: a model's
    description of a medical image may be wrong.
    """
    from adapters.limits import limits_of
    from adapters.names import load_model, parse_model_name
    from rag_app.cli.caption import summary
    from rag_app.cli.progress import ProgressBar
    from rag_app.medical import DISCLAIMER
    from rag_app.medical.captioning import caption_dataset
    from rag_app.medical.records import Dataset
    from rag_app.render.data_card import write_data_card
    from rag_app.settings import Settings

    settings = Settings.load(call.library)
    chosen = name or settings.models.vision
    if chosen == "builtin":
        raise UsageError("Name a model that sees pictures: --vision qwen2.5vl:7b. See what is there: rag-app models")
    call.interrupted = "Interrupted. What was finished is kept; run the same command again to go on."
    with ProgressBar("Captioning", "captions") as progress:
        report = caption_dataset(
            dataset,
            load_model("vision", parse_model_name(chosen), settings),
            languages=[language.strip() for language in languages.split(",") if language.strip()],
            parallel=limits_of(parse_model_name(chosen), settings).at_once,
            on_progress=progress,
        )
    write_data_card(Dataset.read(dataset), dataset / "card.html")
    text = f"{summary(report)}\nData card: {dataset / 'card.html'}\n{DISCLAIMER['en']}"
    document = {**report.to_dict(), "disclaimer": DISCLAIMER["en"]}
    return Shown(document, text, exit_code=1 if report.missing else 0)


def _named(option: str, given: Sequence[str]) -> dict[str, str]:
    """Pairs from "a=b". Raises UsageError on anything else."""
    pairs = {}
    for one in given:
        name, equals, value = (part.strip() for part in one.partition("="))
        if not (name and equals and value):
            raise UsageError(f"{option} takes two names, as old=new; {one!r} is not of that form.")
        pairs[name] = value
    return pairs


def _told(made: Prepared, out: Path, *, card: bool) -> str:
    from eval.statistics import text_table
    from rag_app.medical import DISCLAIMER
    from rag_app.medical.labels import without_persian
    from rag_app.medical.records import SPLITS
    from rag_app.render.listing import many

    dataset = made.dataset
    counts = Counter((example.split, example.label) for example in dataset.examples)
    rows = [
        [label + (" (normal)" if label == dataset.normal else ""), *(counts[part, label] for part in SPLITS)]
        for label in dataset.labels
    ]
    rows.append(["all", *(sum(counts[part, label] for label in dataset.labels) for part in SPLITS)])
    clusters = len({example.cluster for example in dataset.examples})
    related = sum(leak.related for leak in made.leaks)
    told = f"{len(dataset.examples)} images in {many(clusters, 'group')} that stay together."
    if dataset.about["split_from"] == "source":
        told += " The split is the source's own; no copies across its parts."
    lines = [text_table(["", *SPLITS], rows), "", told]
    if related:
        lines.append(f"{related} test images may be slices beside images of another part: measures may flatter.")
    left_out = [problem for problem in made.problems if problem.left_out]
    warned = [problem for problem in made.problems if not problem.left_out]
    if left_out:
        lines.append(f"Left out: {many(len(left_out), 'file')}.")
        lines += [f"  {problem.message}" for problem in left_out[:_PROBLEMS_SHOWN]]
        if len(left_out) > _PROBLEMS_SHOWN:
            lines.append(f"  and {len(left_out) - _PROBLEMS_SHOWN} more, in {out / 'dataset.json'}.")
    lines += [problem.message for problem in warned]
    if unnamed := without_persian(dataset.names):
        lines.append(
            f"Without a Persian name, and so written in English there too: {', '.join(unnamed)}. To name them, prepare "
            f"again with --persian '{unnamed[0]}=NAME'."
        )
    if card:
        lines.append(f"Data card: {out / 'card.html'}")
    return "\n".join([*lines, DISCLAIMER["en"]])
