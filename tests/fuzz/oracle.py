"""What counts as right: a value, or a RagAppError that a person can be shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from rag_app.errors import RagAppError

P = ParamSpec("P")
T = TypeVar("T")


def tried(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
    """What the function gives; None where it refuses with a sentence. Any other exception goes through."""
    try:
        return function(*arguments, **named)
    except RagAppError as exc:
        said(exc)
        return None


def said(exc: RagAppError) -> None:
    """The error's text is a sentence that can be printed."""
    text = str(exc)
    assert text.strip() and "Traceback" not in text, text[:500]
    text.encode("utf-8", "backslashreplace")


def storable(text: str) -> None:
    """Whether a text can be kept in the library and sent to a model: it holds no half of a surrogate pair."""
    text.encode("utf-8")
