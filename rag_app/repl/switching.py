"""/model and /models."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.names import ROLES, parse_role
from rag_app.errors import ModelError, UsageError
from rag_app.repl.chat import Chat
from rag_app.repl.words import none_of


def model(chat: Chat, words: Sequence[str]) -> None:
    """Say which models are in use, or use another."""
    if not words:
        chat.say("\n".join(f"{role}: {chat.models[role]}" for role in ROLES if role in chat.models))
    elif len(words) == 1:
        chat.say(f"answer: {chat.use('answer', words[0])}")
    elif len(words) == 2:
        role = parse_role(words[0])
        chat.say(f"{role}: {chat.use(role, words[1])}")
    else:
        raise UsageError("Write /model NAME or /model ROLE NAME, such as /model gemma3:4b.")


def models(chat: Chat, words: Sequence[str]) -> None:
    """List the models in use and those that Ollama and other servers have."""
    from adapters.ollama import catalogue
    from adapters.openai_compatible.catalogue import offered

    none_of(words, "models")
    model(chat, [])
    if names := [f"  openai:{one.name}" for one in offered(chat.library.settings)]:
        chat.say("\n".join(["offered by the servers of openai.hosts:", *names]))
    try:
        installed = catalogue.installed(chat.library.settings)
    except ModelError as exc:
        chat.say(f"builtin is always there. {exc}")
        return
    rows = [(one.name, ", ".join(sorted(one.capabilities)), f"{one.size_bytes / 1e9:.1f} GB") for one in installed]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    lines = [f"  {name:{widths[0]}}  {can:{widths[1]}}  {size}" for name, can, size in rows]
    chat.say("\n".join(["installed in Ollama:", *(lines or ["  nothing; get a model: rag-app models pull NAME"])]))
