"""What a conversation remembers: each question as typed and as asked, what it was asked of, and its answer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rag_app.answering.answer import Answer


@dataclass(frozen=True, slots=True)
class Scope:
    """Where answers are looked for: these papers, pages (1-based) and kinds, all where empty; as in `Library.ask`.

    language: of the answers, each question's own when None.
    """

    papers: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    language: str | None = None

    def words(self) -> str:
        """The scope in a line."""
        parts = [
            f"papers: {', '.join(self.papers)}" if self.papers else "all papers",
            f"pages: {', '.join(map(str, self.pages))}" if self.pages else "all pages",
            f"kinds: {', '.join(self.kinds)}" if self.kinds else "all kinds",
            f"answers in {self.language}" if self.language else "answers in each question's language",
        ]
        return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer.

    typed    the question as the user wrote it; answer.question is what was asked of the library
    picture  the name of a picture that was asked about: the answer is then what a model saw, checked against nothing
    thumbnail  the picture itself, small, as WebP; medical: the model was tuned on medical images
    """

    typed: str
    answer: Answer
    scope: Scope
    picture: str | None = None
    thumbnail: bytes | None = None
    medical: bool = False

    @property
    def rewritten(self) -> bool:
        """Whether what was asked is not what was typed."""
        return self.picture is None and self.answer.question != self.typed

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        """The answer as `ask --json` gives it, with what was typed, the scope, and the name of the picture."""
        return {
            "typed": self.typed,
            **self.answer.to_dict(),
            "scope": dataclasses.asdict(self.scope),
            "picture": self.picture,
            "medical": self.medical,
        }
