"""One conversation with a library: what each line does. Nothing here reads a keyboard or writes to a screen.

A line that begins with "/" is a command of rag_app.repl.commands; any other is a question. Output goes through
`Chat.say`, so that the caller decides where it goes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from adapters.names import Role, load_model, parse_model_name
from rag_app.errors import UsageError
from rag_app.library import Library

if TYPE_CHECKING:
    from rag_app.answering.answer import Answer
    from rag_app.answering.engine import PaperQueryEngine

SWITCHED: tuple[Role, ...] = ("answer", "vision")  # the roles whose model can be changed in a conversation


class Chat:
    """The state of a conversation: the library, the engine that answers, the models in use.

    Args:
        say: takes a command's output, one or more lines.
        k, language: as in `Library.ask`. answer: name of the model that answers first; the settings' when None.
    """

    def __init__(
        self,
        library: Library,
        *,
        say: Callable[[str], None],
        k: int = 8,
        answer: str | None = None,
        language: str | None = None,
    ) -> None:
        self.library = library
        self.say = say
        self.models = dict(dataclasses.asdict(library.settings.models))
        self._k = k
        self._language = language
        self._engine: PaperQueryEngine | None = None
        if answer is not None:
            self.models["answer"] = str(parse_model_name(answer))

    def ask(self, question: str, *, on_text: Callable[[str], None] | None = None) -> Answer:
        """The checked answer to one question, by the model that is in use now."""
        return self.engine.answer(question, on_text=on_text)

    @property
    def engine(self) -> PaperQueryEngine:
        """Made at the first question; a model that is changed before costs nothing."""
        if self._engine is None:
            self._engine = self.library.as_query_engine(
                k=self._k, answer=self.models["answer"], language=self._language
            )
        return self._engine

    def use(self, role: Role, name: str) -> str:
        """Let the model `name` fill `role` from the next question on; its full name.

        A model that cannot is refused (UnknownName and below, ModelUnreachable) and the one before stays.
        """
        if role not in SWITCHED:
            raise UsageError(
                f"The model of {role} cannot be changed in a conversation; the roles that can are "
                f"{', '.join(SWITCHED)}. Set models.{role} in {self.library.path / 'settings.toml'}."
            )
        if role == "answer":
            self.engine.use(name)
            full = self.engine.answerer.name
        else:
            model = load_model(role, parse_model_name(name), self.library.settings)
            model.check(pictures=True)
            full = model.name
        self.models[role] = full
        self.library.settings = dataclasses.replace(
            self.library.settings, models=dataclasses.replace(self.library.settings.models, **{role: full})
        )
        return full
