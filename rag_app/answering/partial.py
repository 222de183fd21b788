"""The statements of a JSON reply while it still arrives: their text, piece by piece, before the reply is whole."""

from __future__ import annotations

from dataclasses import dataclass

_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(slots=True)
class _Container:
    """An open object or list. key: of the value that comes next in an object; at_key: a string now would be a key."""

    is_object: bool
    key: str = ""
    at_key: bool = False


class ArrivingStatements:
    """Takes a reply in pieces and gives back what is new of each statement's text; a blank line between statements.

    It never fails: what is not JSON of that shape gives nothing. What is cut at a piece's end (an escape, half of a
    surrogate pair) is held back until the rest comes.
    """

    def __init__(self) -> None:
        self._open: list[_Container] = []
        self._in_string = False
        self._wanted = False  # the open string is a statement's text
        self._key: list[str] = []  # the open string, when it is a key
        self._escape: str | None = None  # what came of an escape so far, after the backslash
        self._high = ""  # the first half of a surrogate pair
        self._begun = 0  # statements' texts begun
        self._blank = False  # a blank line is due before the next character
        self._ended = False

    def take(self, piece: str) -> str:
        """What `piece` adds to the statements' texts."""
        out: list[str] = []
        for character in piece:
            if self._ended:
                break
            if self._in_string:
                self._string(character, out)
            else:
                self._structure(character)
        return "".join(out)

    def _structure(self, character: str) -> None:
        here = self._open[-1] if self._open else None
        if character in "{[":
            if here is None and character == "[":
                return  # prose before the reply
            self._open.append(_Container(character == "{", at_key=character == "{"))
        elif character in "}]" and here is not None:
            self._open.pop()
            self._ended = not self._open
        elif character == '"' and here is not None:
            self._in_string = True
            self._wanted = not here.at_key and self._path() == ("statements", "", "text")
            self._key = []
            if self._wanted:
                self._blank = self._begun > 0
                self._begun += 1
        elif character == "," and here is not None and here.is_object:
            here.at_key = True
        elif character == ":" and here is not None:
            here.at_key = False

    def _path(self) -> tuple[str, ...]:
        return tuple(container.key if container.is_object else "" for container in self._open)

    def _string(self, character: str, out: list[str]) -> None:
        if self._escape is not None:
            self._escaped(character, out)
        elif character == "\\":
            self._escape = ""
        elif character == '"':
            self._give("", out)
            self._in_string = False
            here = self._open[-1]
            if here.is_object and here.at_key:
                here.key = "".join(self._key)
        else:
            self._give(character, out)

    def _escaped(self, character: str, out: list[str]) -> None:
        assert self._escape is not None
        if not self._escape and character != "u":
            self._escape = None
            self._give(_ESCAPES.get(character, character), out)
            return
        self._escape += character
        if len(self._escape) == 5:
            code, self._escape = self._escape[1:], None
            try:
                self._give(chr(int(code, 16)), out)
            except ValueError:
                self._give(_REPLACEMENT, out)

    def _give(self, character: str, out: list[str]) -> None:
        """Give a decoded character; an empty one ends the string. Halves of surrogate pairs are joined."""
        high, self._high = self._high, ""
        if high and "\udc00" <= character <= "\udfff":
            self._put((high + character).encode("utf-16", "surrogatepass").decode("utf-16"), out)
            return
        if high:
            self._put(_REPLACEMENT, out)
        if "\ud800" <= character <= "\udbff":
            self._high = character
        elif "\udc00" <= character <= "\udfff":
            self._put(_REPLACEMENT, out)
        elif character:
            self._put(character, out)

    def _put(self, character: str, out: list[str]) -> None:
        if self._wanted:
            if self._blank:
                out.append("\n\n")
                self._blank = False
            out.append(character)
        else:
            self._key.append(character)
