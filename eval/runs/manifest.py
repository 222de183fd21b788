"""What decided a run's figures, kept beside them, so that it can be repeated, gone on with, or told from another."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from eval.statistics import SEED

if TYPE_CHECKING:
    from rag_app.reports import LibraryStatus

PACKAGES = (
    "rag-app",
    "llama-index-core",
    "pymupdf",
    "pymupdf4llm",
    "pymupdf-layout",
    "onnxruntime",
    "tokenizers",
    "faiss-cpu",
    "numpy",
)
_DECIDE = ("kind", "settings", "models", "versions", "digests", "seeds")


def package_versions(more: Sequence[str] = ()) -> dict[str, str]:
    """Versions of the packages that decide figures, and of `more`; those that are not installed are left out."""
    found: dict[str, str] = {}
    for name in (*PACKAGES, *more):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class Manifest:
    """The frame of one run.

    kind      "answers", "retrieval", "quiz", "extraction", "captions"
    total     items the run is to have
    settings  options that decide the figures: {"k": 8}
    models    full model name by role: {"answer": "builtin"}
    versions  of the packages that decide the figures
    digests   sha256 of what was read: "questions", "library", "prompts"
    seeds     {"bootstrap": 20260115}
    judge     {"model": ..., "metrics": [...], "embedding": ...}; None while no model judges
    command   as typed; started: UTC, ISO 8601. Neither decides anything
    """

    kind: str
    total: int
    settings: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values
    models: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=package_versions)
    digests: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=lambda: {"bootstrap": SEED})
    judge: Mapping[str, Any] | None = None  # Any: JSON values
    command: str = ""
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave, after JSON; TypeError on another shape."""
        return cls(**raw)

    def changes(self, other: Manifest) -> list[str]:
        """What of this manifest is otherwise in `other`, a phrase each: "settings.k was 8, now 10".

        A judge that comes to a run without one is no change: the answers are the same.
        """
        mine, theirs = (json.loads(json.dumps(one.to_dict())) for one in (self, other))
        before, after = (
            dict(_flat({key: whole[key] for key in (*_DECIDE, *(["judge"] if self.judge else []))}))
            for whole in (mine, theirs)
        )
        return [
            f"{key} was {_short(before.get(key))}, now {_short(after.get(key))}"
            for key in dict.fromkeys([*before, *after])
            if before.get(key) != after.get(key)
        ]


def digest_of_files(paths: Iterable[Path]) -> str:
    """sha256 over the contents of the files, in this order; their names do not matter."""
    return digest_of_texts(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)


def digest_of_texts(texts: Iterable[str]) -> str:
    """sha256 over texts, in this order, each told from the next."""
    whole = hashlib.sha256()
    for text in texts:
        whole.update(hashlib.sha256(text.encode()).digest())
    return whole.hexdigest()


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:  # Any: JSON values
    for key, one in value.items():
        if isinstance(one, Mapping) and one:
            yield from _flat(one, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", one


def _short(value: object) -> str:
    if value is None:
        return "not set"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:16]}…"


def digest_of_library(status: LibraryStatus) -> str:
    """sha256 over what a search can find: documents, how they were read, their vectors, what models described."""
    held = [f"{one.document_id} {one.name} {one.parser} {sorted(one.nodes.items())}" for one in status.documents]
    held += sorted(f"{one.name} {one.vectors} {one.active}" for one in status.spaces)
    held += sorted(f"{one.model} {one.done} {one.verified}" for one in status.descriptions.models)
    return digest_of_texts(held)
