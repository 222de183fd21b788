"""Rows judged by a language model: scores where the judge gave them, a sentence where it did not, nothing lost."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from adapters.names import load_model, parse_model_name
from eval.judging.cache import ReplyCache
from eval.judging.calls import Calls, Cost
from eval.judging.loading import load_bridge, ragas_version
from eval.judging.metrics import METRICS, TEXT_METRICS, Metric, applies, obstacle, read_metrics
from eval.judging.samples import Sample, sample_of
from eval.runs.rows import Row
from rag_app.errors import InputError, ModelError, UnknownName, UsageError
from rag_app.models import LanguageModel
from rag_app.settings import Settings

if TYPE_CHECKING:
    from llama_index.core.base.embeddings.base import BaseEmbedding

__all__ = ["Cost", "Judge", "Judgement"]

TIMEOUT_S = 300.0
Pictures = Callable[[str], "bytes | None"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge made of one row, for `Row.with_scores`. For each metric asked for exactly one holds: it is in
    `scores` (0 to 1), it is in `unscored` with a sentence, or it does not apply to the row."""

    id: str
    scores: dict[str, float] = field(default_factory=dict)
    unscored: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class Judge:
    """A language model that judges rows by metrics of Ragas. Making it costs nothing.

    Args:
        model: any LanguageModel. embedding: a LlamaIndex embedding, for the metrics that need one.
        metrics: names from METRICS.
        cache: folder of the judge's replies; the same question to the same judge is asked once.
        parallel: rows judged at a time, and so questions to the judge; not more than its servers take, since
            waiting there counts as time.
        timeout_s: most seconds for one question to the judge, asking again included.
        digest: of the judge's weights, where its server says it: other weights under its name are another judge.
    """

    def __init__(
        self,
        model: LanguageModel,
        embedding: BaseEmbedding | None,
        *,
        metrics: Sequence[str] = TEXT_METRICS,
        cache: Path,
        parallel: int = 1,
        timeout_s: float = TIMEOUT_S,
        digest: str = "",
    ) -> None:
        self._metrics = tuple(METRICS[name] for name in read_metrics(metrics))
        if embedding is None and any("embedding" in metric.needs for metric in self._metrics):
            raise UsageError(
                "response_relevancy and answer_correctness need an embedding: name one, or leave them out."
            )
        self._model, self._embedding, self._digest = model, embedding, digest
        self._parallel, self._timeout_s = max(1, parallel), timeout_s
        self._calls = Calls(model, ReplyCache(cache), digest=digest, timeout_s=timeout_s)

    @classmethod
    def by_name(
        cls,
        name: str,
        *,
        settings: Settings,
        cache: Path,
        embedding: str = "builtin",
        metrics: Sequence[str] = TEXT_METRICS,
        parallel: int = 1,
        timeout_s: float = TIMEOUT_S,
    ) -> Self:
        """The judge of that name, `ollama:qwen2.5:7b`, and the embedding, where a metric needs one; both are checked.

        Raises UnknownName, ModelNotInstalled, ModelUnsuitable, ModelUnreachable; UsageError without Ragas.
        """
        ragas_version()
        needs = {need for metric in read_metrics(metrics) for need in METRICS[metric].needs}
        model = load_model("judge", parse_model_name(name), settings)
        model.check(pictures="pictures" in needs)
        vectors = None
        if "embedding" in needs:
            vectors = load_model("text_embedding", parse_model_name(embedding), settings)
            vectors.get_text_embedding("judge")  # what is wrong with it is told before the first question
        return cls(
            model,
            vectors,
            metrics=metrics,
            cache=cache,
            parallel=parallel,
            timeout_s=timeout_s,
            digest=model.digest,
        )

    @property
    def identity(self) -> dict[str, Any]:  # Any: JSON values
        """What decides the scores, for a run's manifest: model, digest, embedding, metrics, Ragas' version."""
        return {
            "model": self._model.name,
            "digest": self._digest,
            "embedding": self._embedding.model_name if self._embedding else None,
            "metrics": [metric.name for metric in self._metrics],
            "ragas": ragas_version(),
        }

    @property
    def cost(self) -> Cost:
        """What judging took so far."""
        return self._calls.cost

    def judge(
        self,
        rows: Sequence[Row],
        *,
        pictures: Pictures | None = None,
        on_row: Callable[[Judgement], None] | None = None,
    ) -> list[Judgement]:
        """A judgement for each row, in order. One failing question or metric leaves the others as they are.

        Args:
            pictures: node id to its encoded picture, None where it has none; needed for the multimodal metrics.
            on_row: called with each judgement as it comes, so that an interrupted run keeps them.

        Raises UsageError without Ragas, DiskFull. Inside a running event loop await `ajudge`.
        """
        return asyncio.run(self.ajudge(rows, pictures=pictures, on_row=on_row))

    async def ajudge(
        self,
        rows: Sequence[Row],
        *,
        pictures: Pictures | None = None,
        on_row: Callable[[Judgement], None] | None = None,
    ) -> list[Judgement]:
        """As `judge`, in the running event loop."""
        if pictures is None and any("pictures" in metric.needs for metric in self._metrics):
            raise ValueError("the multimodal metrics need `pictures`")
        bridge = load_bridge()
        places = asyncio.Semaphore(self._parallel)

        async def one(row: Row) -> Judgement:
            async with places:
                judged = await self._row(row, bridge, pictures)
            if on_row:
                on_row(judged)
            return judged

        tasks = [asyncio.ensure_future(one(row)) for row in rows]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _row(self, row: Row, bridge: ModuleType, pictures: Pictures | None) -> Judgement:
        """The metrics of one row, one after another: a judge on one GPU is asked one thing at a time."""
        started = time.perf_counter()
        judged, sample = Judgement(row.id), sample_of(row)
        for metric in self._metrics:
            if sample is None or not applies(metric, sample):
                continue
            try:
                judged.scores[metric.column] = await self._score(metric, sample, bridge, pictures)
            except (ModelError, UnknownName, InputError, NotScored, bridge.RagasFailed) as exc:
                judged.unscored[metric.column] = str(exc)
        return replace(judged, seconds=time.perf_counter() - started)

    async def _score(self, metric: Metric, sample: Sample, bridge: ModuleType, pictures: Pictures | None) -> float:
        languages = getattr(self._embedding, "languages", None)  # of our embeddings; LlamaIndex's do not say
        reason = obstacle(metric, sample, languages)
        if reason:
            raise NotScored(reason)
        shown: dict[int, bytes] = {}
        if pictures is not None and "pictures" in metric.needs:
            found = {place: pictures(node_id) for place, node_id in sample.pictured.items()}
            shown = {place: picture for place, picture in found.items() if picture is not None}
            if not shown:
                raise NotScored("The pictures of its passages are not there.")
        value = await bridge.score(metric, sample, self._calls, self._embedding, shown)
        if not math.isfinite(value):
            raise NotScored(f"Ragas gives no value ({value}).")
        return min(1.0, max(0.0, value))  # a cosine may lie below 0, or a rounding error above 1


class NotScored(Exception):
    """Why a metric that applies has no value, a sentence."""
