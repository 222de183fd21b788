"""`rag-app eval extraction`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rag_app.cli.evaluation_run import RunOptions, begin, command_line, conclude, run_options
from rag_app.cli.frame import Call, Shown, command, pass_call

if TYPE_CHECKING:
    from eval.extraction.against_truth import ExtractionReport
    from eval.extraction.scores import Case
    from eval.parsers.records import Parser

_PATH = click.Path(exists=True, path_type=Path)
_PARSERS = ("rag-app", "pymupdf4llm", "pymupdf")


@command(
    "extraction",
    example="rag-app eval extraction data/papers\n"
    "rag-app eval extraction papers/ --parser rag-app --vision qwen2.5vl:7b --vision gemma3:12b --html report.html",
)
@click.argument("papers", nargs=-1, required=True, type=_PATH, metavar="PDF|FOLDER...")
@click.option(
    "--parser", "names", metavar="NAME", multiple=True, help=f"Of {', '.join(_PARSERS)}; repeatable. [default: all]"
)
@click.option(
    "--vision",
    "models",
    metavar="NAME",
    multiple=True,
    help="A model that reads figures, tables, formulas. Repeatable.",
)
@click.option(
    "--truth",
    "truths",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the truths. [default: beside each PDF]",
)
@run_options
@pass_call
def extraction(
    call: Call,
    *,
    papers: tuple[Path, ...],
    names: tuple[str, ...],
    models: tuple[str, ...],
    truths: Path | None,
    options: RunOptions,
) -> Shown:
    """Read papers by several parsers and vision models, and score each in one table.

    The truth of paper.pdf is paper.truth.json (as data/build.py writes it), paper.truth.md or paper.md. A folder with
    dataset.jsonl is scored by its page checks, in the form of olmOCR-bench. A vision model is scored on the tables and
    formulas of our layout, and by how far what it reads agrees with the PDF, which needs no truth.

    No library is needed; its folder holds the run.
    """
    from adapters.limits import limits_of
    from adapters.names import load_model, parse_model_name
    from eval.extraction.cases import find_cases
    from eval.extraction.running import item_ids, measure
    from eval.extraction.table import tabulate
    from eval.parsers.names import parsers
    from rag_app.cli.progress import ProgressBar
    from rag_app.errors import InputError
    from rag_app.render.formula_pictures import formula_png
    from rag_app.settings import Settings

    cases = find_cases(papers, truths=truths)
    settings = Settings.load(call.library)
    loaded = [load_model("vision", parse_model_name(name), settings) for name in models]
    for model in loaded:
        model.check(pictures=True)
    with tempfile.TemporaryDirectory() as crops:
        at_once = max((limits_of(parse_model_name(name), settings).at_once for name in models), default=1)
        chosen = parsers(names or _PARSERS, loaded, crops=Path(crops), parallel=at_once)
        with ProgressBar("Looking through", "papers") as progress:
            total = len(item_ids(cases, chosen, on_progress=progress))
        if not total:
            raise InputError(
                "None of these papers has a truth or page checks: name one with --truth, or a model that reads with "
                "--vision."
            )
        with begin(call, options, _manifest(cases, chosen, total)) as run:
            known = {row.id: row for row in run.rows() if row.error is None}
            with ProgressBar("Reading", "papers") as progress:
                for row in measure(cases, chosen, known=known, draw=formula_png, on_progress=progress):
                    run.append(row)
            reports = _reports(cases, chosen)
            table = tabulate(run.rows())
            document = {**table.to_dict(), "papers": [report.to_dict() for report in reports]}
            text = "\n\n".join([table.text(), *(report.table() for report in reports)])
            return conclude(call, options, run, document=document, text=text)


def _manifest(cases: list[Case], chosen: list[Parser], total: int) -> Any:  # Any: Manifest, imported when called
    from eval.parsers.own import VisionParser
    from eval.runs import Manifest
    from eval.runs.manifest import digest_of_files, digest_of_texts
    from ingestion.describe.prompts import PROMPT_VERSIONS

    vision = [parser.name for parser in chosen if isinstance(parser, VisionParser)]
    digests = {
        "papers": digest_of_files(case.path for case in cases),
        "truths": digest_of_texts(case.truth.sha256 for case in cases if case.truth),
        "checks": digest_of_texts(str(check) for case in cases for check in case.checks),
        "prompts": digest_of_texts(sorted(PROMPT_VERSIONS.values())),
    }
    return Manifest(
        "extraction",
        total,
        models={"vision": ", ".join(vision)} if vision else {},
        settings={"parsers": [parser.name for parser in chosen], "papers": [case.name for case in cases]},
        digests=digests,
        command=command_line(),
    )


def _reports(cases: list[Case], chosen: list[Parser]) -> list[ExtractionReport]:
    """What our own parser found and lost, element by element, where the truth tells places."""
    from eval.extraction.against_truth import run
    from eval.parsers.own import OwnParser
    from eval.truth import read_truth

    own = next((parser for parser in chosen if isinstance(parser, OwnParser)), None)
    return [
        run(own.paper(case.path)[0], read_truth(case.truth.path))
        for case in cases
        if own is not None and case.truth is not None and case.truth.path.suffix == ".json"
    ]
