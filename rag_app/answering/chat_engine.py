"""A LlamaIndex chat engine: a conversation with the papers, each question made to stand alone before it is searched."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine, StreamingAgentChatResponse
from llama_index.core.tools import ToolOutput

from rag_app.answering.engine import PaperQueryEngine
from rag_app.answering.followups import Turn, astandalone, standalone
from rag_app.answering.streaming import AnswerStream, AsyncAnswerStream
from rag_app.answering.writer import model_of
from rag_app.errors import UsageError
from rag_app.evidence import Answerer

STANDALONE = "standalone"  # key in a question's additional_kwargs, and in a reply's metadata
_SOURCE = "papers"  # names the engine among a reply's sources

Finish = Callable[[Response], str]  # keeps an answer in the conversation; gives the question as it was searched for


class PaperChatEngine(BaseChatEngine):
    """A conversation over a PaperQueryEngine; what it answers is cited and checked as there.

    A reply's metadata holds the whole Answer under "answer", and under "standalone" the question as it was searched
    for: follow-ups ("and for table 3?") are rewritten with the conversation, by rules for the builtin answerer and by
    the model else. Only what was answered to its end becomes part of the conversation: not what raised, and not a
    stream that nobody read to its end. One conversation is one engine; it is not for several threads at once.

    Args:
        engine: answers; it need not stream.
        chat_history: what was said before, questions as USER and answers as ASSISTANT messages.
    """

    def __init__(self, engine: PaperQueryEngine, *, chat_history: Sequence[ChatMessage] = ()) -> None:
        self._engine = engine
        self._history = list(chat_history)

    @property
    def chat_history(self) -> list[ChatMessage]:
        """The conversation so far, a copy."""
        return list(self._history)

    @property
    def answerer(self) -> Answerer:
        """Who answers the next question."""
        return self._engine.answerer

    def use(self, answer: Answerer | str) -> PaperChatEngine:
        """The same conversation, answered by another from the next question on; see `PaperQueryEngine.use`."""
        self._engine.use(answer=answer)
        return self

    def reset(self) -> None:
        """Forget the conversation."""
        self._history.clear()

    def chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """The answer to `message`. chat_history: taken as the conversation so far, instead of this engine's own."""
        asked = self._asked(message, chat_history)
        searched = standalone(message, turns(asked.history), model_of(self._engine.answerer))
        response = self._engine.respond(searched)
        asked.answered(searched, response)
        return _reply(searched, response)

    async def achat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """As `chat`, without blocking the event loop."""
        asked = self._asked(message, chat_history)
        searched = await astandalone(message, turns(asked.history), model_of(self._engine.answerer))
        response = await self._engine.arespond(searched)
        asked.answered(searched, response)
        return _reply(searched, response)

    def stream_chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> ChatStream:
        """As `chat`, read while it is written: `response_gen` gives the draft, then `response` the checked answer."""
        asked = self._asked(message, chat_history)
        searched = standalone(message, turns(asked.history), model_of(self._engine.answerer))
        return ChatStream(self._engine.stream(searched), partial(asked.answered, searched))

    async def astream_chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AsyncChatStream:
        """As `stream_chat`; read it with `async_response_gen()`."""
        asked = self._asked(message, chat_history)
        searched = await astandalone(message, turns(asked.history), model_of(self._engine.answerer))
        return AsyncChatStream(await self._engine.astream(searched), partial(asked.answered, searched))

    def _asked(self, message: str, chat_history: Sequence[ChatMessage] | None) -> _Asked:
        return _Asked(self, message, list(self._history if chat_history is None else chat_history))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in its conversation, `history` being what was said before it."""

    engine: PaperChatEngine
    message: str
    history: list[ChatMessage]

    def answered(self, searched: str, response: Response) -> str:
        """Make question and answer part of the conversation; gives `searched` back."""
        self.engine._history = [*self.history, *_said(self.message, searched, response.response or "")]
        return searched


class ChatStream(StreamingAgentChatResponse):
    """A reply that is read while it is written; see rag_app.answering.streaming for what the stream holds.

    Read to its end, `response` is the checked answer, `metadata` and `sources` are there, and the conversation has it.
    """

    def __init__(self, answering: AnswerStream, finish: Finish) -> None:
        super().__init__(source_nodes=list(answering.source_nodes), is_writing_to_memory=False)
        self.metadata: dict[str, Any] = {}  # Any: LlamaIndex's type
        self._answering = answering
        self._finish = finish

    @property
    def response_gen(self) -> Generator[str, None, None]:
        """The draft, piece by piece; once it was read, the checked answer."""
        if self.is_done:
            yield self.response
            return
        with closing(self._answering.response_gen) as pieces:
            for piece in pieces:
                self.unformatted_response += piece
                yield piece
        _done(self, self._answering.get_response(), self._finish)

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        raise UsageError("This reply is read with response_gen; astream_chat() gives one for async_response_gen().")
        yield  # makes it a generator, as the base class has it

    def __str__(self) -> str:
        for _ in self.response_gen:
            pass
        return self.response


class AsyncChatStream(StreamingAgentChatResponse):
    """The same for `astream_chat`; its text is in `response` once it was read."""

    def __init__(self, answering: AsyncAnswerStream, finish: Finish) -> None:
        super().__init__(source_nodes=list(answering.source_nodes), is_writing_to_memory=False)
        self.metadata: dict[str, Any] = {}  # Any: LlamaIndex's type
        self._answering = answering
        self._finish = finish

    @property
    def response_gen(self) -> Generator[str, None, None]:
        raise UsageError("This reply is read with async_response_gen(); stream_chat() gives one for response_gen.")

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        """The draft, piece by piece; once it was read, the checked answer."""
        if self.is_done:
            yield self.response
            return
        async for piece in self._answering.async_response_gen():
            self.unformatted_response += piece
            yield piece
        _done(self, await self._answering.get_response(), self._finish)

    def __str__(self) -> str:
        return self.response


def turns(history: Sequence[ChatMessage]) -> list[Turn]:
    """Each question of a conversation with the answer that follows it; what else was said is passed over."""
    found: list[Turn] = []
    question: ChatMessage | None = None
    for message in history:
        if message.role == MessageRole.USER:
            question = message
        elif message.role == MessageRole.ASSISTANT and question is not None:
            searched = str(question.additional_kwargs.get(STANDALONE, ""))
            found.append(Turn(question.content or "", message.content or "", searched))
            question = None
    return found


def _said(message: str, searched: str, answer: str) -> list[ChatMessage]:
    asked = ChatMessage(role=MessageRole.USER, content=message, additional_kwargs={STANDALONE: searched})
    return [asked, ChatMessage(role=MessageRole.ASSISTANT, content=answer)]


def _reply(searched: str, response: Response) -> AgentChatResponse:
    return AgentChatResponse(
        response=response.response or "",
        sources=[_source(searched, response)],
        source_nodes=list(response.source_nodes),
        metadata=_metadata(searched, response),
    )


def _done(stream: ChatStream | AsyncChatStream, response: Response, finish: Finish) -> None:
    searched = finish(response)
    stream.response = response.response or ""
    stream.sources = [_source(searched, response)]
    stream.metadata = _metadata(searched, response)
    stream.is_done = True


def _source(searched: str, response: Response) -> ToolOutput:
    return ToolOutput(_SOURCE, content=response.response, raw_input={"query": searched}, raw_output=response)


def _metadata(searched: str, response: Response) -> dict[str, Any]:  # Any: LlamaIndex's type
    return {**(response.metadata or {}), STANDALONE: searched}
