"""The progress bar of what takes long: done, left and the rate; nothing where stderr is not a terminal."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from rag_app.render.terminal import draws


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}/s" if speed else "", style="dim")


class ProgressBar:
    """Call it with how many are done and how many are known so far; use it as a context.

    Args:
        doing: what is going on, "Reading".
        unit: what is counted, in the plural.
    """

    def __init__(self, doing: str, unit: str) -> None:
        console = Console(file=sys.stderr)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn(unit),
            _Rate(unit),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not draws(sys.stderr, os.environ),
        )
        self._task = self._progress.add_task(doing, total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)


class StageBars:
    """A bar for each thing that is counted, after another; a context. Call it with what, how many done, and in all.

    What is counted in "bytes" is shown in megabytes; what has 0 in all is going on, nobody knows how far.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            console=Console(file=sys.stderr),
            transient=True,
            disable=not draws(sys.stderr, os.environ),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        shown, unit = ("MB", 1_000_000) if what == "bytes" else (what, 1)
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(f"{self._doing} {shown}", total=None)
        if total:
            self._progress.update(self._tasks[what], completed=done // unit, total=max(total // unit, done // unit))


class BytesBar:
    """The progress of a download: what is going on, bytes done, bytes known so far. A context; call it as it comes."""

    def __init__(self, doing: str) -> None:
        console = Console(file=sys.stderr)
        self._doing = doing
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not draws(sys.stderr, os.environ),
        )
        self._task = self._progress.add_task(doing, total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, status: str, done: int, total: int) -> None:
        doing = self._doing if status.startswith("pulling") or not status else f"{self._doing}: {status}"
        self._progress.update(self._task, description=doing, completed=done, total=total or None)
