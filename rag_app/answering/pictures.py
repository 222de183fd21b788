"""Which pictures go with a question, and their bytes: from the library's own crops and stored papers, nowhere else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ingestion.pdf import render_region
from rag_app.answering.prompt import Picture
from rag_app.errors import EncryptedPdf, LibraryDamaged
from rag_app.evidence import Passage, Question
from rag_app.originals import Originals
from rag_app.store.strangers import crop_file

MOST_PICTURES = 3
CUT_OUT_DPI = 150  # of a page: its small print can be read
TOP = 8  # only so many of the best passages are looked at for pictures
_TOP_TEXTS = 3
_SYMBOLS = re.compile(r"[=<>±×÷∑∏∫√∂∇∈∀∃→⇒≤≥≈≠∞^_{}|\\\u0370-\u03ff]")
_SYMBOL_SHARE = 0.03  # of the characters, from which on a text is better seen than read
_SHORT_LINE = 45  # characters; text of many short lines is code or a list that a column layout may have torn


class LibraryPictures:
    """The picture of a passage in the library in `folder`: the crop of a figure, table or formula, else a page cut-out.

    A crop is a file of the library's own folder of them, see `crop_file`; a page is cut out of the stored copy, found
    by the document's digest. Nothing outside the library is ever opened.
    """

    def __init__(self, folder: Path) -> None:
        self._crops = folder / "crops"
        self._originals = Originals(folder / "files")

    def __call__(self, passage: Passage) -> bytes | None:
        """PNG bytes; None where there is no picture to show: no crop, or a paper that only a password opens.

        Raises LibraryDamaged when the crop or the stored copy is gone.
        """
        if passage.kind in ("figure", "table", "formula"):
            return self._crop(passage.image) if passage.image else None
        return self._cut_out(passage)

    def _crop(self, name: str) -> bytes:
        try:
            return crop_file(self._crops, name).read_bytes()
        except FileNotFoundError as exc:
            raise LibraryDamaged(f"The crop {self._crops / name} is gone. Ingest that paper again.") from exc

    def _cut_out(self, passage: Passage) -> bytes | None:
        original = self._originals.find(passage.document_id)
        if original is None:
            raise LibraryDamaged(f"The stored copy of {passage.document} is gone. Ingest that paper again.")
        boxes = [box for page, box in passage.places if page == passage.page]
        around = (
            min(box[0] for box in boxes),
            min(box[1] for box in boxes),
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        )
        try:
            return render_region(original, passage.page, around, dpi=CUT_OUT_DPI)
        except EncryptedPdf:
            return None


def choose(
    question: Question,
    passages: Sequence[Passage],
    picture_of: Callable[[Passage], bytes | None],
    *,
    most: int = MOST_PICTURES,
) -> list[Picture]:
    """At most `most` pictures for a question, best first.

    First the elements it names, then those of a kind it asks for, then figures, tables and formulas by rank; last, of
    the best texts, those whose layout says more than their characters.
    """
    top = list(enumerate(passages[:TOP]))
    elements = [(i, passage) for i, passage in top if passage.image]
    named = [(i, p) for i, p in enumerate(passages) if p.image and p.label and p.label in question.labels and i >= TOP]
    texts = [(i, p) for i, p in top[:_TOP_TEXTS] if p.kind in ("text", "footnote") and layout_matters(p.text)]
    ranked = sorted(
        [*elements, *named],
        key=lambda item: (item[1].label not in question.labels, item[1].kind not in question.kinds, item[0]),
    )
    chosen: list[Picture] = []
    images: set[bytes] = set()
    for _, passage in [*ranked, *texts]:
        if len(chosen) == most:
            break
        image = picture_of(passage)
        if image is not None and image not in images:
            images.add(image)
            chosen.append(Picture(passage.node_id, image, cut_out=passage.kind in ("text", "footnote")))
    return chosen


def layout_matters(text: str) -> bool:
    """Whether a text's characters lose what its page shows: mathematics in the line, code, torn lists."""
    lines = [line for line in text.splitlines() if line.strip()]
    symbols = len(_SYMBOLS.findall(text))
    if symbols >= 4 and symbols >= _SYMBOL_SHARE * len(text):
        return True
    return len(lines) >= 4 and sum(len(line) < _SHORT_LINE for line in lines) >= 0.75 * len(lines)
