"""One run of the web page: the library, the conversation so far, the models in use, the work in hand."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from adapters.names import Role, load_model, parse_model_name, parse_role
from rag_app.answering import followups
from rag_app.answering.seeing import Eyes
from rag_app.answering.turns import Scope, Turn
from rag_app.answering.writer import ModelAnswerer
from rag_app.errors import UsageError
from rag_app.library import Library
from rag_app.render.page import PAGE_DPI, draw_page
from rag_app.serve.gate import Keys
from rag_app.serve.work import Jobs

SWITCHED: tuple[Role, ...] = ("answer", "vision")  # the roles whose model can be changed while the page is open
PASSAGES = 8  # that an answer may rest on
LONGEST = 8000  # characters of a question; a longer text is a paper
SHARP_DPI = 2 * PAGE_DPI  # of a page that is looked at closely
_THREADS = 4
_PAGES_KEPT = 60  # drawn pages in memory, some 150 kB each

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is asked about: the name of its file, its bytes, and a small WebP of it."""

    name: str
    content: bytes
    thumbnail: bytes


class Session:
    """The state behind the page. Its methods are called in the event loop; what takes long runs in its threads."""

    def __init__(self, library: Library, keys: Keys) -> None:
        self.library = library
        self.keys = keys
        self.given = library.settings.models  # as they were set; what is chosen on the page comes and goes
        self.turns: list[Turn] = []
        self.scope = Scope()
        self.jobs = Jobs()
        # A fixed few: each thread that reads the library has its own connection to it.
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="page")
        self._pages: OrderedDict[tuple[str, int, int], bytes | None] = OrderedDict()

    async def run(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """`function` in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, partial(function, *arguments, **named))

    async def close(self) -> bool:
        """End the work in hand; whether it has ended. The library is not closed."""
        stopped = await asyncio.to_thread(self.jobs.stop)
        self.threads.shutdown(wait=False, cancel_futures=True)
        return stopped

    # --- asking -----------------------------------------------------------------------------------------------------

    async def ask(
        self, typed: str, scope: Scope, *, on_asked: Callable[[str], None], on_text: Callable[[str], None]
    ) -> Turn:
        """The checked answer to one question, remembered.

        on_asked: called with the question as it is asked, where that is not as it was typed. on_text: with each piece
        of the draft while a model writes it. Raises UsageError for a question that is empty or too long.
        """
        check_question(typed)
        engine = await self.run(
            self.library.as_query_engine,
            k=PASSAGES,
            papers=scope.papers,
            kinds=scope.kinds,
            language=scope.language,
        )
        earlier = [turn for turn in self.turns if turn.picture is None]
        said = [followups.Turn(turn.typed, turn.answer.answer, turn.answer.question) for turn in earlier]
        model = engine.answerer.model if isinstance(engine.answerer, ModelAnswerer) else None
        asked = await followups.astandalone(typed, said, model)
        if asked != typed:
            on_asked(asked)
        answer = await engine.aanswer(asked, on_text=on_text)
        turn = Turn(typed, answer, scope)
        self.turns.append(turn)
        self.scope = scope
        return turn

    async def look(self, picture: Picture, typed: str, scope: Scope, *, on_text: Callable[[str], None]) -> Turn:
        """What the vision model says of a picture, remembered. on_text: as in `ask`; the scope is kept for later.

        Raises UsageError for a question as `ask` does, and where no model that sees is chosen; ModelError.
        """
        check_question(typed)
        eyes = Eyes(self.library.settings.models.vision, self.library.settings)
        await self.run(eyes.check)
        answer = await eyes.aask(picture.content, typed, on_text=on_text)
        turn = Turn(typed, answer, scope, picture=picture.name, thumbnail=picture.thumbnail, medical=eyes.tuned)
        self.turns.append(turn)
        self.scope = scope
        return turn

    # --- models -----------------------------------------------------------------------------------------------------

    def use(self, role: str, name: str) -> str:
        """Let the model `name` fill `role` from now on; its full name. Asks the model's server, so call it in a thread.

        A model that cannot is refused (UnknownName and below, ModelUnreachable) and the one before stays.
        """
        if role not in SWITCHED:
            raise UsageError(f"The model of {role} cannot be changed here; set models.{role} in settings.toml.")
        settings = self.library.settings
        full = str(parse_model_name(name))
        if full != "builtin":
            model = load_model(parse_role(role), parse_model_name(name), settings)
            model.check(pictures=role == "vision")
            full = model.name
        self.library.settings = dataclasses.replace(
            settings, models=dataclasses.replace(settings.models, **{role: full})
        )
        return full

    # --- pages ------------------------------------------------------------------------------------------------------

    async def page_picture(self, document_id: str, page: int, *, dpi: int = PAGE_DPI) -> bytes | None:
        """A page as WebP, those seen last from memory; None where only a password would show it."""
        key = (document_id, page, dpi)
        if key in self._pages:
            self._pages.move_to_end(key)
            return self._pages[key]
        drawn = await self.run(draw_page, self.library, document_id, page, dpi=dpi)
        self._pages[key] = drawn
        while len(self._pages) > _PAGES_KEPT:
            self._pages.popitem(last=False)
        return drawn


def check_question(question: str) -> None:
    """Refuse an empty question and one that no one asks, with what to do."""
    if not question:
        raise UsageError("The question is empty; write one, for example: Which data was used?")
    if len(question) > LONGEST:
        raise UsageError(
            f"The question has {len(question):,} characters and may have {LONGEST:,}; shorten it, or read the text in "
            "as a paper."
        )
