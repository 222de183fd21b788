"""The draft of an answer while a model writes it: on a terminal, and gone once the checked answer is there."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rag_app.render.rtl import terminal_orders_itself
from rag_app.render.terminal import Screen, markdown_lines
from rag_app.settings import RightToLeft

if TYPE_CHECKING:
    from rich.live import Live

_BETWEEN_S = 0.1  # seconds between two drawings


class DraftView:
    """Call it with each new piece of the draft; use it as a context. Draws nothing where `stream` is no terminal.

    The last lines that fit are shown dimmed, and taken away at the end: what stays on the screen is the checked answer.
    """

    def __init__(self, right_to_left: RightToLeft, *, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._right_to_left = right_to_left
        self._draft = ""
        self._drawn_at = 0.0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, piece: str) -> None:
        if not self._stream.isatty():
            return
        self._draft += piece
        now = time.monotonic()
        if now - self._drawn_at >= _BETWEEN_S:
            self._drawn_at = now
            self._draw()

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            console = Console(file=self._stream)
            self._live = Live(console=console, transient=True, auto_refresh=False)
            self._live.start()
        size = self._live.console.size
        unable = not terminal_orders_itself(os.environ)
        reorder = self._right_to_left == "reorder" or (self._right_to_left == "auto" and unable)
        lines = list(markdown_lines(self._draft, Screen(width=min(size.width, 100), reorder=reorder)))
        shown = "\n".join(lines[-max(size.height - 2, 1) :])
        self._live.update(Text(shown, style="dim"), refresh=True)
