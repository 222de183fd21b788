"""/again: the last question, answered by another model, side by side."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence

from rag_app.answering.answer import Answer
from rag_app.comparing import ModelAnswer
from rag_app.errors import UsageError
from rag_app.render.comparison import comparison_text
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
    width = shutil.get_terminal_size().columns
    sides = [_side(turn.answer), _side(answer)]
    chat.say(comparison_text(sides, chat.screen, width=width, colour=chat.desk.colour))
    chat.show(answer)


def _side(answer: Answer) -> ModelAnswer:
    return ModelAnswer(
        model=answer.models["answer"],
        text=answer.answer,
        seconds=answer.seconds.get("total", 0.0),
        load_seconds=answer.seconds.get("load", 0.0),
        prompt_tokens=answer.tokens.get("prompt"),
        reply_tokens=answer.tokens.get("reply"),
        context_tokens=answer.tokens.get("context"),
    )
