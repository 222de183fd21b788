"""Stored captions: what people or models say of a figure, as nodes of kind "caption" below its node.

They have words and vectors of their own, leave with their document, and are found only where they are asked for. Each
function runs inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ingestion import keys
from rag_app.store import sums
from rag_app.store.records import Caption

if TYPE_CHECKING:
    from llama_index.core.schema import BaseNode

_FROM_FIGURE = (keys.DOCUMENT, keys.DOCUMENT_ID, keys.TITLE, keys.PAGE, keys.PAGES, keys.PLACES)


class Figure(NamedTuple):
    """A node with a picture. document: row of its document; metadata: as stored."""

    node_id: str
    document: int
    metadata: Mapping[str, Any]  # Any: JSON


class StoredCaption(NamedTuple):
    """A caption that is there. of: node id of its figure."""

    row: int
    node_id: str
    of: str
    caption: Caption


class Plan(NamedTuple):
    """What storing captions will do: new nodes with the rows of their documents, and rows that go."""

    new: list[tuple[int, BaseNode]]
    gone: list[int]
    unchanged: int
    unmatched: list[str]


class Kept(NamedTuple):
    """A caption of a document that goes, or is parsed anew: of which picture, and its vectors by space (as stored)."""

    caption: Caption
    image: str | None
    document_id: str
    page: int
    vectors: tuple[tuple[int, bytes], ...]


def figures(connection: sqlite3.Connection, sha256: str) -> list[Figure]:
    """The figures that show this picture: the first of the picture file with this content, and crops that are it."""
    found = connection.execute(
        "SELECT node_id, document, metadata FROM nodes WHERE image = ? AND kind = 'figure' "
        "UNION SELECT * FROM (SELECT node_id, document, metadata FROM nodes "
        "WHERE document = (SELECT id FROM documents WHERE document_id = ?) AND kind = 'figure' AND image IS NOT NULL "
        "ORDER BY position LIMIT 1)",
        (f"{sha256}.png", sha256),
    )
    return [Figure(node_id, document, json.loads(metadata)) for node_id, document, metadata in found]


def plan(connection: sqlite3.Connection, said: Mapping[str, Sequence[Caption]]) -> Plan:
    """What it takes to have these captions, by the sha256 of their picture."""
    found = Plan([], [], 0, [])
    unchanged = 0
    for sha256, wanted in said.items():
        shown = figures(connection, sha256)
        if not shown:
            found.unmatched.append(sha256)
        writers = {(caption.model, caption.language) for caption in wanted if caption.model}
        for figure in shown:
            made = {one.node_id: one for one in (node(figure.node_id, figure.metadata, each) for each in wanted)}
            there = [one for one in of_document(connection, figure.document) if one.of == figure.node_id]
            known = {one.node_id for one in there}
            unchanged += len(known & made.keys())
            found.new.extend((figure.document, one) for node_id, one in made.items() if node_id not in known)
            found.gone.extend(
                one.row
                for one in there
                if one.node_id not in made and (one.caption.model, one.caption.language) in writers
            )
    return found._replace(unchanged=unchanged)


def of_document(connection: sqlite3.Connection, document: int) -> list[StoredCaption]:
    """All captions of a document, by its row."""
    return [
        StoredCaption(row, node_id, *_parts(text, json.loads(metadata)))
        for row, node_id, text, metadata in connection.execute(
            "SELECT row, node_id, text, metadata FROM nodes WHERE document = ? AND kind = 'caption' ORDER BY position",
            (document,),
        )
    ]


def below(connection: sqlite3.Connection, rows: Sequence[int]) -> list[int]:
    """Rows of the captions of the figures at `rows`."""
    return [
        row
        for (row,) in connection.execute(
            "SELECT caption.row FROM nodes AS figure "
            "JOIN nodes AS caption ON caption.document = figure.document AND caption.kind = 'caption' "
            "AND json_extract(caption.metadata, '$.of') = figure.node_id "
            "WHERE figure.row IN (SELECT value FROM json_each(?)) ORDER BY caption.row",
            (json.dumps([int(row) for row in rows]),),
        )
    ]


def node(figure_id: str, figure: Mapping[str, Any], caption: Caption) -> BaseNode:  # Any: JSON
    """The node of a caption below its figure. The same caption of the same figure has the same id."""
    from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode

    metadata = {
        **{key: figure[key] for key in _FROM_FIGURE},
        keys.KIND: "caption",
        keys.SPANS: [],
        keys.SECTION: "",
        keys.LABEL: None,
        keys.MENTIONS: [],
        keys.LANGUAGE: caption.language,
        keys.IMAGE: None,
        keys.ELEMENTS: [],
        keys.CAPTION: None,
        keys.CONTEXT: "",
        keys.OCR: False,
        keys.OF: figure_id,
        keys.MODEL: caption.model,
        keys.SOURCE: "caption",
    }
    told = hashlib.sha256(f"{caption.language}\n{caption.text}".encode()).hexdigest()[:12]
    return TextNode(
        id_=f"{figure_id}-caption-{told}",
        text=caption.text,
        metadata=metadata,
        excluded_embed_metadata_keys=list(metadata),
        excluded_llm_metadata_keys=[key for key in metadata if key not in (keys.TITLE, keys.PAGE)],
        relationships={
            NodeRelationship.SOURCE: RelatedNodeInfo(node_id=figure[keys.DOCUMENT_ID]),
            NodeRelationship.PARENT: RelatedNodeInfo(node_id=figure_id),
        },
    )


def keep(connection: sqlite3.Connection, documents: Iterable[int]) -> list[Kept]:
    """The captions of these documents (by row), with what it takes to find their pictures again."""
    found = []
    for document in documents:
        for stored in of_document(connection, document):
            image, document_id, page = connection.execute(
                "SELECT nodes.image, document_id, page FROM nodes JOIN documents ON documents.id = document "
                "WHERE node_id = ?",
                (stored.of,),
            ).fetchone() or (None, "", 0)
            vectors = connection.execute(
                "SELECT space, vector, crc FROM vectors WHERE row = ?", (stored.row,)
            ).fetchall()
            for _, vector, crc in vectors:
                sums.check_vector(stored.row, vector, crc)
            found.append(
                Kept(stored.caption, image, document_id, page, tuple((space, vector) for space, vector, _ in vectors))
            )
    return found


def renewed(kept: Sequence[Kept], nodes: Sequence[BaseNode]) -> list[tuple[BaseNode, Kept]]:
    """The captions kept, as nodes below those figures of `nodes` that show the same picture.

    That is the same crop; where the parser now cuts it otherwise, the only figure of that page of the same file.
    """
    shown = [one for one in nodes if one.metadata[keys.KIND] == "figure" and one.metadata.get(keys.IMAGE)]
    found: dict[str, tuple[BaseNode, Kept]] = {}
    for caption in kept:
        same = [one for one in shown if one.metadata[keys.IMAGE] == caption.image]
        if not same:
            place = (caption.document_id, caption.page)
            there = [one for one in shown if (one.metadata[keys.DOCUMENT_ID], one.metadata[keys.PAGE]) == place]
            same = there if len(there) == 1 else []
        for figure in same:
            made = node(figure.node_id, figure.metadata, caption.caption)
            found.setdefault(made.node_id, (made, caption))
    return list(found.values())


def put_vectors(connection: sqlite3.Connection, rows: Sequence[int], kept: Sequence[Kept], generation: int) -> None:
    """Give the new nodes at `rows` the vectors that their captions had."""
    connection.executemany(
        "INSERT INTO vectors(row, space, generation, vector, crc) VALUES(?, ?, ?, ?, ?)",
        [
            (row, space, generation, blob, sums.of_vector(row, blob))
            for row, one in zip(rows, kept, strict=True)
            for space, blob in one.vectors
        ],
    )


def _parts(text: str, metadata: Mapping[str, Any]) -> tuple[str, Caption]:  # Any: JSON
    return metadata[keys.OF], Caption(text, metadata[keys.LANGUAGE], metadata[keys.MODEL])
