"""Elements to nodes: what is embedded, searched and cited; their metadata keys are in ingestion.keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from llama_index.core.bridge.pydantic import Field
from llama_index.core.node_parser import NodeParser
from llama_index.core.schema import BaseNode, Document, ImageNode, NodeRelationship, RelatedNodeInfo, TextNode

from ingestion.elements import Element, Paper, Place
from ingestion.keys import (
    CAPTION,
    CELLS,
    CONTEXT,
    DOCUMENT,
    DOCUMENT_ID,
    ELEMENTS,
    HEADER_ROWS,
    IMAGE,
    KIND,
    LABEL,
    LANGUAGE,
    MENTIONS,
    OCR,
    PAGE,
    PAGES,
    PAPER,
    PLACES,
    SECTION,
    SECTION_SEPARATOR,
    SPANS,
    TITLE,
)
from ingestion.markdown import paper_markdown
from ingestion.surroundings import FLOWING_KINDS, MOST_CHARACTERS, first_sentence, last_sentence, surroundings
from rag_app.sentences import sentences

_ARABIC_LETTER = re.compile(r"[\u0600-\u06ff]")
_LATIN_LETTER = re.compile(r"[A-Za-z]")
_BETWEEN = "\n\n"


def approximate_tokens(text: str) -> int:
    """About how many word pieces `text` has: 1.3 a word, Persian words more."""
    words = len(text.split())
    return int(words * (1.3 if text.isascii() else 1.6)) + 2


class PaperNodeParser(NodeParser):
    """Turns the Document of a Paper (see `paper_document`) into text, table, formula and figure nodes.

    chunk_tokens: text of one section is joined up to about this many word pieces a node; a longer paragraph is cut at
    sentences.
    """

    chunk_tokens: int = Field(default=180, ge=32)

    @classmethod
    def class_name(cls) -> str:
        return "PaperNodeParser"

    def _parse_nodes(
        self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any
    ) -> list[BaseNode]:  # Any: LlamaIndex's own signature
        made: list[BaseNode] = []
        for document in nodes:
            made.extend(to_nodes(Paper.from_json(document.metadata[PAPER]), chunk_tokens=self.chunk_tokens))
        return made

    def _postprocess_parsed_nodes(self, nodes: list[BaseNode], parent_doc_map: dict[str, Document]) -> list[BaseNode]:
        return nodes  # relationships, ids and metadata are complete already; the default would copy the paper into each


def paper_document(paper: Paper) -> Document:
    """The paper as a LlamaIndex Document: Markdown text for anyone, the whole Paper in its metadata for us."""
    hidden = [PAPER, DOCUMENT_ID]
    return Document(
        id_=paper.sha256,
        text=paper_markdown(paper),
        metadata={
            DOCUMENT: paper.name,
            DOCUMENT_ID: paper.sha256,
            TITLE: paper.title,
            LANGUAGE: paper.language,
            PAPER: paper.to_json(),
        },
        excluded_embed_metadata_keys=hidden,
        excluded_llm_metadata_keys=hidden,
    )


def to_nodes(paper: Paper, *, chunk_tokens: int = 180) -> list[BaseNode]:
    """The nodes of `paper` in reading order, linked to their source, to the one before and the one after."""
    drafts = list(_drafts(paper.elements, chunk_tokens))
    around = surroundings(paper)
    joints = _joints([draft for draft in drafts if draft.kind == "text"])
    nodes = [
        _node(paper, draft, order=i, context=joints.get(id(draft)) or around.get(draft.elements[0].id, ""))
        for i, draft in enumerate(drafts)
    ]
    for before, after in pairwise(nodes):
        before.relationships[NodeRelationship.NEXT] = RelatedNodeInfo(node_id=after.node_id)
        after.relationships[NodeRelationship.PREVIOUS] = RelatedNodeInfo(node_id=before.node_id)
    return nodes


@dataclass
class _Draft:
    kind: str
    elements: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    spans: list[tuple[int, int, Place]] = field(default_factory=list)
    tokens: int = 0
    length: int = 0

    def add(self, element: Element, text: str, *, offset: int = 0) -> None:
        """Take `text`, which begins at `offset` of the element's text."""
        if not self.elements or self.elements[-1] is not element:
            self.elements.append(element)
        if self.texts:
            self.length += len(_BETWEEN)
        for place, after in zip(element.places, [*element.places[1:], None], strict=True):
            begin = max(place.start - offset, 0)
            end = len(text) if after is None else min(after.start - offset, len(text))
            if begin < end:
                self.spans.append((self.length + begin, self.length + end, place))
        self.texts.append(text)
        self.length += len(text)
        self.tokens += approximate_tokens(text)


def _drafts(elements: Iterable[Element], chunk_tokens: int) -> Iterator[_Draft]:
    """Text is gathered until the section or the size ends it; a table, formula or figure in between does not end it."""
    gathering = _Draft("text")
    aside: list[_Draft] = []

    def finished() -> Iterator[_Draft]:
        nonlocal gathering
        if gathering.texts:
            yield gathering
        yield from aside
        gathering, aside[:] = _Draft("text"), []

    for element in elements:
        if element.kind == "heading":
            yield from finished()
            continue
        if element.kind not in FLOWING_KINDS:
            draft = _Draft(element.kind)
            draft.add(element, _own_text(element))
            if draft.texts[0] or element.image:
                aside.append(draft)
            continue
        if gathering.elements and gathering.elements[-1].section != element.section:
            yield from finished()
        offset = 0
        for piece in _pieces(element.text, chunk_tokens):
            if gathering.texts and gathering.tokens + approximate_tokens(piece) > chunk_tokens:
                yield from finished()
            offset = element.text.index(piece, offset)
            gathering.add(element, piece, offset=offset)
            offset += len(piece)
    yield from finished()


def _pieces(text: str, chunk_tokens: int) -> Iterator[str]:
    """`text` cut at sentences into verbatim pieces of about `chunk_tokens`; a run without any sentence end at words."""
    if approximate_tokens(text) <= chunk_tokens:
        if text.strip():
            yield text
        return
    start = end = None
    tokens = 0
    for begin, stop in _units(text, chunk_tokens):
        size = approximate_tokens(text[begin:stop])
        if start is not None and tokens + size > chunk_tokens:
            yield text[start:end]
            start, tokens = None, 0
        start = begin if start is None else start
        end = stop
        tokens += size
    if start is not None:
        yield text[start:end]


def _units(text: str, chunk_tokens: int) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence; of runs of words where a sentence alone is over the size."""
    few_words = re.compile(rf"\S+(?:\s+\S+){{0,{max(16, int(chunk_tokens / 1.6)) - 1}}}")
    for sentence in sentences(text):
        if approximate_tokens(sentence.text) <= chunk_tokens:
            yield sentence.start, sentence.end
        else:
            yield from (match.span() for match in few_words.finditer(text, sentence.start, sentence.end))


def _own_text(element: Element) -> str:
    if element.kind == "table":
        body = element.markdown or element.text
        return f"{element.caption}\n\n{body}" if element.caption else body
    if element.kind == "figure":
        return "\n".join(part for part in (element.caption, element.text) if part)
    if element.kind == "formula" and element.latex:
        return element.latex
    return element.text


def _joints(drafts: Sequence[_Draft]) -> dict[int, str]:
    """By the identity of a text draft: the sentences it was cut from, just before and after, in the same section."""
    found: dict[int, list[str]] = {}
    for before, after in pairwise(drafts):
        if before.elements[-1].section == after.elements[0].section:
            found.setdefault(id(before), []).append(first_sentence(after.texts[0]))
            found.setdefault(id(after), []).append(last_sentence(before.texts[-1]))
    return {key: " ".join(parts)[:MOST_CHARACTERS] for key, parts in found.items()}


def _node(paper: Paper, draft: _Draft, *, order: int, context: str) -> BaseNode:
    first = draft.elements[0]
    places = _places(draft)
    label = first.label if draft.kind in ("table", "formula", "figure") else None
    metadata: dict[str, Any] = {  # Any: JSON values of several shapes
        DOCUMENT: paper.name,
        DOCUMENT_ID: paper.sha256,
        TITLE: paper.title,
        KIND: draft.kind,
        PAGE: places[0].page,
        PAGES: sorted({place.page for place in places}),
        PLACES: [[place.page, *place.bbox] for place in places],
        SPANS: [[start, end, place.page, *place.bbox] for start, end, place in draft.spans],
        SECTION: SECTION_SEPARATOR.join(first.section),
        LABEL: label,
        MENTIONS: sorted({m for element in draft.elements for m in element.mentions}),
        LANGUAGE: _language(paper, draft),
        IMAGE: first.image,
        ELEMENTS: [element.id for element in draft.elements],
        CAPTION: first.caption,
        CONTEXT: context,
        OCR: any(element.ocr for element in draft.elements),
    }
    if draft.kind == "table" and first.cells:
        metadata[CELLS] = [list(row) for row in first.cells]
        metadata[HEADER_ROWS] = first.header_rows
    embedded = {SECTION} if draft.kind == "text" else {SECTION, CONTEXT}
    common: dict[str, Any] = {  # Any: keyword arguments of two pydantic classes
        "id_": f"{paper.sha256[:16]}-{draft.kind}-{order:05d}",
        "text": _BETWEEN.join(draft.texts),
        "metadata": metadata,
        "excluded_embed_metadata_keys": [key for key in metadata if key not in embedded or not metadata[key]],
        "excluded_llm_metadata_keys": [key for key in metadata if key not in (TITLE, SECTION, PAGE, LABEL)],
        "metadata_template": "{value}",
        "metadata_separator": "\n",
        "text_template": "{metadata_str}\n{content}",
        "relationships": {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=paper.sha256)},
    }
    if first.image and draft.kind in ("table", "formula", "figure"):
        # The path is the crop's name; the library resolves it inside its own crops folder.
        return ImageNode(image_path=first.image, image_mimetype="image/png", **common)
    return TextNode(**common)


def _places(draft: _Draft) -> list[Place]:
    """Where the node's own text stands; the whole elements when they have no text; a caption counts."""
    places = [place for _, _, place in draft.spans]
    first = draft.elements[0]
    if not places or draft.kind in ("table", "figure"):
        places = list(first.places)
    if first.caption_place:
        places.append(first.caption_place)
    return list(dict.fromkeys(places))


def _language(paper: Paper, draft: _Draft) -> str:
    """The paper's language, or "en" for a part in Latin letters of a paper in Arabic script, and "fa" the other way."""
    text = " ".join(draft.texts)
    arabic, latin = len(_ARABIC_LETTER.findall(text)), len(_LATIN_LETTER.findall(text))
    if arabic > latin:
        return paper.language if paper.language in ("fa", "ar") else "fa"
    return "en" if latin and paper.language in ("fa", "ar") else paper.language
