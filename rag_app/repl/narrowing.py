"""/filter, /kind and /language: where answers are looked for from the next question on."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence

from ingestion.keys import NODE_KINDS
from rag_app.errors import UsageError
from rag_app.library import ANSWER_LANGUAGES
from rag_app.repl.chat import Chat
from rag_app.repl.words import whole_number

NONE = ("none", "all", "off")
FILTERS = ("paper", "page", "none")
_MOST_PAGES = 1000


def narrow(chat: Chat, words: Sequence[str]) -> None:
    """Show the scope, or answer from papers or pages only. A word that is no kind of filter is taken for a paper."""
    if not words:
        chat.say(chat.scope.words())
        return
    what, rest = words[0].lower(), words[1:]
    if what in NONE and not rest:
        chat.narrow(dataclasses.replace(chat.scope, papers=(), pages=()))
    elif what in ("page", "pages"):
        chat.narrow(dataclasses.replace(chat.scope, pages=() if _none(rest) else _pages(rest)))
    else:
        named = rest if what in ("paper", "papers") else words
        if not named:
            raise UsageError("Write /filter paper NAME, such as a name that /papers lists.")
        chat.narrow(dataclasses.replace(chat.scope, papers=() if _none(named) else tuple(named)))
    chat.say(chat.scope.words())


def kind(chat: Chat, words: Sequence[str]) -> None:
    """Show the scope, or answer from these kinds of evidence only."""
    if words:
        wanted = [part for word in words for part in word.lower().split(",") if part]
        kinds = () if _none(wanted) else tuple(dict.fromkeys(map(_kind, wanted)))
        chat.narrow(dataclasses.replace(chat.scope, kinds=kinds))
    chat.say(chat.scope.words())


def language(chat: Chat, words: Sequence[str]) -> None:
    """Show the scope, or answer in this language."""
    if len(words) > 1:
        raise UsageError("Write /language en, /language fa, or /language none for each question's own.")
    if words:
        chat.narrow(dataclasses.replace(chat.scope, language=None if _none(words) else words[0].lower()[:40]))
    chat.say(chat.scope.words())


LANGUAGES = (*ANSWER_LANGUAGES, "none")
KINDS = (*NODE_KINDS, "none")


def _none(words: Sequence[str]) -> bool:
    return len(words) == 1 and words[0].lower() in NONE


def _kind(word: str) -> str:
    for known in NODE_KINDS:
        if word in (known, f"{known}s"):
            return known
    near = difflib.get_close_matches(word[:40], NODE_KINDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the kinds are {', '.join(NODE_KINDS)}."
    raise UsageError(f"There is no kind {word[:40]!r}; {hint}")


def _pages(words: Sequence[str]) -> tuple[int, ...]:
    """Pages and ranges: "3", "5-7"."""
    pages: list[int] = []
    for word in ",".join(words).split(","):
        if not word:
            continue
        first, dash, last = word.partition("-")
        start = whole_number(first, "page")
        end = whole_number(last, "page") if dash else start
        if end < start or end - start >= _MOST_PAGES:
            raise UsageError(f"{word} is no range of pages; write the lower page first, at most {_MOST_PAGES} pages.")
        pages += range(start, end + 1)
    if not pages:
        raise UsageError("Write /filter page N, such as /filter page 3 or /filter page 5-7.")
    return tuple(sorted(set(pages)))
