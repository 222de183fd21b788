"""HybridRetriever: lexical and dense search, what the question names, what good passages refer to; then ranked."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle

from ingestion import keys
from rag_app.errors import UsageError
from rag_app.evidence import Passage, Question
from rag_app.models import ImageEmbedding
from rag_app.outside import whole_characters
from rag_app.retrieval.diversity import diversified
from rag_app.retrieval.passages import Found, Hit
from rag_app.retrieval.question import understand
from rag_app.retrieval.scoring import Candidate, Weights, by_ranks, idf, score
from rag_app.searchable import query_terms, terms
from rag_app.store import Filter, Scored, Store, StoredNode
from rag_app.vectors.protocol import VectorSpace

# What a search is made of: candidates by words, by vectors, by looks, by being named or mentioned; and weighing them
# all against each other, in place of which the halves' ranks are merged.
HALVES = ("lexical", "dense", "image", "structure", "fusion")
CANDIDATES = 60  # asked of each half
SCORED = 40  # so many of them are scored in full
_DOCUMENTS_WEIGHED = 8  # term weights are looked up inside so many documents
_MENTIONING = 8  # so many of the best candidates may lead to the elements they mention
_WITH_NEIGHBOURS = 3  # so many of the best hits bring the passages before and after them
_FORMULAS_AFTER = 4  # a text passage is followed by the formulas that stand in it
_NEIGHBOUR_SHARE = 0.6  # of the hit's score


class HybridRetriever(BaseRetriever):
    """Finds passages of every kind for a question in English or Persian.

    k: hits returned. filter: which nodes may be found; bibliography entries only when its kinds name "reference".
    space and embedding may be None for a library without vectors: the lexical half then works alone. languages: those
    the embedding knows, None for all; a question in another is searched by its words. pictures: gives, for a question's
    language, the image model that takes words in it and its space, or None; figures are then found by their looks too.
    weights: of the score's parts. halves: those of HALVES that take part, to see what each is worth; a half that does
    not finds no candidates and adds nothing to a score.
    """

    def __init__(
        self,
        store: Store,
        space: VectorSpace | None,
        embedding: BaseEmbedding | None,
        *,
        k: int = 8,
        filter: Filter | None = None,
        weights: Weights | None = None,
        halves: Collection[str] = HALVES,
        languages: frozenset[str] | None = None,
        pictures: Callable[[str], tuple[ImageEmbedding, VectorSpace] | None] | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager=callback_manager)
        self._store = store
        self._space = space
        self._embedding = embedding
        self.k = k
        self._asked = filter or Filter()
        unknown = [half for half in halves if half not in HALVES]
        if unknown:
            raise UsageError(f"Search has no half {', '.join(map(repr, unknown))}. It has {', '.join(HALVES)}.")
        self._halves = frozenset(halves)
        self._weights = (weights or Weights()).without(frozenset(HALVES) - self._halves)
        self._languages = languages
        self._pictures = pictures

    @property
    def halves(self) -> tuple[str, ...]:
        """Those of HALVES that take part: asked for, and with the model and the vectors they need."""
        missing = {"dense"} if self._space is None or self._embedding is None else set()
        missing |= {"image"} if self._pictures is None else set()
        return tuple(half for half in HALVES if half in self._halves - missing)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [hit.with_score() for hit in self.find(query_bundle.query_str).hits]

    def find(self, text: str, *, k: int | None = None) -> Found:
        """The `k` best hits for a question, with their scores' parts, what was dropped, and seconds by stage."""
        k = k or self.k
        clock = _Clock()
        text = whole_characters(text)  # a command line of other bytes than UTF-8 holds halves
        with self._store.snapshot():
            allowed = _evidence_only(self._asked)
            size = self._store.size()
            wanted = query_terms(text)
            question = understand(text, idf(size, self._store.document_frequency(wanted)))
            pool = _Pool()
            if "lexical" in self._halves:
                pool.add("lexical", self._store.lexical(wanted, k=max(CANDIDATES, 2 * k), allowed=allowed))
            clock.lap("lexical")
            asked = self._vector(question)
            pool.add("dense", self._dense(asked, k=max(CANDIDATES, 2 * k)))
            clock.lap("dense")
            if self._pictures is not None and "image" in self._halves:
                pool.add("image", self._by_looks(question, k=max(CANDIDATES, 2 * k), allowed=allowed))
                clock.lap("image")
            if "structure" in self._halves:
                pool.add("label", [Scored(row, 0.0) for row in self._store.labelled(question.labels, allowed)])
                self._follow_mentions(pool, allowed)
            scored = self._scored(question, asked, pool, max(SCORED, 2 * k))
            clock.lap("score")
        hits, dropped = _diversified(scored, k)
        clock.lap("diversify")
        return Found(question, tuple(hits), tuple(dropped), clock.seconds, size)

    def with_neighbours(self, found: Found) -> list[Passage]:
        """The hits as passages, then what stands just before and after the best, and the formulas inside them."""
        passages = [hit.passage() for hit in found.hits]
        known = {hit.stored.row for hit in found.hits}
        kinds = set(self._asked.kinds or keys.NODE_KINDS).difference(keys.ASKED_FOR)
        with self._store.snapshot():
            for hit in found.hits[:_WITH_NEIGHBOURS]:
                beside = self._store.neighbours(hit.stored.row, before=1, after=_FORMULAS_AFTER)
                for stored in self._store.nodes([row for row in beside if row not in known]):
                    next_to = abs(stored.row - hit.stored.row) == 1
                    if stored.kind in kinds and (next_to or stored.kind == "formula"):
                        known.add(stored.row)
                        passages.append(Hit(stored, _NEIGHBOUR_SHARE * hit.score, ("neighbour",)).passage())
        return passages

    def _vector(self, question: Question) -> np.ndarray | None:
        """The question's embedding (dim,); None in a language the model does not know, or without vectors."""
        if self._space is None or self._embedding is None or "dense" not in self._halves:
            return None
        if self._languages is not None and question.language not in self._languages:
            return None
        return np.asarray(self._embedding.get_query_embedding(question.text), dtype=np.float32)

    def _dense(self, asked: np.ndarray | None, *, k: int) -> list[Scored]:
        if self._space is None or asked is None:
            return []
        # Bibliography entries have no vector, so only a filter that was asked for has to be looked up.
        allowed = _evidence_only(self._asked) if self._asked or self._store.holds("caption") else None
        return self._space.search(asked, k=k, allowed=allowed)

    def _by_looks(self, question: Question, *, k: int, allowed: Filter) -> list[Scored]:
        """Figures by their pictures, where there is an image model that takes words in the question's language."""
        assert self._pictures is not None
        model = self._pictures(question.language)
        if model is None:
            return []
        embedding, space = model
        asked = embedding.embed_texts([question.text])[0]
        return _stretched(space.search(asked, k=k, allowed=allowed))

    def _follow_mentions(self, pool: _Pool, allowed: Filter) -> None:
        """Add the elements that the best candidates refer the reader to ("see Table 3"), in their own document."""
        for stored in self._store.nodes(pool.best(_MENTIONING)):
            labels = stored.metadata[keys.MENTIONS]
            if labels:
                inside = dataclasses.replace(allowed, documents=(stored.document_id,))
                pool.add("mention", [Scored(row, 0.0) for row in self._store.labelled(labels, inside)])

    def _scored(self, question: Question, asked: np.ndarray | None, pool: _Pool, most: int) -> list[Hit]:
        """The `most` best candidates and all that were named or mentioned, fully scored, best first."""
        rows = pool.best(most)
        best = set(rows)
        rows += [row for row, halves in pool.found_by.items() if row not in best and halves[0] not in _SCORING]
        if self._space is not None and asked is not None:
            vectors = self._store.vectors(self._space.name, rows)
            pool.cosine.update({row: float(vector @ asked) for row, vector in vectors.items()})
        stored = self._store.nodes(rows)
        if "fusion" in self._halves:
            candidates = [_candidate(node, pool) for node in stored]
            scores = score(question, candidates, self._weights, self._inside(question, candidates))
        else:
            scores = by_ranks(pool.ranks, [node.row for node in stored])
        hits = [
            Hit(node, total, tuple(pool.found_by[node.row]), parts)
            for node, (total, parts) in zip(stored, scores, strict=True)
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.stored.row))

    def _inside(self, question: Question, candidates: Sequence[Candidate]) -> dict[str, dict[str, float]]:
        """Term weights within each of the documents that have most candidates."""
        counts = Counter(candidate.document_id for candidate in candidates)
        return {
            document_id: idf(*self._store.frequency_in(document_id, question.terms))
            for document_id, _ in counts.most_common(_DOCUMENTS_WEIGHED)
        }


_SCORING = ("lexical", "dense", "image")  # the halves that give their candidates a score of their own


class _Pool:
    """Rows found so far, by whom, at which rank from 1, and their raw scores."""

    def __init__(self) -> None:
        self.found_by: dict[int, list[str]] = {}
        self.ranks: dict[str, dict[int, int]] = {}
        self.bm25: dict[int, float] = {}
        self.image: dict[int, float] = {}
        self.cosine: dict[int, float] = {}

    def add(self, half: str, found: Iterable[Scored]) -> None:
        raw: Mapping[str, dict[int, float]] = {"lexical": self.bm25, "dense": self.cosine, "image": self.image}
        for row, value in found:
            halves = self.found_by.setdefault(row, [])
            if half not in halves:
                halves.append(half)
                ranks = self.ranks.setdefault(half, {})
                ranks[row] = len(ranks) + 1
            if half in raw:
                raw[half][row] = value

    def best(self, n: int) -> list[int]:
        """The `n` best rows by BM25, cosine and looks alone, each over its best."""
        most_bm25 = max(self.bm25.values(), default=1.0) or 1.0
        most_cosine = max(self.cosine.values(), default=1.0) or 1.0
        rough = {
            row: self.bm25.get(row, 0.0) / most_bm25
            + 0.5 * self.cosine.get(row, 0.0) / most_cosine
            + 0.5 * self.image.get(row, 0.0)
            for row in self.found_by
        }
        return sorted(rough, key=lambda row: -rough[row])[:n]


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now


def _evidence_only(asked: Filter) -> Filter:
    """Bibliography entries and stored captions are found only when they are asked for by kind."""
    hidden = [kind for kind in keys.ASKED_FOR if kind not in (*asked.kinds, *asked.exclude_kinds)]
    return dataclasses.replace(asked, exclude_kinds=(*asked.exclude_kinds, *hidden)) if hidden else asked


def _stretched(found: Sequence[Scored]) -> list[Scored]:
    """The scores from 0 for the last that was found to 1 for the best.

    Cosines of image models between words and pictures lie in a narrow band far from 1.
    """
    if not found:
        return []
    low, high = min(one.score for one in found), max(one.score for one in found)
    return [Scored(row, (value - low) / (high - low) if high > low else 1.0) for row, value in found]


@lru_cache(maxsize=4096)
def _name_terms(document: str) -> tuple[str, ...]:
    """The search terms of a document's name."""
    return tuple(terms(Path(document).stem.replace("_", " ")))


def _candidate(node: StoredNode, pool: _Pool) -> Candidate:
    t = node.terms
    return Candidate(
        own=t.body,
        around=frozenset([*t.section, *t.caption, *t.context]),
        title=frozenset([*t.title, *_name_terms(node.document)]),
        kind=node.kind,
        label=node.label,
        document_id=node.document_id,
        bm25=pool.bm25.get(node.row, 0.0),
        cosine=pool.cosine.get(node.row, 0.0),
        image=pool.image.get(node.row, 0.0),
        mentioned_by_best="mention" in pool.found_by[node.row],
        ocr=node.metadata[keys.OCR],
    )


def _diversified(scored: Sequence[Hit], k: int) -> tuple[list[Hit], list[Hit]]:
    """The k hits kept, and those a higher place was denied because they repeat one that was chosen."""
    near = list(scored[: 3 * k])
    bags = [frozenset(hit.stored.terms.body) for hit in near]
    pages = [(hit.stored.document_id, hit.stored.page) for hit in near]
    chosen = diversified([hit.score for hit in near], bags, pages, k=k)
    kept = set(chosen)
    return [near[i] for i in chosen], [hit for i, hit in enumerate(near[:k]) if i not in kept]
