"""One conversation with a library: what each line does. Nothing here reads a keyboard or writes to a screen.

A line that begins with "/" is a command of rag_app.repl.commands; any other is a question. What is shown goes through
the `Desk`, so that the caller decides where it goes.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.names import Role, load_model, parse_model_name
from rag_app.answering.turns import Scope, Turn
from rag_app.errors import UsageError
from rag_app.library import Library

if TYPE_CHECKING:
    from eval.generation.reviewing import Review
    from rag_app.answering.answer import Answer
    from rag_app.answering.engine import PaperQueryEngine
    from rag_app.render.terminal import Screen
    from rag_app.retrieval.retriever import HybridRetriever

SWITCHED: tuple[Role, ...] = ("answer", "vision")  # the roles whose model can be changed in a conversation
LONGEST = 8000  # characters of a question; a longer text is a paper

OnText = Callable[[str], None]


def _no_drafting() -> AbstractContextManager[OnText]:
    return contextlib.nullcontext(lambda piece: None)


def _no_progress(doing: str, unit: str) -> AbstractContextManager[Callable[[int, int], None]]:
    return contextlib.nullcontext(lambda done, total: None)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a conversation needs of the place it is held at; the defaults show nothing.

    drafting  a context for one question: gives the function that takes pieces of the draft
    progress  a context for long work, given what is done and in which unit: gives a function of done and total
    browse    opens an address in the user's browser; whether there is one
    inline    a PNG as the characters that show it in this terminal; None where it cannot
    colour    whether text may be styled
    on_terminal  whether what is said is read on a terminal
    """

    drafting: Callable[[], AbstractContextManager[OnText]] = _no_drafting
    progress: Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]] = _no_progress
    browse: Callable[[str], bool] = lambda address: False
    inline: Callable[[bytes], str | None] = lambda png: None
    colour: bool = False
    on_terminal: bool = False


class Chat:
    """The state of a conversation: the library, the engine that answers, the models in use, what was said so far.

    Args:
        say: takes a command's output, one or more lines.
        k, language: as in `Library.ask`. answer: name of the model that answers first; the settings' when None.
        show: takes a checked answer that a command led to, and the one it stands beside, if any; `say` takes them as
            text when it is None.
    """

    def __init__(
        self,
        library: Library,
        *,
        say: Callable[[str], None],
        k: int = 8,
        answer: str | None = None,
        language: str | None = None,
        desk: Desk | None = None,
        show: Callable[[Answer, Answer | None], None] | None = None,
    ) -> None:
        self.library = library
        self.say = say
        self.desk = desk or Desk()
        self.turns: list[Turn] = []
        self.review: Review | None = None  # of generated questions, while one is going on
        self.scope = Scope(language=language)
        self.models = dict(dataclasses.asdict(library.settings.models))
        self._k = k
        self._show = show
        self._engine: PaperQueryEngine | None = None
        if answer is not None:
            self.models["answer"] = str(parse_model_name(answer))

    def ask(self, question: str, *, on_text: OnText | None = None) -> Answer:
        """The checked answer to one question, by the model that is in use now; it is remembered.

        A follow-up question is asked with what it leaves out, and said so. Raises UsageError for one that is too long.
        """
        question = question.strip()
        check_length(question)
        asked = self._standalone(question)
        if asked != question:
            self.say(self.dim(f"→ {asked}"))
        answer = self.engine.answer(asked, on_text=on_text)
        self.turns.append(Turn(question, answer, self.scope))
        return answer

    def _standalone(self, question: str) -> str:
        earlier = [turn for turn in self.turns if turn.picture is None]
        if not earlier:
            return question
        from rag_app.answering import followups
        from rag_app.answering.writer import model_of

        said = [followups.Turn(turn.typed, turn.answer.answer, turn.answer.question) for turn in earlier]
        return followups.standalone(question, said, model_of(self.engine.answerer))

    @property
    def engine(self) -> PaperQueryEngine:
        """Made at the first question; a model that is changed before costs nothing."""
        if self._engine is None:
            self._engine = self.engine_for(self.scope)
        return self._engine

    def engine_for(self, scope: Scope, *, answer: str | None = None) -> PaperQueryEngine:
        """An engine over `scope`, answered by the model in use or `answer`. Raises UnknownDocument, UnknownName."""
        return self.library.as_query_engine(
            k=self._k,
            answer=answer or self.models["answer"],
            papers=scope.papers,
            pages=scope.pages,
            kinds=scope.kinds,
            language=scope.language,
        )

    def retriever_for(self, scope: Scope) -> HybridRetriever:
        """The retriever that questions over `scope` are answered from."""
        return self.library.as_retriever(k=self._k, papers=scope.papers, pages=scope.pages, kinds=scope.kinds)

    def narrow(self, scope: Scope) -> None:
        """Answer from `scope` from the next question on; one that cannot be used is refused and the old one stays."""
        engine = self.engine_for(scope)
        self.scope, self._engine = scope, engine

    def renew(self) -> None:
        """Look at the library anew: papers came in."""
        self._engine = None

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

    # --- showing ----------------------------------------------------------------------------------------------------

    def turn(self) -> Turn:
        """The last answer. Raises UsageError before the first."""
        if not self.turns:
            raise UsageError("Nothing has been asked yet; ask a question first.")
        return self.turns[-1]

    @property
    def screen(self) -> Screen:
        from rag_app.render.terminal import Screen

        return Screen.detect(self.library.settings.terminal.right_to_left, on_terminal=self.desk.on_terminal)

    @property
    def folder(self) -> Path:
        """The folder of what conversations leave behind, for its owner alone; made when it is missing.

        Raises UsageError where it cannot be made.
        """
        folder = self.library.path / "chat"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise UsageError(f"{folder} cannot be made ({exc.strerror}); make it writable.") from exc
        return folder

    def show(self, answer: Answer, *, before: Answer | None = None) -> None:
        """Show a checked answer as the answer to a question is shown, or beside the one before."""
        if self._show is not None:
            self._show(answer, before)
        elif before is None:
            self.say(answer.answer)
        else:
            for one in (before, answer):
                self.say(f"{one.models['answer']}: {one.answer}")

    def dim(self, text: str, *, indent: str = "") -> str:
        """`text` as lines of this screen, dim where it may be styled."""
        import click

        lines = self.screen.paragraph(text, indent=indent)
        return "\n".join(click.style(line, dim=True) if self.desk.colour else line for line in lines)

    def bold(self, text: str) -> str:
        """`text`, bold where it may be styled."""
        import click

        return click.style(text, bold=True) if self.desk.colour else text


def check_length(question: str) -> None:
    """Refuse a question that no one asks, with what to do."""
    if len(question) > LONGEST:
        raise UsageError(
            f"The question has {len(question):,} characters and may have {LONGEST:,}; shorten it, or read the text in "
            "as a paper with /add FILE.pdf."
        )
