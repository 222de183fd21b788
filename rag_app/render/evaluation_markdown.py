"""The report of a run as Markdown, for reading in a terminal, a pull request or a repository."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rag_app.render.evaluation_kept import advice_header

if TYPE_CHECKING:
    from rag_app.render.evaluation import Changes, Report
    from rag_app.render.evaluation_cases import Case
    from rag_app.render.evaluation_groups import Failures

_SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]<>#|~"})


def report_markdown(report: Report, *, plots: str) -> str:
    """The report as text. plots: the folder of its plots, as seen from where the text will stand."""
    return "\n\n".join(_blocks(report, plots)) + "\n"


def _blocks(report: Report, plots: str) -> Iterator[str]:
    manifest = report.run.manifest
    models = ", ".join(f"{role.replace('_', ' ')} {model}" for role, model in manifest.models.items())
    yield f"# {report.title}"
    yield f"{_plain(report.run.folder.name)}, {manifest.started}" + (f"; {_plain(models)}" if models else "") + "."
    yield report.accounting
    if report.lines:
        yield from _metrics(report)
    groups = report.groups
    if len(groups) > 1:
        yield f"### By {report.split_by}"
        names = [", ".join(group.by.values()) or "all" for group in groups]
        counts = [["items", *(group.total for group in groups)], ["failed", *(group.failed for group in groups)]]
        yield _table(["mean", *names], [*counts, *([name, *means] for name, means in report.table)])
    if report.halves:
        yield "### Without parts of the search"
        yield _table(["search", *report.halves.metrics], report.halves.rows)
        yield report.halves.says
    if report.figures:
        yield "## Plots"
    for figure in report.figures:
        yield f"### {_plain(figure.title)}"
        yield f"![{_plain(figure.title)}]({plots}/{figure.name}.svg)"
        yield _plain(figure.says)
    if report.judging:
        yield _plain(report.judging)
    if report.advice:
        yield "## Settings that would help"
        yield f"From the sweep {_plain(report.advice.source)}: {report.advice.questions}."
        yield "\n".join(f"- {_plain(one)}" for one in report.advice.sentences)
        yield _table(advice_header(report.advice), report.advice.tried)
    if report.failures:
        yield from _failures(report.failures)
    if report.cases:
        yield f"## The worst {len(report.cases)}"
        for rank, shown in enumerate(report.cases, start=1):
            yield from _case(rank, shown)
    if report.changes:
        yield from _changes(report.changes)
    yield "## How it was made"
    if manifest.command:
        yield f"    {manifest.command}"
    named = {"settings": manifest.settings, "judge": manifest.judge or {}, "seeds": manifest.seeds}
    named |= {"sha256": manifest.digests, "versions": manifest.versions}
    yield "\n".join(
        f"- {name}: " + ", ".join(f"{_plain(key)} {_plain(str(value))}" for key, value in values.items())
        for name, values in named.items()
        if values
    )


def _metrics(report: Report) -> Iterator[str]:
    yield "## Metrics"
    yield "Means are over the scored items; intervals: 95 % bootstrap over items. Lost: failed or not scored."
    header = [
        "metric",
        "mean",
        "95 % interval",
        "scored",
        "not scored",
        "failed",
        "does not apply",
        "items",
        "lost as 0",
    ]
    yield _table(
        header,
        [
            [
                line.name, line.value, line.interval, line.score.scored, line.score.unscored, line.score.failed,
                line.score.inapplicable, line.total, f"{line.score.lower_bound:.3f}" if line.score.scored else "-",
            ]
            for line in report.lines
        ],
    )  # fmt: skip
    reasons = [(line.name, reason, count) for line in report.lines for reason, count in line.lost.items()]
    if reasons:
        yield "\n".join(f"- {count} without {_plain(name)}: {_plain(reason)}" for name, reason, count in reasons)


def _failures(told: Failures) -> Iterator[str]:
    yield "## Why items failed"
    rest = f" {told.rest} items are in none: nothing was to be found." if told.rest else ""
    yield (
        f"Each of {told.diagnosed} items is in one group: the first stop between the file and the answer that lost "
        f"what was needed.{rest}"
    )
    rows = [[g.title, g.total, f"{100 * g.total / told.diagnosed:.1f} %", *g.counts] for g in told.groups]
    yield _table(["group", "items", "share", *told.columns], [*rows, ["all", told.diagnosed, "", *told.totals]])
    for group in told.failing:
        yield f"### {group.title.capitalize()}: {group.total}"
        yield f"{group.means} {_plain(group.mends)}"
        yield "\n".join(
            f"- **{_plain(item.id)}** {_plain(item.question)}<br>{_plain(item.reason)}" for item in group.items
        )


def _case(rank: int, shown: Case) -> Iterator[str]:
    title = f": {shown.title}" if shown.title else ""
    yield f"### {rank}. {_plain(shown.id)}{title}"
    if shown.question:
        yield f"**{_plain(shown.question)}**"
    if shown.reason:
        yield _plain(shown.reason)
    lines = []
    if shown.accepted:
        lines.append(f"- right: {_plain(' / '.join(shown.accepted))}")
    lines += [f"- stands on {_plain(where)}: {_plain(text)}" for where, text in shown.wanted]
    if shown.answer is not None:
        sure = "" if shown.confidence is None else f" (confidence {shown.confidence:.2f})"
        lines.append(f"- {'refused' if shown.refused else 'answered'}{sure}: {_plain(shown.answer)}")
    lines += [f"- found {one.rank}: {_plain(one.where)}" for one in shown.found if one.gold or one.cited]
    lines += [f"- {_plain(name)}: {_plain(value)}" for name, value in shown.details]
    if shown.scores:
        lines.append("- scores: " + ", ".join(f"{_plain(name)} {value}" for name, value in shown.scores))
    if lines:
        yield "\n".join(lines)


def _changes(changes: Changes) -> Iterator[str]:
    found = changes.comparison
    yield "## Changes since an earlier run"
    yield (
        f"Before: {_plain(found.before)}. {found.common} items are in both runs, {found.only_before} only before, "
        f"{found.only_after} only now. p: McNemar's exact test for shares, paired bootstrap else, adjusted by Holm."
    )
    if found.changed:
        yield "\n".join(f"- {_plain(one)}" for one in found.changed)
    yield _table(
        ["metric", "items", "before", "now", "difference", "95 % interval", "p", "rose", "fell", "scored in one only"],
        [
            [
                one.metric, one.n, f"{one.before:.3f}", f"{one.after:.3f}", f"{one.difference:+.3f}",
                f"{one.low:+.3f} to {one.high:+.3f}", f"{one.adjusted:.3f}{' *' if one.significant else ''}",
                one.rose, one.fell, one.unpaired,
            ]
            for one in found.differences
        ],
    )  # fmt: skip
    for said, ids in (("Failed now", found.newly_failed), ("Failed before", found.mended)):
        if ids:
            yield f"{said}: {_plain(', '.join(ids))}."
    for one in found.differences:
        if one.flipped:
            yield f"{_plain(one.metric)} flipped:"
            yield "\n".join(
                f"- {'↑' if flip.after > flip.before else '↓'} {_plain(flip.id)} {_plain(changes.words[flip.id])}"
                for flip in one.flipped
            )
    for move in changes.moved:
        yield f"{move.before} → {move.after}: " + ", ".join(_plain(item) for item, _ in move.items) + "."


def _table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    def line(cells: Sequence[object]) -> str:
        return f"| {' | '.join(_plain(str(cell)) for cell in cells)} |"

    rule = f"| --- | {' | '.join(['---:'] * (len(header) - 1))} |"
    return "\n".join([line(header), rule, *map(line, rows)])


def _plain(text: str) -> str:
    """`text` on one line, nothing of it read as Markdown or HTML."""
    return " ".join(text.split()).translate(_SPECIAL)
