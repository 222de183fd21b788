"""`rag-app eval compare`, `report` and `runs`: what to do with runs that are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rag_app.cli.evaluation_run import RUNS_FOLDER, report_options, runs_below, write_reports
from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import InputError

_RUN = click.Path(file_okay=False, path_type=Path)


F = TypeVar("F", bound=Callable[..., Any])


def _with_reports(function: F) -> F:
    for option in report_options():
        function = option(function)
    return function


@command("compare", example="rag-app eval compare runs/before runs/after --html comparison.html")
@click.argument("before", type=_RUN, metavar="RUN")
@click.argument("after", type=_RUN, metavar="RUN")
@_with_reports
@pass_call
def compare(call: Call, *, before: Path, after: Path, html: Path | None, markdown: Path | None) -> Shown:
    """Compare two runs, item by item.

    The earlier one comes first; both are of one kind. Only items that both scored are compared; the others are
    counted. Metrics of 0 and 1 are tested by McNemar's exact test, others by the paired bootstrap; p is adjusted by
    Holm over the metrics. The items that flipped are listed.

    --html and --markdown: the later run's report, with the comparison in it.
    """
    from eval.runs import Run
    from eval.runs.comparing import compare_runs

    earlier, later = Run.open(before), Run.open(after)
    comparison = compare_runs(earlier, later)
    written = write_reports(call, later, html=html, markdown=markdown, earlier=earlier)
    told = [comparison.table(), *(f"Written: {path}" for path in written)]
    return Shown({**comparison.to_dict(), "written": [str(path) for path in written]}, "\n".join(told))


@command("report", example="rag-app eval report rag_library/evaluations/20260115-101500-answers --html report.html")
@click.argument("run_folder", type=_RUN, metavar="RUN")
@_with_reports
@pass_call
def report(call: Call, *, run_folder: Path, html: Path | None, markdown: Path | None) -> Shown:
    """Show a run again, and write its report.

    The report has the figures, plots, the failures by their cause, and the worst items with their pages; without --html
    and --markdown the figures are shown only. A run that was cut off is shown as far as it came.
    """
    from eval.runs import Run

    run = Run.open(run_folder)
    summary = run.summary()
    written = write_reports(call, run, html=html, markdown=markdown)
    told = [summary.table(), *(f"Written: {path}" for path in written)]
    document = {
        "run": str(run.folder),
        "manifest": run.manifest.to_dict(),
        "summary": summary.to_dict(),
        "written": [str(path) for path in written],
    }
    return Shown(document, "\n".join(told))


@command("runs", example="rag-app eval runs --json")
@pass_call
def runs(call: Call) -> Shown:
    """List the runs in the library, newest first."""
    from eval.runs import Run
    from eval.statistics import text_table

    listed: list[dict[str, Any]] = []  # Any: JSON
    damaged: list[str] = []
    for folder in runs_below(call.library):
        try:
            run = Run.open(folder)
        except InputError as exc:
            damaged.append(str(exc))
            continue
        done, manifest = len(run.done()), run.manifest
        listed.append(
            {
                "run": str(run.folder),
                "kind": manifest.kind,
                "started": manifest.started,
                "total": max(manifest.total, len(run.rows())),
                "done": done,
                "failed": len(run.rows()) - done,
                "models": dict(manifest.models),
                "judge": dict(manifest.judge) if manifest.judge else None,
            }
        )
    rows = [
        [one["run"], one["kind"], one["started"], f"{one['done']}/{one['total']}", one["models"].get("answer", "-")]
        for one in listed
    ]
    told = text_table(["run", "kind", "started", "done", "answered by"], rows) if rows else ""
    if not rows:
        told = f"There is no run in {call.library / RUNS_FOLDER}. Make one: rag-app eval answers JSONL"
    return Shown({"runs": listed, "damaged": damaged}, "\n".join([told, *damaged]), exit_code=1 if damaged else 0)
