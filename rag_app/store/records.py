"""What the store hands out and takes in; plain records, free of SQLite."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ingestion.elements import Problem
from rag_app.evidence import Description
from rag_app.store.encoding import decode_node
from rag_app.store.fulltext import unpack

if TYPE_CHECKING:
    from llama_index.core.schema import BaseNode


@dataclass(frozen=True, slots=True)
class Filter:
    """Which nodes may answer. Empty fields let everything pass; filled ones must all hold.

    documents      document ids (sha256), any of them
    pages          1-based pages, any of which the node touches
    kinds          any of these kinds
    metadata       (key, value) pairs, all of which the node's or its document's metadata has, compared as text
    exclude_kinds  none of these kinds
    folders        absolute paths: a document that was read from a file somewhere below any of them
    """

    documents: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    exclude_kinds: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Filter()


class Scored(NamedTuple):
    """A node row and its score, higher is better."""

    row: int
    score: float


class Terms(NamedTuple):
    """Search terms in order, by column; what `rag_app.searchable.terms` gives for each."""

    title: list[str]
    section: list[str]
    caption: list[str]
    body: list[str]
    context: list[str]


@dataclass(frozen=True)
class StoredNode:
    """A node as stored. The columns are read at once, `metadata` and `node` are made when first asked for.

    page is 1-based; label is "Table 3" or None; document is the document's name in this library.
    """

    row: int
    node_id: str
    document_id: str
    document: str
    kind: str
    page: int
    text: str
    label: str | None
    _metadata: str = field(repr=False)
    _extras: str = field(repr=False)
    _words: bytes = field(repr=False)

    @cached_property
    def metadata(self) -> dict[str, Any]:  # Any: node metadata is whatever JSON holds
        """The node's metadata, with `document` as the library names it now."""
        found = json.loads(self._metadata)
        if "document" in found:
            found["document"] = self.document
        return found

    @cached_property
    def terms(self) -> Terms:
        """The node's search terms as they are indexed; reading them is twenty times as fast as making them."""
        return Terms(*(column.split() for column in unpack(self._words)))

    @cached_property
    def node(self) -> BaseNode:
        """The LlamaIndex node, without its vector."""
        return decode_node(self.node_id, self.text, self.metadata, self._extras)


@dataclass(frozen=True, slots=True)
class Alias:
    """One place a document was ingested from; path is None when only the name is known."""

    name: str
    path: str | None


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A document of the library. `name` is unique here; `nodes` counts by kind; `added` is UTC, ISO 8601."""

    document_id: str
    name: str
    aliases: tuple[Alias, ...]
    title: str
    language: str
    pages: int
    parser: str
    nodes: dict[str, int]
    problems: tuple[Problem, ...]
    added: str
    seconds: float | None
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What a commit did: node rows added, ids of the older versions it replaced, the generation it made."""

    document_id: str
    name: str
    rows: tuple[int, ...]
    replaced: tuple[str, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class SpaceInfo:
    """An embedding space: role ("text", "image"), dimension, how many nodes have a vector in it, and which answers."""

    name: str
    role: str
    dim: int
    vectors: int
    active: bool


@dataclass(frozen=True, slots=True)
class Caption:
    """What somebody says of a picture. language: ISO 639-1, or "und"; model: who wrote it, None for people."""

    text: str
    language: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class CaptionsChange:
    """What storing captions did, counted in captions; unmatched: sha256 of pictures that no figure shows."""

    added: int
    unchanged: int
    replaced: int
    unmatched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Active:
    """How far the space `name` has got beside the one that answers now: `missing` nodes have no vector in it yet."""

    name: str
    active: bool
    missing: int


class LedgerKey(NamedTuple):
    """One piece of work: a crop of a kind, read by a model with a prompt. Equal crops share it.

    image is the crop's file name.
    """

    image: str
    kind: str
    model: str
    prompt_version: str


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One element to be described by one model with one prompt.

    state     pending, done, failed; pending with a result: the reply is there and not in its node yet
    error     class name of the failure, reason its sentence
    result    the Description as JSON, with its score (0 to 1) and whether it is verified
    updated   UTC, ISO 8601 with milliseconds
    """

    id: int
    document_id: str
    element_id: str
    kind: str
    image: str
    model: str
    prompt_version: str
    state: str
    error: str | None
    reason: str | None
    result: str | None
    score: float | None
    verified: int | None
    seconds: float | None
    attempts: int
    updated: str

    @property
    def key(self) -> LedgerKey:
        return LedgerKey(self.image, self.kind, self.model, self.prompt_version)


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a piece of work, and how long the model took."""

    key: LedgerKey
    description: Description
    seconds: float


class Winner(NamedTuple):
    """The description that an element's node carries: who made it, its score and whether it is verified."""

    model: str
    score: float
    verified: bool


@dataclass(frozen=True, slots=True)
class ModelTally:
    """How far one model has got: elements done (so many of them verified), failed and pending."""

    model: str
    done: int
    verified: int
    failed: int
    pending: int


@dataclass(frozen=True, slots=True)
class Failure:
    """An element that a model was asked about in vain and that has no description.

    error is the failure's class, reason its sentence; label "Figure 3" or None; page 1-based.
    """

    document: str
    element_id: str
    kind: str
    image: str
    model: str
    error: str | None
    reason: str | None
    label: str | None
    page: int | None


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """An answer with what led to it. `body` is the Answer document; generation is the library's state it came from."""

    id: int
    at: str
    question: str
    generation: int
    body: dict[str, Any]  # Any: the Answer document as JSON


@dataclass(frozen=True, slots=True)
class Integrity:
    """What `Store.integrity` found; all empty means sound.

    damage          what SQLite reports, and full text or vectors that do not fit the nodes
    missing_crops   crop files that nodes name and the folder lacks
    missing_files   documents whose original is not kept
    orphans         files no document needs, relative to the library
    """

    damage: tuple[str, ...] = ()
    missing_crops: tuple[str, ...] = ()
    missing_files: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        return not (self.damage or self.missing_crops or self.missing_files or self.orphans)
