"""/again: the last question, answered by another model, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rag_app.errors import UsageError
from rag_app.repl.chat import Chat


def again(chat: Chat, words: Sequence[str]) -> None:
    """Ask it of the model that the words name; the model in use stays. The new answer is what /open and /why show."""
    if len(words) != 1:
        raise UsageError("Write /again NAME, the model that answers too, such as /again gemma3:4b.")
    turn = chat.turn()
    if turn.picture is not None:
        raise UsageError(f"The last question was about {turn.picture}; use /model vision {words[0]} and /image again.")
    engine = chat.engine_for(turn.scope, answer=words[0])
    with chat.desk.drafting() as on_text:
        answer = engine.answer(turn.answer.question, on_text=on_text)
    chat.turns.append(dataclasses.replace(turn, answer=answer))
    chat.show(answer, before=turn.answer)
