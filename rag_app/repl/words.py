"""Reading the words after a command's name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rag_app.errors import UsageError

if TYPE_CHECKING:
    from rag_app.answering.turns import Turn
    from rag_app.citations import Citation


def none_of(words: Sequence[str], name: str) -> None:
    """Refuse words after a command that takes none."""
    if words:
        raise UsageError(f"/{name} takes nothing after it.")


def whole_number(word: str, what: str) -> int:
    """A number from 1 to a million, in any script's digits."""
    try:
        number = int(word)
    except ValueError:
        number = 0
    if not 1 <= number <= 1_000_000:
        raise UsageError(f"{word[:40]!r} is no number of a {what}; write a whole number such as 2.")
    return number


def citation_of(turn: Turn, words: Sequence[str], name: str) -> Citation:
    """The citation of `turn` that the words name; the first where they name none."""
    if len(words) > 1:
        raise UsageError(f"Write /{name} N, the number of one citation.")
    citations = {citation.n: citation for citation in turn.answer.citations}
    if not citations:
        raise UsageError(f"The last answer cites nothing, so /{name} has nothing to show; /why says what was found.")
    n = whole_number(words[0].strip("[]"), "citation") if words else min(citations)
    if n not in citations:
        raise UsageError(f"The last answer has no citation {n}; it has {', '.join(map(str, citations))}.")
    return citations[n]


def path_of(word: str) -> Path:
    """The path a user wrote, ~ for the home folder."""
    return Path(os.path.expanduser(word))  # noqa: PTH111  # Path.expanduser raises where there is no such user


def exists(path: Path) -> bool:
    """Whether `path` is there; False too for a name that no file can have."""
    try:
        return path.exists()
    except OSError:
        return False
