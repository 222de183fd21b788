"""A reply without the thinking before it.

A server that knows its model's form of thinking sends it in a field of its own; one that does not leaves it at the
beginning of the text, between <think> and </think>.
"""

from __future__ import annotations

_BEGIN, _END = "<think>", "</think>"


class Thoughts:
    """Takes the pieces of a text as they come, and gives what is not thinking.

    `any`: there was thinking in the text.
    """

    def __init__(self) -> None:
        self.any = False
        self._held = ""
        self._state = "start"  # start: it may begin with thinking; thinking; blank: after it; text

    def add(self, piece: str) -> str:
        """The text that has come with this piece."""
        if self._state == "text":
            return piece
        self._held += piece
        if self._state == "start":
            begun = self._held.lstrip()
            if _BEGIN.startswith(begun[: len(_BEGIN)]) and len(begun) < len(_BEGIN):
                return ""  # not yet known
            if not begun.startswith(_BEGIN):
                self._state = "text"
                return self._rest()
            self.any, self._state, self._held = True, "thinking", begun[len(_BEGIN) :]
        if self._state == "thinking":
            _, end, after = self._held.partition(_END)
            if not end:
                return ""
            self._state, self._held = "blank", after
        self._held = self._held.lstrip()
        if not self._held:
            return ""
        self._state = "text"
        return self._rest()

    def end(self) -> str:
        """What was held back in case it was the beginning of thinking, and is not."""
        return self._rest() if self._state == "start" else ""

    def _rest(self) -> str:
        rest, self._held = self._held, ""
        return rest
