"""Ragas' own metrics over our models: the classes that they take for a model and an embedding.

Import it through `eval.judging.loading.load_bridge`. Ragas 0.4.3 has these ways of asking, of which the first is for
all metrics of text, the second for those of pictures: `llm.agenerate(prompt, form)`, and
`llm.client.chat.completions.create(messages=..., response_model=form)` with pictures as data URIs.
"""

from __future__ import annotations

import base64
import inspect
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn, TypeVar

from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import BaseModel
from ragas._analytics import do_not_track
from ragas.embeddings.base import BaseRagasEmbedding
from ragas.llms.base import InstructorBaseRagasLLM
from ragas.metrics import collections as ragas_metrics

from adapters.pictures import open_picture
from eval.judging.calls import Calls, Question
from eval.judging.forms import statements_of
from eval.judging.metrics import Metric
from eval.judging.samples import Sample
from rag_app.errors import RagAppError

Form = TypeVar("Form", bound=BaseModel)

do_not_track.cache_clear()  # another program part may have asked before the variable was set

_CLASSES: dict[str, Any] = {  # Any: each class has its own arguments
    "faithfulness": ragas_metrics.Faithfulness,
    "response_relevancy": ragas_metrics.AnswerRelevancy,
    "context_precision": ragas_metrics.ContextPrecision,
    "context_recall": ragas_metrics.ContextRecall,
    "factual_correctness": ragas_metrics.FactualCorrectness,
    "answer_correctness": ragas_metrics.AnswerCorrectness,
    "multimodal_faithfulness": ragas_metrics.MultiModalFaithfulness,
    "multimodal_relevance": ragas_metrics.MultiModalRelevance,
}
# Ragas' prompts and their examples are English; without this a judge answers English about Persian texts.
_SAME_LANGUAGE = "Write statements, claims and questions in the language of the text you are given, not in English."
_URI = "data:image/png;base64,"


class RagasFailed(Exception):
    """Ragas itself failed on a sample; the message says how."""


async def score(
    metric: Metric,
    sample: Sample,
    calls: Calls,
    embedding: BaseEmbedding | None,
    pictures: Mapping[int, bytes],
) -> float:
    """The value that Ragas gives the sample, as it gives it: nan where it has none.

    pictures: of passages, by their place in `sample.read`. Raises what asking the judge raises, and RagasFailed.
    """
    judge = _Judge(calls, "" if sample.language == "en" else _SAME_LANGUAGE)
    made: dict[str, Any] = {"llm": judge}
    if "embedding" in metric.needs and embedding is not None:
        made["embeddings"] = _Embedding(embedding)
    ragas = _CLASSES[metric.name](**made)
    given = {
        "user_input": sample.question,
        "response": sample.response,
        "reference": sample.reference if _sees(ragas, "user_input") else sample.stated_reference,
        "retrieved_contexts": _contexts(metric, sample, pictures),
    }
    try:
        result = await ragas.ascore(**{name: value for name, value in given.items() if _sees(ragas, name)})
    except RagAppError:
        raise
    except Exception as exc:
        raise RagasFailed(f"Ragas failed on it ({type(exc).__name__}: {exc}).") from exc
    return float(result.value)


def _sees(ragas: Any, name: str) -> bool:  # Any: a metric of Ragas
    return name in inspect.signature(ragas.ascore).parameters


def _contexts(metric: Metric, sample: Sample, pictures: Mapping[int, bytes]) -> list[str]:
    if "pictures" not in metric.needs:
        return list(sample.read if "response" in metric.needs else sample.contexts)
    listed: list[str] = []
    for place, text in enumerate(sample.read):
        # Ragas opens a context that is an address or a path of a file: with a word before it, it is neither.
        listed.append(f"Text: {text}")
        if place in pictures:
            listed.append(_URI + base64.b64encode(_png(pictures[place])).decode("ascii"))
    return listed


def _png(picture: bytes) -> bytes:
    """The picture as PNG: Ragas takes one in a format it does not know for text."""
    written = io.BytesIO()
    open_picture(picture).save(written, "PNG", compress_level=1)
    return written.getvalue()


class _Judge(InstructorBaseRagasLLM):
    """Our judge as Ragas takes it, for one score of one row."""

    is_async = True
    provider = "rag-app"
    model = ""

    def __init__(self, calls: Calls, system: str) -> None:
        self._calls, self._system = calls, system
        self._put: Counter[str] = Counter()
        self._statements: int | None = None
        self.client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=self._create)))

    async def agenerate(self, prompt: str, response_model: type[Form]) -> Form:
        return await self._ask(prompt, response_model, ())

    def generate(self, prompt: str, response_model: type[Form]) -> NoReturn:
        raise NotImplementedError("the metrics that are used here ask asynchronously")

    def _map_provider_params(self) -> dict[str, Any]:  # Any: none are sent
        return {}

    async def _create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], response_model: type[Form]
    ) -> Form:  # Any: JSON
        """As OpenAI's client takes it: one message of texts and data URIs."""
        [message] = messages
        texts, images = [], list[bytes]()
        for part in message["content"]:
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                images.append(base64.b64decode(part["image_url"]["url"].removeprefix(_URI)))
        return await self._ask("\n".join(texts), response_model, images)

    async def _ask(self, prompt: str, form: type[Form], images: Sequence[bytes]) -> Form:
        repetition = self._put[prompt]
        self._put[prompt] += 1
        question = Question(prompt, form, self._system, tuple(images), repetition, self._statements)
        record = await self._calls.ask(question)
        self._statements = statements_of(record)
        return record


class _Embedding(BaseRagasEmbedding):
    """Our embedding as Ragas takes it."""

    def __init__(self, embedding: BaseEmbedding) -> None:
        super().__init__()
        self._embedding = embedding

    def embed_text(self, text: str, **kwargs: Any) -> list[float]:  # Any: Ragas' own signature
        return self._embedding.get_text_embedding(text)

    async def aembed_text(self, text: str, **kwargs: Any) -> list[float]:  # Any: as above
        return await self._embedding.aget_text_embedding(text)

    async def aembed_texts(self, texts: list[str], **kwargs: Any) -> list[list[float]]:  # Any: as above
        return await self._embedding.aget_text_embedding_batch(texts)
