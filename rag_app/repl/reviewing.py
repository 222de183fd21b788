"""/review: generated questions, looked at one by one in the conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rag_app.errors import UsageError
from rag_app.render.review import counts_text, review_text
from rag_app.repl.chat import Chat
from rag_app.repl.words import exists, path_of

if TYPE_CHECKING:
    from eval.generation.reviewing import Review

_HOW = "/review keep, /review drop, /review skip, /review question TEXT or /review answer TEXT"


def review(chat: Chat, words: Sequence[str]) -> None:
    """Begin with the file that the words name, or do what they say of the question that is shown."""
    going = chat.review
    if not words:
        raise UsageError(
            "Write /review FILE.jsonl, a file of rag-app eval generate." if going is None else f"Write {_HOW}."
        )
    say = _SAYINGS.get(words[0].lower())
    if say is None:
        going = chat.review = _begun(chat, " ".join(words))
    elif going is None:
        raise UsageError("Nothing is being reviewed; begin with /review FILE.jsonl.")
    else:
        say(going, " ".join(words[1:]))
    if going.waiting:
        chat.say(f"{review_text(going, chat.screen)}\n\n{chat.dim(_HOW)}")
        return
    chat.review = None
    chat.say(f"All have been looked at. {counts_text(going)}")


def _begun(chat: Chat, name: str) -> Review:
    from eval.generation.files import QuestionFile
    from eval.generation.reviewing import Review

    path = path_of(name)
    if not exists(path) or path.is_dir():
        raise UsageError(f"There is no file {name[:200]}; make one with rag-app eval generate, or write {_HOW}.")
    return Review(QuestionFile(path), chat.library)


_SAYINGS: dict[str, Callable[[Review, str], None]] = {
    "keep": lambda going, text: going.keep(),
    "drop": lambda going, text: going.drop(),
    "skip": lambda going, text: going.skip(),
    "question": lambda going, text: going.edit(question=text),
    "answer": lambda going, text: going.edit(answer=text),
}
