"""`eval report`: a run as one self-contained HTML page and as Markdown, for a reader who doubts it.

What was measured with what; every metric with its interval and the count of what it leaves out; plots; why items
failed; the worst of them with their pages; what changed since an earlier run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from eval.failures import Diagnosis, diagnose_rows
from eval.runs import Group, Run, Score, Summary
from eval.runs.comparing import Comparison, compare_runs
from rag_app.errors import LibraryNotFound
from rag_app.library import Library
from rag_app.render.evaluation_cases import WORST, Album, Case, case, number, worst
from rag_app.render.evaluation_groups import TITLES, Failures, failures, question
from rag_app.render.evaluation_kept import Advice, Halves, advice, advice_header, halves, judging
from rag_app.render.evaluation_plots import Figure, figures
from rag_app.render.page import answer_html, direction
from rag_app.render.plots import svg
from rag_app.render.self_contained import environment, write_whole

RUNS_FOLDER = "evaluations"  # below the library
# The figure that says most of a kind of run; of other kinds the first of its metrics.
_MAIN = {"answers": "right", "retrieval": "hit@5", "quiz": "with_library"}
_SWEEP = "sweep"  # its items are of several settings, so that no mean over all of them says anything
_FOLLOWED = ("answers", "retrieval", "quiz")  # kinds of runs whose failures are followed from the file to the answer
_HEADLINES = {
    "answers": (
        "right",
        "answered",
        "citation_precision",
        "refusal_recall",
        "ragas_faithfulness",
        "ragas_factual_correctness",
    ),
    "retrieval": ("hit@1", "hit@5", "recall@5", "ndcg@10"),
    "quiz": ("closed_book", "with_library", "page_found"),
}
_FIRST_LINES = 4  # of the metrics are the headlines of other kinds of runs


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One metric over all items; value, low and high as shown, "-" where nothing was scored; lost: reason -> items."""

    name: str
    value: str
    interval: str
    score: Score
    total: int
    lost: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Moved:
    """Items of two runs that are in another failure group now."""

    before: str
    after: str
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What became otherwise since an earlier run. words: id -> question."""

    comparison: Comparison
    moved: tuple[Moved, ...]
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """All that both forms of the report show. table: (metric, a mean for each of `groups`)."""

    run: Run
    summary: Summary
    lines: tuple[MetricLine, ...]
    headlines: tuple[MetricLine, ...]
    groups: tuple[Group, ...]
    table: tuple[tuple[str, tuple[str, ...]], ...]
    figures: tuple[Figure, ...]
    failures: Failures | None
    cases: tuple[Case, ...]
    album: Album | None
    changes: Changes | None
    advice: Advice | None
    halves: Halves | None
    judging: str | None

    @property
    def title(self) -> str:
        return f"Evaluation of {self.run.manifest.kind}"

    @property
    def split_by(self) -> str:
        """ "language and kind": what the items are split by."""
        keys = list(dict.fromkeys(key for group in self.summary.groups for key in group.by))
        return " and ".join([", ".join(keys[:-1]), keys[-1]] if len(keys) > 1 else keys)

    @property
    def accounting(self) -> str:
        whole = self.summary.all
        done = whole.total - whole.failed
        said = f"{self.summary.total} items: {done} with a result, {whole.failed} failed"
        return said + (f", {self.summary.missing} not asked yet." if self.summary.missing else ".")


def write_report(
    run: Run,
    *,
    library: Path,
    html: Path | None = None,
    markdown: Path | None = None,
    earlier: Run | None = None,
    cases: int = WORST,
) -> list[Path]:
    """Write the report of `run` as HTML, as Markdown, or both; the files written. The plots stand beside Markdown.

    library: the folder of the library that was asked; where there is none the report has no pages of papers.
    earlier: a run of the same kind to compare with. cases: how many of the worst items are shown.
    Raises UsageError when a file cannot be written, or when the runs cannot be compared.
    """
    from rag_app.render.evaluation_markdown import report_markdown

    written: list[Path] = []
    with _shelf(library) as shelf:
        report = build_report(run, shelf, runs_folder=library / RUNS_FOLDER, earlier=earlier, cases=cases)
    if html is not None:
        write_whole(html, iter([report_html(report)]))
        written.append(html)
    if markdown is not None:
        plots = markdown.with_name(f"{markdown.stem}_plots")
        for figure in report.figures:
            path = plots / f"{figure.name}.svg"
            write_whole(path, iter([svg(figure.plot, name=figure.name, label=figure.title)]), option="--markdown")
            written.append(path)
        write_whole(markdown, iter([report_markdown(report, plots=plots.name)]), option="--markdown")
        written.append(markdown)
    return written


@contextmanager
def _shelf(folder: Path) -> Iterator[Library | None]:
    """The library, None where there is none."""
    try:
        library = Library.open(folder, create=False, read_only=True)
    except LibraryNotFound:
        yield None
        return
    with library:
        yield library


def build_report(
    run: Run, shelf: Library | None, *, runs_folder: Path, earlier: Run | None = None, cases: int = WORST
) -> Report:
    """What the report of `run` shows; see `write_report`. runs_folder: where a sweep is looked for."""
    rows, summary = run.rows(), run.summary()
    followed = run.manifest.kind in _FOLLOWED
    diagnoses = diagnose_rows(rows, shelf) if followed else {}
    lines = _lines(run, summary)
    main = _main(run, lines)
    album = Album(shelf) if shelf is not None else None
    chosen = worst(rows, diagnoses, metric=main, most=cases) if run.manifest.kind != _SWEEP else []
    shown = [case(row, rank, diagnoses.get(row.id), album) for rank, row in enumerate(chosen, start=1)]
    plots = figures(rows, diagnoses, main) if run.manifest.kind != _SWEEP else []
    advised = advice(run, runs_folder)
    groups = summary.groups[1:] if run.manifest.kind == _SWEEP else summary.groups
    return Report(
        run,
        summary,
        lines,
        _headlines(run, lines),
        groups,
        _table(summary, groups),
        (*plots, *([advised.figure] if advised and advised.figure else [])),
        failures(rows, diagnoses) if diagnoses else None,
        tuple(shown),
        album,
        _changes(earlier, run, diagnoses, shelf) if earlier is not None else None,
        advised,
        halves(run),
        judging(run),
    )


def report_html(report: Report) -> str:
    """The page as text."""
    filters = {"direction": direction, "answer": _answer, "header": advice_header}
    plots = [
        (figure, Markup(svg(figure.plot, name=figure.name, label=figure.title, themed=True)))  # svg() escapes its words
        for figure in report.figures
    ]
    pictures = report.album.pictures if report.album else {}
    return environment(filters).get_template("evaluation.html.j2").render(report=report, plots=plots, pictures=pictures)


def _answer(shown: Case) -> Markup:
    """The answer with its citation marks, each leading to its box in this case."""
    marks = {n: str(n) for n in shown.cited}
    return answer_html(shown.answer or "", shown=marks, address=lambda n: f"#{shown.anchor}-b{n}")


def _lines(run: Run, summary: Summary) -> tuple[MetricLine, ...]:
    if run.manifest.kind == _SWEEP:
        return ()
    reasons: dict[str, Counter[str]] = {}
    for row in run.rows():
        for metric, reason in row.unscored.items():
            reasons.setdefault(metric, Counter())[reason] += 1
    whole = summary.all
    return tuple(
        MetricLine(
            name,
            number(score.mean.value) if score.scored else "-",
            f"{number(score.mean.low)} to {number(score.mean.high)}" if score.scored else "-",
            score,
            whole.total,
            dict(reasons.get(name, Counter()).most_common()),
        )
        for name, score in whole.scores.items()
    )


def _main(run: Run, lines: Sequence[MetricLine]) -> str | None:
    names = [line.name for line in lines]
    wanted = _MAIN.get(run.manifest.kind)
    return wanted if wanted in names else next(iter(names), None)


def _headlines(run: Run, lines: Sequence[MetricLine]) -> tuple[MetricLine, ...]:
    wanted = _HEADLINES.get(run.manifest.kind, ())
    chosen = [line for name in wanted for line in lines if line.name == name]
    return tuple(chosen or lines[:_FIRST_LINES])


def _table(summary: Summary, groups: Sequence[Group]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    def shown(score: Score | None) -> str:
        return number(score.mean.value) if score is not None and not math.isnan(score.mean.value) else "-"

    return tuple((name, tuple(shown(group.scores.get(name)) for group in groups)) for name in summary.all.scores)


def _changes(earlier: Run, run: Run, after: Mapping[str, Diagnosis], shelf: Library | None) -> Changes:
    before = diagnose_rows(earlier.rows(), shelf) if after else {}
    words = {row.id: question(row) for row in (*earlier.rows(), *run.rows())}
    moved: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for item, diagnosis in after.items():
        if item in before and before[item].group != diagnosis.group:
            pair = TITLES[before[item].group], TITLES[diagnosis.group]
            moved.setdefault(pair, []).append((item, words[item]))
    most_first = sorted(moved.items(), key=lambda entry: -len(entry[1]))
    return Changes(compare_runs(earlier, run), tuple(Moved(*pair, tuple(items)) for pair, items in most_first), words)
