"""An answer written by a language model: asked with fenced evidence and pictures, every claim checked before it counts.

ModelAnswerer puts any LanguageModel behind the same call as the builtin answerer. What to ask next is decided in one
place (`_steps`), which knows neither threads nor event loops; `compose` and `acompose` only carry the requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rag_app.answering.partial import ArrivingStatements
from rag_app.answering.pictures import MOST_PICTURES, choose
from rag_app.answering.prompt import IN_WORDS, PICTURE_TOKENS, Picture, Prompt, build
from rag_app.answering.reply import Drafted, read_reply, schema
from rag_app.answering.support import supported
from rag_app.errors import IncompleteReply, ModelError, PromptTooLong, UnusableReply
from rag_app.evidence import Answerer, Draft, Passage, Question, Usage
from rag_app.models import LanguageModel, Reply

ATTEMPTS = 2
MOST_STATEMENTS = 8
REPLY_TOKENS = 1024  # the second attempt may take twice as many
_SHRINK = 0.7  # of the prompt's length when it did not fit

OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Request:
    """Keyword arguments of `LanguageModel.ask`, the prompt among them."""

    prompt: str
    images: tuple[bytes, ...]
    system: str
    schema: dict[str, Any] | None  # Any: JSON
    max_tokens: int
    temperature: float
    seed: int
    repeat_penalty: float | None
    on_text: OnText | None

    def arguments(self) -> dict[str, Any]:  # Any: the values above
        return {name: getattr(self, name) for name in self.__slots__ if name != "prompt"}


class ModelAnswerer:
    """Lets `model` answer from the passages; what it says is kept where the passages hold it.

    Args:
        pictures: the picture of a passage, for a model that sees; None where there is none to show.
        context_tokens: how long text and reply together may be; passages that do not fit are left unread. Pictures come
            on top, since the context grows with them: text is not given up for a picture. Where the model itself has
            less, the prompt is shortened further.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        pictures: Callable[[Passage], bytes | None] | None = None,
        context_tokens: int = 8192,
    ) -> None:
        self.model = model
        self._pictures = pictures
        self._context_tokens = context_tokens

    @property
    def name(self) -> str:
        return self.model.name

    def check(self) -> None:
        """Make sure the model is there; see `LanguageModel.check`."""
        self.model.check()

    def compose(self, question: Question, passages: Sequence[Passage], *, on_text: OnText | None = None) -> Draft:
        """The model's answer, each statement with words of a passage; what no passage holds is in `unsupported`.

        on_text gets the statements' texts as they come; of a reply that has to be asked for again only the first.

        Raises UnusableReply or IncompleteReply when two replies were no answer, and whatever `LanguageModel.ask` does.
        """
        steps = self._steps(question, passages, on_text)
        step = _advanced(partial(next, steps))
        while isinstance(step, _Request):
            try:
                reply = self.model.ask(step.prompt, **step.arguments())
            except ModelError as exc:
                step = _advanced(partial(steps.throw, exc))
            else:
                step = _advanced(partial(steps.send, reply))
        return step

    async def acompose(
        self, question: Question, passages: Sequence[Passage], *, on_text: OnText | None = None
    ) -> Draft:
        """As `compose`, without blocking the event loop: pictures are drawn and replies read in a thread."""
        steps = self._steps(question, passages, on_text)
        step = await asyncio.to_thread(_advanced, partial(next, steps))
        while isinstance(step, _Request):
            try:
                reply = await self.model.aask(step.prompt, **step.arguments())
            except ModelError as exc:
                step = await asyncio.to_thread(_advanced, partial(steps.throw, exc))
            else:
                step = await asyncio.to_thread(_advanced, partial(steps.send, reply))
        return step

    def _steps(
        self, question: Question, passages: Sequence[Passage], on_text: OnText | None
    ) -> Generator[_Request, Reply, Draft]:
        """Asks by yielding requests; is sent each reply, or thrown the error; returns the draft."""
        if not passages:
            return Draft((), None)
        pictures = self._chosen(question, passages)
        room = self._context_tokens - REPLY_TOKENS + PICTURE_TOKENS * len(pictures)
        stream = _Stream(on_text)
        replies: list[Reply] = []
        failure: ModelError | None = None
        by_schema = True
        attempt = 0
        while attempt < ATTEMPTS:
            prompt = build(question, passages, pictures, most_tokens=room, statements=MOST_STATEMENTS)
            try:
                reply = yield _request(prompt, attempt, stream, by_schema=by_schema)
            except PromptTooLong:
                if len(prompt.shown) == 1 and not prompt.images:
                    raise
                pictures = pictures[: max(len(prompt.images) - 1, 0)]
                room = int(prompt.tokens * _SHRINK)
                continue
            except (IncompleteReply, UnusableReply) as exc:
                failure = exc
                # A server or model that cannot reply by a schema is asked for it in words alone.
                by_schema = not isinstance(exc, UnusableReply)
                attempt += 1
                continue
            replies.append(reply)
            try:
                drafted = read_reply(reply.text)
            except ValueError as exc:
                failure = UnusableReply(
                    f"{self.name} did not give an answer in the form asked for, {ATTEMPTS} times: {exc}. "
                    "Ask again, or try another model."
                )
                attempt += 1
                continue
            return _draft(drafted, question, prompt, replies)
        assert failure is not None
        raise failure

    def _chosen(self, question: Question, passages: Sequence[Passage]) -> list[Picture]:
        if self._pictures is None or not self.model.sees:
            return []
        return choose(question, passages, self._pictures, most=MOST_PICTURES)


def model_of(answerer: Answerer) -> LanguageModel | None:
    """The language model behind an answerer; None where none writes."""
    return answerer.model if isinstance(answerer, ModelAnswerer) else None


def _advanced(step: Callable[[], _Request]) -> _Request | Draft:
    """The next request, or the draft at the end."""
    try:
        return step()
    except StopIteration as done:
        return done.value


class _Stream:
    """Passes the statements of the reply on as they come; of a second reply only where the first gave nothing."""

    def __init__(self, on_text: OnText | None) -> None:
        self._on_text = on_text
        self._given = False

    def of_one_reply(self) -> OnText | None:
        on_text = self._on_text
        if on_text is None or self._given:
            return None
        arriving = ArrivingStatements()

        def take(piece: str) -> None:
            new = arriving.take(piece)
            if new:
                self._given = True
                on_text(new)

        return take


def _request(prompt: Prompt, attempt: int, stream: _Stream, *, by_schema: bool) -> _Request:
    return _Request(
        prompt=prompt.text,
        images=prompt.images,
        system=prompt.system if by_schema else prompt.system + IN_WORDS,
        schema=schema(len(prompt.shown), MOST_STATEMENTS) if by_schema else None,
        max_tokens=REPLY_TOKENS * (attempt + 1),
        temperature=0.0 if attempt == 0 else 0.4,
        seed=attempt,
        repeat_penalty=None if attempt == 0 else 1.1,
        on_text=stream.of_one_reply(),
    )


def _draft(drafted: Drafted, asked: Question, prompt: Prompt, replies: Sequence[Reply]) -> Draft:
    model = replies[-1].model
    kept, left_out = (
        supported(drafted.claims, prompt.shown, model=model, asked=asked.text, pictured=prompt.pictured)
        if drafted.answerable
        else ((), ())
    )
    return Draft(
        statements=kept,
        confidence=None,
        unsupported=left_out,
        unread=tuple(passage.node_id for passage in prompt.unread),
        pictured=prompt.pictured,
        usage=_usage(model, replies),
    )


def _usage(model: str, replies: Sequence[Reply]) -> Usage:
    prompts = [reply.prompt_tokens for reply in replies]
    written = [reply.reply_tokens for reply in replies]
    return Usage(
        model=model,
        seconds=sum(reply.seconds for reply in replies),
        load_seconds=sum(reply.load_seconds for reply in replies),
        prompt_tokens=None if None in prompts else sum(n for n in prompts if n is not None),
        reply_tokens=None if None in written else sum(n for n in written if n is not None),
        context_tokens=replies[-1].context_tokens,
    )
