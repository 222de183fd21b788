"""`rag-app medical compare`: one model against another on the same medical images."""

from __future__ import annotations

from pathlib import Path

import click

from rag_app.cli.frame import Call, Shown, command, pass_call

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@command(
    "compare",
    example="rag-app medical compare measured/hf-base measured/hf-tuned\n"
    "rag-app medical compare measured/hf-base measured/hf-tuned --html tuned.html",
)
@click.argument("before", type=_FOLDER, metavar="RUN")
@click.argument("after", type=_FOLDER, metavar="RUN")
@click.option("--html", type=_NEW_FILE, metavar="FILE", help="Write a page with plots, and the images that flipped.")
@click.option(
    "--data",
    type=_FOLDER,
    metavar="DIR",
    help="The dataset, for the images on the page. [default: where it was when the runs were made]",
)
@pass_call
def compare(call: Call, *, before: Path, after: Path, html: Path | None, data: Path | None) -> Shown:
    """Compare two models on the same images. For study and research, not for the diagnosis of patients.

    RUN is a folder that `medical evaluate` made in its --out. Gains are paired, with intervals over whole groups of
    images; McNemar's exact test says whether chance explains the images that flipped.
    """
    from eval.medical.comparing import compared
    from eval.medical.running import dataset_of
    from eval.runs import Run
    from rag_app.cli.medical_evaluate_text import compared_lines
    from rag_app.errors import UsageError
    from rag_app.medical import DISCLAIMER
    from rag_app.render.medical_comparison import write_medical_comparison

    if data is not None and html is None:
        raise UsageError("--data says where the images of the page are; add --html FILE.")
    runs = Run.open(before), Run.open(after)
    found = compared(*runs)
    document = {"disclaimer": DISCLAIMER["en"], **found.to_dict()}
    lines = compared_lines(found)
    if html is not None:
        dataset = dataset_of(runs[0], data) or dataset_of(runs[1])
        write_medical_comparison(found, dataset, html)
        if dataset is None:
            lines.append(
                "The dataset is no longer where it was, so the page has no images; say where it is: --data DIR."
            )
        lines.append(f"Page: {html}")
        document["page"] = str(html)
    return Shown(document, "\n".join([*lines, DISCLAIMER["en"]]))
