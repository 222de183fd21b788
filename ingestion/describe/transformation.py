"""Describing as a LlamaIndex transformation: it can stand in any IngestionPipeline after `PaperNodeParser`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core.schema import BaseNode, TransformComponent
from pydantic import ConfigDict, Field, SkipValidation

from ingestion.describe.prompts import PROMPT_VERSIONS
from ingestion.describe.reading import read_element
from ingestion.describe.selection import KINDS
from ingestion.elements import Element, Place
from ingestion.keys import (
    CAPTION,
    CELLS,
    CONTEXT,
    DESCRIPTION,
    ELEMENTS,
    HEADER_ROWS,
    IMAGE,
    KIND,
    LABEL,
    LANGUAGE,
    OCR,
    PLACES,
    TITLE,
)
from ingestion.script import language_of
from rag_app.models import LanguageModel


class ElementDescriber(TransformComponent):
    """Puts what `model` reads into metadata["description"] of figure, table and formula nodes that have a crop.

    The value is a `rag_app.evidence.Description` as a dict. Other nodes, and those that have a description already,
    stay as they are. A ModelError ends the run, as an embedding's error does: it never becomes text.

    crops: the folder that metadata["image"] names a file in; only the name counts, so no paper can name another file.
    asked: who is asked and how, filled in from the model; it makes a pipeline's cache know one model from another.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: SkipValidation[LanguageModel] = Field(exclude=True)
    crops: Path
    kinds: tuple[str, ...] = KINDS
    asked: str = ""

    def model_post_init(self, context: Any, /) -> None:  # Any: pydantic's signature
        super().model_post_init(context)
        self.asked = " ".join((self.model.name, *(PROMPT_VERSIONS[kind] for kind in self.kinds)))

    @classmethod
    def class_name(cls) -> str:
        return "ElementDescriber"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:  # Any: LlamaIndex's signature
        for node in nodes:
            image = node.metadata.get(IMAGE)
            if node.metadata.get(KIND) not in self.kinds or not image or node.metadata.get(DESCRIPTION):
                continue
            description = read_element(
                self.model,
                element_of(node),
                (self.crops / Path(image).name).read_bytes(),
                context=node.metadata.get(CONTEXT) or "",
                language=_language(node),
            )
            node.metadata[DESCRIPTION] = description.to_dict()
            for hidden in (node.excluded_embed_metadata_keys, node.excluded_llm_metadata_keys):
                if DESCRIPTION not in hidden:
                    hidden.append(DESCRIPTION)
        return nodes


def _language(node: BaseNode) -> str:
    """The paper's language as its words around the element show it: a formula's own letters are Latin in any paper."""
    around = " ".join(node.metadata.get(name) or "" for name in (TITLE, CAPTION, CONTEXT))
    found = language_of(around)
    return found if found != "und" else node.metadata.get(LANGUAGE) or "en"


def element_of(node: BaseNode) -> Element:
    """The figure, table or formula that `node` was made of, as far as its metadata tells; KeyError on other nodes."""
    meta = node.metadata
    caption, cells = meta.get(CAPTION), meta.get(CELLS)
    text = node.get_content()
    if caption and text.startswith(caption):
        text = text[len(caption) :].strip()
    rows = tuple(tuple(row) for row in cells) if cells else None
    return Element(
        id=meta[ELEMENTS][0],
        order=0,
        kind=meta[KIND],
        places=tuple(Place(int(page), (x0, y0, x1, y1)) for page, x0, y0, x1, y1 in meta[PLACES]),
        text="\n".join(" | ".join(row) for row in rows) if rows else text,
        label=meta.get(LABEL),
        caption=caption,
        cells=rows,
        header_rows=meta.get(HEADER_ROWS, 0),
        image=meta.get(IMAGE),
        ocr=bool(meta.get(OCR)),
    )
