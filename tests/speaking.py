"""A language model for tests: it says what the test wrote down, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag_app.errors import ModelNotInstalled, RagAppError
from rag_app.evidence import Description, Passage, Question
from rag_app.models import Reply
from rag_app.retrieval.question import understand

BOX = (0.0, 0.0, 10.0, 10.0)
BELOW = (0.0, 20.0, 10.0, 30.0)


@dataclass(frozen=True)
class Asked:
    """One request."""

    prompt: str
    images: tuple[bytes, ...]
    system: str
    schema: Mapping[str, Any] | None
    max_tokens: int
    temperature: float
    seed: int


@dataclass
class Speaker:
    """A LanguageModel. replies are given one after the other, the last one again; an error among them is raised.

    A reply may be a function of the request. Each is streamed in pieces of `piece` characters.
    """

    replies: Sequence[str | RagAppError | Callable[[Asked], str]]
    name: str = "ollama:speaker"
    sees: bool = False
    piece: int = 7
    missing: bool = False
    asked: list[Asked] = field(default_factory=list)
    checks: int = 0

    def check(self, *, pictures: bool = False) -> None:
        self.checks += 1
        if self.missing:
            raise ModelNotInstalled(f"Ollama has no model {self.name!r}; did you mean speaker?")

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[bytes] = (),
        system: str = "",
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
        repeat_penalty: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        request = Asked(prompt, tuple(images), system, schema, max_tokens, temperature, seed)
        reply = self.replies[min(len(self.asked), len(self.replies) - 1)]
        self.asked.append(request)
        if isinstance(reply, RagAppError):
            raise reply
        text = reply if isinstance(reply, str) else reply(request)
        if on_text is not None:
            for start in range(0, len(text), self.piece):
                on_text(text[start : start + self.piece])
        return Reply(text, self.name, 1.5, 0.5, prompt_tokens=900, reply_tokens=60, context_tokens=8192)

    async def aask(self, prompt: str, **options: Any) -> Reply:
        return self.ask(prompt, **options)


def says(*statements: tuple[str, int, str], answerable: bool = True) -> str:
    """The JSON reply with statements of (text, source, quote)."""
    rows = [{"text": text, "source": source, "quote": quote} for text, source, quote in statements]
    return json.dumps({"answerable": answerable, "statements": rows}, ensure_ascii=False)


def question(text: str, *, answer_in: str | None = None) -> Question:
    asked = understand(text, {})
    return Question(asked.text, asked.language, asked.terms, {}, asked.labels, asked.kinds, answer_in)


def passage(node_id: str, text: str, kind: str = "text", **changes: Any) -> Passage:
    fields: dict[str, Any] = {
        "node_id": node_id, "document": "a.pdf", "document_id": "a" * 64, "title": "A", "page": 1,
        "places": ((1, BOX), (2, BELOW)), "kind": kind, "text": text, "score": 0.5,
    }  # fmt: skip
    return Passage(**{**fields, **changes})


def description(text: str, *, kind: str = "figure", verified: bool = False, summary: str = "") -> Description:
    return Description(
        model="ollama:qwen2.5vl:7b", prompt_version=f"{kind}-1", kind=kind, summary=summary, text=text,
        details={}, score=0.9 if verified else 0.2, verified=verified,
        reasons=() if verified else ("3 of 4 numbers are not in the figure's text.",),
    )  # fmt: skip
