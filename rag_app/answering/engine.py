"""From a question to an Answer: find passages, let the answerer draft, check every citation, refuse when unsure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import Response
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag_app import prompts
from rag_app.answering.answer import Answer, Evidence
from rag_app.citations import cite
from rag_app.evidence import Answerer, Passage
from rag_app.retrieval.retriever import HybridRetriever

# Calibrated on data/questions/sample.jsonl (rag-app eval answers): below it the papers do not hold the answer.
MINIMUM_CONFIDENCE = 0.5


class PaperQueryEngine(BaseQueryEngine):
    """A LlamaIndex query engine whose answers cite page and box, or say that the papers do not hold the answer.

    `query()` gives a LlamaIndex Response: text with [n], source nodes, and the whole Answer in metadata["answer"].
    `answer()` gives the Answer itself. on_answer sees each answer before it is handed out and may return it changed
    (the library saves it there).
    """

    def __init__(
        self,
        retriever: HybridRetriever,
        answerer: Answerer,
        *,
        models: dict[str, str] | None = None,
        minimum_confidence: float = MINIMUM_CONFIDENCE,
        on_answer: Callable[[Answer], Answer] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager)
        self._retriever = retriever
        self._answerer = answerer
        self._models = models or {"answer": answerer.name}
        self._minimum_confidence = minimum_confidence
        self._on_answer = on_answer

    def answer(self, question: str) -> Answer:
        """The checked answer to one question."""
        return self._answer(question)[0]

    def _answer(self, question: str) -> tuple[Answer, list[NodeWithScore]]:
        started = time.perf_counter()
        found = self._retriever.find(question)
        passages = self._retriever.with_neighbours(found)
        retrieved = time.perf_counter()
        draft = self._answerer.compose(found.question, passages)
        composed = time.perf_counter()
        cited = cite(draft.statements, passages)
        refused = draft.confidence < self._minimum_confidence or not cited.citations
        language = found.question.language
        if refused:
            text = prompts.refusal(language) if found.library_size else prompts.empty_library(language)
        else:
            text = cited.text
        done = time.perf_counter()
        answer = Answer(
            question=question,
            answer=text,
            refused=refused,
            citations=() if refused else cited.citations,
            evidence=tuple(_evidence(passage) for passage in passages),
            models=dict(self._models),
            seconds={
                **found.seconds,
                "retrieve": retrieved - started,
                "compose": composed - retrieved,
                "cite": done - composed,
                "total": done - started,
            },
            confidence=round(draft.confidence, 4),
            language=language,
            removed=cited.removed,
        )
        if self._on_answer is not None:
            answer = self._on_answer(answer)
        return answer, [hit.with_score() for hit in found.hits]

    def _query(self, query_bundle: QueryBundle) -> Response:
        answer, sources = self._answer(query_bundle.query_str)
        return Response(response=answer.answer, source_nodes=sources, metadata={"answer": answer.to_dict()})

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        return await asyncio.to_thread(self._query, query_bundle)

    def _get_prompt_modules(self) -> dict:  # pyright: ignore[reportMissingTypeArgument]  # LlamaIndex's own signature
        return {}

    def use(self, answerer: Answerer) -> PaperQueryEngine:
        """The same engine with another answerer from the next question on."""
        self._answerer = answerer
        self._models = {**self._models, "answer": answerer.name}
        return self


def _evidence(passage: Passage) -> Evidence:
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
    )


def with_id(answer: Answer, saved: int) -> Answer:
    """The answer with the number under which the library keeps it."""
    return replace(answer, id=saved)
