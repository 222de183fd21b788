"""`rag-app describe` and `retry`: a vision model reads the library's figures, tables and formulas."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.render.described import describe_text

if TYPE_CHECKING:
    from rag_app.reports import DescribeReport

INTERRUPTED = "Interrupted. What was described is kept, the rest stays pending; run the same command again to go on."
KINDS = ("figure", "table", "formula")
_TELL_EVERY_S = 10.0


@command(
    "describe",
    example="rag-app describe --with qwen2.5vl:7b\n"
    "rag-app describe --with qwen2.5vl:7b --paper clip.pdf --kind figure\n"
    "rag-app describe --only unverified --with gemma3:12b\n"
    "rag-app describe --with qwen2.5vl:7b --background",
)
@click.option(
    "--with",
    "model",
    metavar="NAME",
    help="The vision model, such as qwen2.5vl:7b. [default: models.vision in settings]",
)
@click.option(
    "--paper", "papers", multiple=True, metavar="ID|FILE", help="Only this paper, by id or file name (repeat)."
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    metavar="KIND",
    help=f"Only {', '.join(KINDS)} (repeat).",
)
@click.option(
    "--only",
    type=click.Choice(["unverified", "failed"]),
    help="Only what has an unverified description, or what could not be described.",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Questions at the same time. [default: ollama.parallel in settings]",
)
@click.option("--background", is_flag=True, help="Go on in the background; status shows how far it is.")
@pass_call
def describe(
    call: Call,
    *,
    model: str | None,
    papers: tuple[str, ...],
    kinds: tuple[str, ...],
    only: Literal["unverified", "failed"] | None,
    parallel: int | None,
    background: bool,
) -> Shown:
    """Let a vision model read figures, tables and formulas.

    What it reads is checked against what the PDF says, found by its words and its meaning from then on, and shown as
    the model's. What it has described before is not asked again. The library answers meanwhile. Exit code 1 when
    something could not be described.
    """
    from rag_app.library import Library

    call.interrupted = INTERRUPTED
    with Library.open(call.library, create=False) as library:
        if background:
            if model or only != "failed":
                library.vision_model(model).check(pictures=True)
            return in_background(call, model=model, papers=papers, kinds=kinds, only=only, parallel=parallel)
        with DescribeProgress() as progress:
            report = library.describe(
                model, papers=papers, kinds=kinds, only=only, parallel=parallel, on_progress=progress
            )
    return shown(report)


@command("retry", example="rag-app retry\nrag-app retry --with gemma3:12b")
@click.option("--with", "model", metavar="NAME", help="Ask this model. [default: the one that failed]")
@pass_call
def retry(call: Call, *, model: str | None) -> Shown:
    """Ask again about what could not be described.

    Each is asked of the model that failed, or of the one that is named. Exit code 1 when something failed again.
    """
    from rag_app.library import Library

    call.interrupted = INTERRUPTED
    with Library.open(call.library, create=False) as library, DescribeProgress() as progress:
        report = library.retry(model, on_progress=progress)
    return shown(report)


def shown(report: DescribeReport) -> Shown:
    """A run of describing as a command shows it."""
    return Shown(report.to_dict(), describe_text(report), exit_code=1 if report.failed or report.left else 0)


def in_background(
    call: Call,
    *,
    model: str | None,
    papers: Sequence[str] = (),
    kinds: Sequence[str] = (),
    only: str | None = None,
    parallel: int | None = None,
) -> Shown:
    """Start the same command, detached; its process number and its log."""
    from rag_app.cli.background import start_describing

    given = [("--with", model), ("--only", only), ("--parallel", parallel)]
    given += [("--paper", paper) for paper in papers] + [("--kind", kind) for kind in kinds]
    arguments = [part for name, value in given if value is not None for part in (name, str(value))]
    started = start_describing(call.library, arguments)
    return Shown(started.to_dict(), started.text(call.library))


class DescribeProgress:
    """The progress of describing: a bar in a terminal, a line now and then in a log. A context; call it as it comes."""

    def __init__(self) -> None:
        from rag_app.cli.progress import ProgressBar

        self._bar = ProgressBar("Describing", "elements")
        self._told = 0.0

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def __call__(self, done: int, total: int, failed: int) -> None:
        self._bar(done + failed, total)
        if not sys.stderr.isatty() and time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            click.echo(f"{done} of {total} described, {failed} failed", err=True)
