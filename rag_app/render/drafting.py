"""The draft of an answer while a model writes it: on a terminal, and gone once the checked answer is there."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rag_app.render.terminal import Screen, colours, draws
from rag_app.settings import RightToLeft

if TYPE_CHECKING:
    from rich.live import Live

_BETWEEN_S = 0.1  # seconds between two drawings


class DraftView:
    """Call it with each new piece of the draft; use it as a context. Draws nothing where `stream` is no terminal.

    The last lines that fit are shown dimmed, and taken away at the end: what stays on the screen is the checked answer.
    What drawing needs is loaded before the first piece comes, so that the first is shown at once.
    """

    def __init__(self, right_to_left: RightToLeft, *, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._right_to_left: RightToLeft = right_to_left
        self._draft = ""
        self._drawn_at = 0.0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if draws(self._stream, os.environ):
            from rich.console import Console
            from rich.live import Live

            from rag_app.render import terminal_markdown  # noqa: F401  # loaded here, while the model reads

            console = Console(file=self._stream)
            self._live = Live(console=console, transient=True, auto_refresh=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, piece: str) -> None:
        if self._live is None:
            return
        self._draft += piece
        now = time.monotonic()
        if now - self._drawn_at >= _BETWEEN_S:
            self._drawn_at = now
            self._draw(self._live)

    def _draw(self, live: Live) -> None:
        from rich.text import Text

        from rag_app.render.terminal_markdown import markdown_texts

        size = live.console.size
        screen = Screen.detect(self._right_to_left, on_terminal=True, columns=size.width)
        lines = markdown_texts(self._draft, screen)[-max(size.height - 2, 1) :]
        live.start()
        if colours(self._stream, os.environ):
            shown = Text("\n", style="dim").join(lines)
        else:
            shown = Text("\n".join(line.plain for line in lines))
        live.update(shown, refresh=True)
