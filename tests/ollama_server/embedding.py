"""/api/embed and the older /api/embeddings."""

from __future__ import annotations

import hashlib
import math
import time
from typing import TYPE_CHECKING

from tests.ollama_server import mischief
from tests.ollama_server.answer import Answer, nanoseconds
from tests.ollama_server.errors import refusal
from tests.ollama_server.faults import Fault
from tests.ollama_server.models import Recorded
from tests.ollama_server.reading import keep_alive_s, model_name, options_of
from tests.ollama_server.writing import tokens_in

if TYPE_CHECKING:
    from tests.ollama_server.server import OllamaServer


def embed(server: OllamaServer, request: Recorded) -> Answer:
    """/api/embed, and the older /api/embeddings, whose one vector is not normalised."""
    body, legacy = request.body, request.path == "/api/embeddings"
    options, name = options_of(body), model_name(body)
    keep = keep_alive_s(body.get("keep_alive"))
    given = body.get("prompt", "") if legacy else body.get("input", [])
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise refusal(400, "invalid input type")
    model = server.model(name)
    fault = request.fault
    mischief.refuse(fault, name)
    if "embedding" not in model.capabilities:
        raise refusal(501, "This server does not support embeddings. Start it with `--embeddings`")
    context = server.context_of(model, options)
    started = time.monotonic()
    with server.scheduler.slot(model, context, keep) as load_s:
        counts = [tokens_in(text) + 2 for text in texts]
        if not body.get("truncate", True) and max(counts, default=0) > context:
            raise refusal(400, "the input length exceeds the context length")
        size = int(body.get("dimensions") or model.embedding_length)
        scale = 7.0 if legacy or fault is Fault.EMBED_NOT_NORMALISED else 1.0
        vectors = [_vector(text[: 4 * context], min(size, model.embedding_length), scale) for text in texts]
        server.wait(model.latency_s)
    if legacy:
        return Answer(body={"embedding": vectors[0]})
    if fault is Fault.EMBED_EMPTY:
        vectors = []
    elif fault is Fault.EMBED_TOO_FEW:
        vectors = vectors[:-1]
    return Answer(
        body={
            "model": name,
            "embeddings": vectors,
            "total_duration": nanoseconds(time.monotonic() - started),
            "load_duration": nanoseconds(load_s),
            "prompt_eval_count": sum(min(count, context) for count in counts),
        }
    )


def _vector(text: str, size: int, scale: float) -> list[float]:
    """A bag of hashed words, so that texts with words in common are near each other; of length `scale`."""
    values = [1e-3] * size
    for word in text.lower().split() or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        values[int.from_bytes(digest[:4], "big") % size] += 1.0 if digest[4] % 2 else -1.0
    norm = math.sqrt(sum(value * value for value in values))
    return [scale * value / norm for value in values]
