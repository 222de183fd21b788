"""/save: the whole conversation as a page, as Markdown, or as JSON Lines."""

from __future__ import annotations

from collections.abc import Sequence

from rag_app.errors import UsageError
from rag_app.render.conversation import conversation_html, conversation_jsonl, conversation_markdown
from rag_app.render.self_contained import write_whole
from rag_app.repl.chat import Chat
from rag_app.repl.words import path_of

SUFFIXES = (".html", ".md", ".jsonl")


def save(chat: Chat, words: Sequence[str]) -> None:
    """Write it to the file that the words name, replacing it whole."""
    path = path_of(" ".join(words))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError("Write /save FILE.html, /save FILE.md or /save FILE.jsonl.")
    chat.turn()
    if suffix == ".html":
        text = conversation_html(chat.turns, library=chat.library)
    elif suffix == ".md":
        text = conversation_markdown(chat.turns)
    else:
        text = conversation_jsonl(chat.turns)
    size = write_whole(path, iter([text]), option="/save FILE")
    noun = "answer" if len(chat.turns) == 1 else "answers"
    chat.say(f"Saved: {path} ({len(chat.turns)} {noun}, {size / 1e3:,.0f} kB)")
