"""From a question to an Answer: find passages, let the answerer draft, check every citation, refuse when unsure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE, Response
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_app import prompts
from rag_app.answering.answer import Answer, Evidence
from rag_app.answering.numbers import unsupported
from rag_app.answering.streaming import AnswerStream, AsyncAnswerStream, async_stream, stream
from rag_app.citations import MARK, Cited, cite
from rag_app.errors import UnknownName
from rag_app.evidence import Answerer, Draft, Passage, Question
from rag_app.retrieval.passages import Found
from rag_app.retrieval.retriever import HybridRetriever

# Calibrated on data/questions/sample.jsonl (rag-app eval answers): below it the papers do not hold the answer.
MINIMUM_CONFIDENCE = 0.5

OnText = Callable[[str], None]


class PaperQueryEngine(BaseQueryEngine):
    """A LlamaIndex query engine whose answers cite page and box, or say that the papers do not hold the answer.

    `query()` gives a LlamaIndex Response: text with [n], source nodes, and the whole Answer in metadata["answer"].
    `answer()` gives the Answer itself, `aanswer()` without blocking the event loop.

    Args:
        models: model name by role, for the Answer's record; the answerer's is known.
        language: of the answers, "en", "fa" or "ar"; each question's own when None.
        streaming: `query()` gives a StreamingResponse, `aquery()` an AsyncStreamingResponse: see
            rag_app.answering.streaming.
        on_answer: sees each answer before it is handed out and may return it changed (the library saves it there).
        resolve: gives the answerer of a model name, for `use`.
    """

    def __init__(
        self,
        retriever: HybridRetriever,
        answerer: Answerer,
        *,
        models: dict[str, str] | None = None,
        minimum_confidence: float = MINIMUM_CONFIDENCE,
        language: str | None = None,
        streaming: bool = False,
        on_answer: Callable[[Answer], Answer] | None = None,
        resolve: Callable[[str], Answerer] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._retriever = retriever
        self._answerer = answerer
        self._models = models or {}
        self._minimum_confidence = minimum_confidence
        self._language = language
        self._streaming = streaming
        self._on_answer = on_answer
        self._resolve = resolve

    @property
    def answerer(self) -> Answerer:
        """Who answers the next question."""
        return self._answerer

    def use(self, answer: Answerer | str) -> PaperQueryEngine:
        """The same engine, answered by another from the next question on: an answerer, or the name of a model.

        A model that cannot be used is refused here (UnknownName, ModelNotInstalled, ModelUnreachable, ...) and the one
        before stays.
        """
        if isinstance(answer, str):
            if self._resolve is None:
                raise UnknownName(f"This engine knows no model names, such as {answer}; give it an Answerer.")
            answer = self._resolve(answer)
        answer.check()
        self._answerer = answer
        return self

    def answer(self, question: str, *, on_text: OnText | None = None) -> Answer:
        """The checked answer to one question.

        on_text: called with each new piece of the draft while a language model writes it, before it is checked; never
        called by an answerer that does not write.
        """
        asked = self._ask(question)
        return self._answered(asked, on_text)

    async def aanswer(self, question: str, *, on_text: OnText | None = None) -> Answer:
        """As `answer`, without blocking the event loop."""
        asked = await asyncio.to_thread(self._ask, question)
        return await self._aanswered(asked, on_text)

    def _ask(self, question: str) -> _Asked:
        """Make sure of the model, then find the passages."""
        answerer = self._answerer
        answerer.check()
        started = time.perf_counter()
        found = self._retriever.find(question)
        passages = self._retriever.with_neighbours(found)
        asked = replace(found.question, answer_in=self._language)
        return _Asked(answerer, asked, found, passages, started, time.perf_counter())

    def _answered(self, asked: _Asked, on_text: OnText | None) -> Answer:
        draft = asked.answerer.compose(asked.question, asked.passages, on_text=on_text) if asked.passages else _NOTHING
        return self._checked(asked, draft)

    async def _aanswered(self, asked: _Asked, on_text: OnText | None) -> Answer:
        draft = _NOTHING
        if asked.passages:
            draft = await asked.answerer.acompose(asked.question, asked.passages, on_text=on_text)
        return await asyncio.to_thread(self._checked, asked, draft)

    def _checked(self, asked: _Asked, draft: Draft) -> Answer:
        composed = time.perf_counter()
        unread, pictured = set(draft.unread), set(draft.pictured)
        read = [passage for passage in asked.passages if passage.node_id not in unread]
        cited = cite(draft.statements, read)
        unsure = draft.confidence is not None and draft.confidence < self._minimum_confidence
        refused = unsure or not cited.citations
        left_out = (*draft.unsupported, *cited.left_out)
        done = time.perf_counter()
        answer = Answer(
            question=asked.question.text,
            answer=self._refusal(asked) if refused else cited.text,
            refused=refused,
            citations=() if refused else cited.citations,
            evidence=tuple(
                _evidence(p, read=p.node_id not in unread, pictured=p.node_id in pictured) for p in asked.passages
            ),
            models={**self._models, "answer": draft.usage.model if draft.usage else asked.answerer.name},
            seconds={
                **asked.found.seconds,
                "retrieve": asked.retrieved - asked.started,
                "compose": composed - asked.retrieved,
                "cite": done - composed,
                "total": done - asked.started,
                **_model_seconds(draft),
            },
            confidence=None if draft.confidence is None else round(draft.confidence, 4),
            language=asked.question.answer_language,
            removed=len(left_out),
            unsupported=left_out,
            unsupported_numbers=() if refused else _unsupported_numbers(cited, asked.question, read),
            unread=len(unread),
            tokens=_tokens(draft),
        )
        return self._on_answer(answer) if self._on_answer is not None else answer

    def _refusal(self, asked: _Asked) -> str:
        language = asked.question.answer_language
        return prompts.refusal(language) if asked.found.library_size else prompts.empty_library(language)

    # --- as LlamaIndex calls it -------------------------------------------------------------------------------------

    def respond(self, question: str) -> Response:
        """The answer as a LlamaIndex Response, whatever `streaming` says; `query()` is this with its callbacks."""
        asked = self._ask(question)
        return _response(self._answered(asked, None), asked)

    async def arespond(self, question: str) -> Response:
        """As `respond`, without blocking the event loop."""
        asked = await asyncio.to_thread(self._ask, question)
        return _response(await self._aanswered(asked, None), asked)

    def stream(self, question: str) -> AnswerStream:
        """The answer while it is written, whatever `streaming` says; see rag_app.answering.streaming."""
        asked = self._ask(question)
        return stream(lambda on_text: self._answered(asked, on_text), asked.sources)

    async def astream(self, question: str) -> AsyncAnswerStream:
        """As `stream`, for an event loop."""
        asked = await asyncio.to_thread(self._ask, question)
        return async_stream(lambda on_text: self._aanswered(asked, on_text), asked.sources)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = query_bundle.query_str
        return self.stream(question) if self._streaming else self.respond(question)

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        question = query_bundle.query_str
        return await self.astream(question) if self._streaming else await self.arespond(question)

    def _get_prompt_modules(self) -> dict:  # pyright: ignore[reportMissingTypeArgument]  # LlamaIndex's own signature
        return {}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with its passages, and who answers it; times on the clock of time.perf_counter."""

    answerer: Answerer
    question: Question
    found: Found
    passages: list[Passage]
    started: float
    retrieved: float

    @property
    def sources(self) -> list[NodeWithScore]:
        return [hit.with_score() for hit in self.found.hits]


_NOTHING = Draft((), 0.0)


def _response(answer: Answer, asked: _Asked) -> Response:
    return Response(response=answer.answer, source_nodes=asked.sources, metadata={"answer": answer.to_dict()})


def _unsupported_numbers(cited: Cited, question: Question, read: Sequence[Passage]) -> tuple[str, ...]:
    """The answer's numbers that stand neither in what was read nor in the question."""
    said = MARK.sub("", cited.text)
    return unsupported(said, [question.text, *(_all_of(passage) for passage in read)])


def _all_of(passage: Passage) -> str:
    """Every word of a passage, a model's reading of it included: a citation says where a quote is the model's."""
    parts = [passage.text, passage.context, passage.caption, passage.label, passage.section, passage.title]
    read = passage.description
    return "\n".join([*(part or "" for part in parts), read.quotable if read else ""])


def _model_seconds(draft: Draft) -> dict[str, float]:
    return {"model": draft.usage.seconds, "load": draft.usage.load_seconds} if draft.usage else {}


def _tokens(draft: Draft) -> dict[str, int]:
    if draft.usage is None:
        return {}
    counts = {
        "prompt": draft.usage.prompt_tokens,
        "reply": draft.usage.reply_tokens,
        "context": draft.usage.context_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _evidence(passage: Passage, *, read: bool, pictured: bool) -> Evidence:
    return Evidence(
        node_id=passage.node_id,
        document=passage.document,
        page=passage.page,
        bbox=passage.bbox,
        kind=passage.kind,
        label=passage.label,
        score=round(passage.score, 6),
        found_by=passage.found_by,
        text=passage.text,
        image=passage.image,
        read=read,
        pictured=pictured,
    )


def with_id(answer: Answer, saved: int) -> Answer:
    """The answer with the number under which the library keeps it."""
    return replace(answer, id=saved)
