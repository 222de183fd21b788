"""What models have read in a library, as text: the report of a run, and the lines of `status`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from rag_app.render.terminal import printable, shorten

if TYPE_CHECKING:
    from rag_app.reports import DescribeReport, DescriptionStatus
    from rag_app.store import Failure

_MOST_FAILURES = 10


def describe_text(report: DescribeReport) -> str:
    """What a run of describing did, its failures, and what to do next."""
    lines = _failures(report.failures)
    models = ", ".join(report.models)
    if report.total:
        parts = [f"{report.done} of {report.total} described by {models} ({report.verified} verified)"]
        parts += [f"{report.failed} failed"] if report.failed else []
        parts += [f"{report.left} left"] if report.left else []
        lines.append(f"{'; '.join(parts)}.")
    else:
        lines.append("There is nothing left to describe." if models else "Nothing has failed.")
    also = [f"{report.already} had been described before"] if report.already else []
    also += [f"{report.skipped} were left out as decoration"] if report.skipped else []
    lines += [f"{'; '.join(also)}."] if also else []
    lines += [click.style(report.stopped, fg="red")] if report.stopped else []
    lines += [report.note] if report.note else []
    if report.failed:
        lines.append("Ask again what failed: rag-app retry, or with another model: rag-app retry --with NAME")
    if report.done > report.verified:
        lines.append(
            f"{report.done - report.verified} unverified: another model may read them better: "
            "rag-app describe --only unverified --with NAME"
        )
    return "\n".join(lines)


def description_lines(status: DescriptionStatus) -> list[str]:
    """The lines of `status` about descriptions; none where no model was asked yet."""
    lines = []
    if status.models:
        lines.append(f"Descriptions: {status.described}, of them verified {status.verified}")
    for tally in status.models:
        parts = [f"{tally.done} done ({tally.verified} verified)"]
        parts += [f"{tally.failed} failed"] if tally.failed else []
        parts += [f"{tally.pending} pending"] if tally.pending else []
        lines.append(f"  {tally.model}: {', '.join(parts)}")
    lines += _failures(status.failures)
    if status.running is not None:
        lines.append(f"Being described now by process {status.running['pid']}, since {status.running['since']}.")
    elif any(tally.pending for tally in status.models):
        pending = next(tally.model for tally in status.models if tally.pending)
        lines.append(f"Nobody works on what is pending: rag-app describe --with {pending}")
    if status.failures:
        lines.append("Ask again what failed: rag-app retry, or with another model: rag-app retry --with NAME")
    return lines


def _failures(failures: Sequence[Failure]) -> list[str]:
    """A line each, those with the same reason under one."""
    lines: list[str] = []
    reasons = list(dict.fromkeys(failure.reason for failure in failures))
    for reason in reasons[:_MOST_FAILURES]:
        places = [_place(failure) for failure in failures if failure.reason == reason]
        lines.append(f"{click.style('failed', fg='red')}     {_listed(places)}: {reason}")
    if len(reasons) > _MOST_FAILURES:
        lines.append(f"           and {len(reasons) - _MOST_FAILURES} more reasons; --json has them all")
    return lines


def _place(failure: Failure) -> str:
    what = failure.label or failure.kind
    where = f" page {failure.page}" if failure.page else ""
    return f"{printable(shorten(failure.document, 40))}{where}, {what}"


def _listed(places: Iterable[str]) -> str:
    found = list(places)
    return "; ".join(found) if len(found) <= 3 else f"{'; '.join(found[:2])} and {len(found) - 2} more"
