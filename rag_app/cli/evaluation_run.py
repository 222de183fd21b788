"""What evaluations share on the command line: where a run is kept, going on with it, gates and reports."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from rag_app.cli.frame import Call, Shown
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from eval.runs import Manifest, Row, Run
    from rag_app.library import Library

F = TypeVar("F", bound=Callable[..., Any])
RUNS_FOLDER = "evaluations"  # below the library
REPORT = "report.html"  # in a run's folder, which the web page shows

_FOLDER = click.Path(file_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
question_sets = click.argument(
    "questions",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="JSONL...",
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options that `run_options` adds, as given."""

    folder: Path | None
    resume: bool
    fail_under: tuple[str, ...]
    no_worse_than: Path | None
    html: Path | None
    markdown: Path | None


def run_options(function: F) -> F:
    """Add --run, --resume, --html, --markdown, --fail-under and --no-worse-than; they arrive as one `options`."""
    for option in (
        click.option(
            "--no-worse-than",
            type=_FOLDER,
            metavar="RUN",
            help="Exit code 1 when a metric fell against that run by more than chance explains.",
        ),
        click.option(
            "--fail-under",
            multiple=True,
            metavar="METRIC=N",
            help="Exit code 1 when the metric's mean is under N; what failed counts as 0. Repeatable.",
        ),
    ):
        function = option(function)
    return kept_options(function)


def kept_options(function: F) -> F:
    """As `run_options`, without the gates."""

    @functools.wraps(function)
    def bundled(*args: Any, **given: Any) -> Any:  # Any: whatever the command takes
        options = RunOptions(
            given.pop("run_folder"),
            given.pop("resume"),
            given.pop("fail_under", ()),
            given.pop("no_worse_than", None),
            given.pop("html"),
            given.pop("markdown"),
        )
        return function(*args, options=options, **given)

    wrapped: Any = bundled
    for option in (
        *report_options(),
        click.option("--resume", is_flag=True, help="Go on with the run in --run, or with the newest of this kind."),
        click.option(
            "--run",
            "run_folder",
            type=_FOLDER,
            metavar="DIR",
            help=f"Keep the run there. [default: LIBRARY/{RUNS_FOLDER}/TIME-KIND]",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


def report_options() -> list[Callable[[F], F]]:
    """--markdown and --html, in the order in which decorators apply."""
    return [
        click.option("--markdown", type=_NEW_FILE, metavar="FILE", help="Also write the report as Markdown."),
        click.option("--html", type=_NEW_FILE, metavar="FILE", help="Also write the report as one HTML page."),
    ]


class Item(Protocol):
    """What is asked: a question, a picture, an element."""

    @property
    def id(self) -> str: ...


Asked = TypeVar("Asked", bound=Item)


def begin(call: Call, options: RunOptions, manifest: Manifest) -> Run:
    """The run to write to, new or gone on with. What is wrong with the gate is told now, not after hours."""
    from eval.runs import Run
    from eval.runs.gate import Threshold

    for text in options.fail_under:
        Threshold.parse(text)
    if options.no_worse_than is not None:
        earlier = Run.open(options.no_worse_than)
        if earlier.manifest.kind != manifest.kind:
            raise UsageError(
                f"--no-worse-than: {options.no_worse_than} is a run of {earlier.manifest.kind}, not of {manifest.kind}."
            )
    folder = options.folder or _default_folder(call, options, manifest)
    run = Run.resume(folder, manifest) if options.resume else Run.create(folder, manifest)
    call.interrupted = f"Interrupted; what was done is kept. Go on with the same command and: --run {folder} --resume"
    return run


def ask_each(run: Run, items: Sequence[Asked], work: Callable[[Asked], Row], *, doing: str, unit: str) -> None:
    """Keep the row that `work` makes of each item, of those that the run does not have yet."""
    from rag_app.cli.progress import ProgressBar

    done = run.done()
    asked = [item for item in items if item.id not in done]
    with ProgressBar(doing, unit) as progress:
        for count, item in enumerate(asked, start=len(items) - len(asked) + 1):
            run.append(work(item))
            progress(count, len(items))


def conclude(
    call: Call,
    options: RunOptions,
    run: Run,
    *,
    document: Mapping[str, Any],  # Any: JSON
    text: str,
    exit_code: int = 0,
) -> Shown:
    """The result of a command that made a run, which is still open: summary written, reports written, gate judged.

    document: what --json shows beside "run", "summary", "written" and "gate"; text: what people see before them.
    """
    from eval.runs import Run
    from eval.runs.gate import Threshold, judge_run

    summary = run.finish()
    earlier = Run.open(options.no_worse_than) if options.no_worse_than is not None else None
    kept = write_reports(call, run, html=run.folder / REPORT, markdown=options.markdown, earlier=earlier)
    written = kept[1:]
    if options.html is not None:
        from rag_app.render.self_contained import write_whole

        write_whole(options.html, iter([kept[0].read_bytes()]))
        written = [options.html, *written]
    verdict = judge_run(run, summary, [Threshold.parse(one) for one in options.fail_under], earlier)
    shown = {
        **document,
        "run": str(run.folder),
        "summary": summary.to_dict(),
        "written": [str(path) for path in written],
        "gate": verdict.to_dict(),
    }
    told = [text, f"Run: {run.folder}", *(f"Written: {path}" for path in written)]
    told += [f"Gate: {reason}" for reason in verdict.reasons]
    return Shown(shown, "\n".join(told), exit_code=exit_code if verdict.passed else 1)


def newest_run(library: Path, kind: str | None = None) -> Path | None:
    """The newest run below the library, of that kind; None where there is none."""
    return next(iter(runs_below(library, kind)), None)


def runs_below(library: Path, kind: str | None = None) -> list[Path]:
    """Folders of the library's runs, newest first; of that kind where one is given."""
    from eval.runs import Run

    folders = sorted((library / RUNS_FOLDER).glob("*/manifest.json"), reverse=True)
    return [path.parent for path in folders if kind is None or Run.open(path.parent).manifest.kind == kind]


def manifest_of(
    kind: str,
    library: Library,
    files: Sequence[Path],
    *,
    total: int,
    settings: Mapping[str, Any],  # Any: JSON
    models: Mapping[str, str] | None = None,
    digests: Mapping[str, str] | None = None,
    seeds: Mapping[str, int] | None = None,
    judge: Mapping[str, Any] | None = None,  # Any: JSON
) -> Manifest:
    """The manifest of a run that asks `library` the questions in `files`; what is given adds to what they decide."""
    import dataclasses

    from eval.runs import Manifest
    from eval.runs.manifest import digest_of_files, digest_of_library
    from eval.statistics import SEED

    status = library.status()
    spaces = {f"{one.role}_embedding": one.name for one in status.spaces if one.active}
    return Manifest(
        kind,
        total,
        settings={**settings, "search": dataclasses.asdict(library.settings.search)},
        models={**(models or {}), **spaces},
        digests={"questions": digest_of_files(files), "library": digest_of_library(status), **(digests or {})},
        seeds={"bootstrap": SEED, **(seeds or {})},
        judge=judge,
        command=command_line(),
    )


def command_line() -> str:
    """What was typed, for the manifest."""
    import shlex

    return shlex.join(["rag-app", *click.get_current_context().ensure_object(Call).words])


def _default_folder(call: Call, options: RunOptions, manifest: Manifest) -> Path:
    if options.resume:
        newest = newest_run(call.library, manifest.kind)
        if newest is None:
            raise UsageError(
                f"There is no run of {manifest.kind} below {call.library / RUNS_FOLDER} to go on with. "
                "Name it: --run DIR"
            )
        return newest
    time = manifest.started[:19].replace(":", "").replace("-", "").replace("T", "-")
    folder = call.library / RUNS_FOLDER / f"{time}-{manifest.kind}"
    number = 2
    while folder.exists():
        folder = folder.with_name(f"{time}-{manifest.kind}-{number}")
        number += 1
    return folder


def write_reports(
    call: Call, run: Run, *, html: Path | None, markdown: Path | None, earlier: Run | None = None
) -> list[Path]:
    """The reports that were asked for; earlier: a run to compare with in them."""
    if html is None and markdown is None:
        return []
    from rag_app.render.evaluation import write_report

    return write_report(run, library=call.library, html=html, markdown=markdown, earlier=earlier)
