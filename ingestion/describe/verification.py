"""Deterministic checks of what a model read: no model judges a model.

A formula: its LaTeX parses, and has the signs of the text layer, in its order, at its levels. A table: rectangular,
with the numbers of the text layer and the rows, columns, header and cells of the layout. A figure: the numbers and
labels it names are in the text drawn in it, in its caption or in what OCR reads in its crop; a value read off between
two ticks cannot be checked and is counted so. Where there is nothing to compare with, a reading is unverified, whatever
it says.
"""

from __future__ import annotations

import io

from ingestion.describe.figure_check import check_figure
from ingestion.describe.findings import BAR, Checks
from ingestion.describe.formula_check import check_formula
from ingestion.describe.schemas import FigureReading, FormulaReading, Reading, TableReading
from ingestion.describe.table_check import check_table
from ingestion.elements import Element

__all__ = ["BAR", "Checks", "verify"]

_OCR_SIDE = 2400  # pixels: a larger crop is read at this size


def verify(kind: str, reading: Reading, element: Element, *, image: bytes | None = None, context: str = "") -> Checks:
    """How far `reading` agrees with what the PDF says of `element`.

    Args:
        kind: "figure", "table" or "formula"; the reading is of its form.
        image: the crop; text in a figure without text layer is then read by OCR, where that is installed (1 to 5 s).
        context: the sentences around the element; numbers and names said there count as known.

    Raises TypeError when kind and reading do not fit.
    """
    match kind, reading:
        case "formula", FormulaReading():
            return check_formula(reading, element, context)
        case "table", TableReading():
            return check_table(reading, element, context)
        case "figure", FigureReading():
            drawn, source = element.text, "what OCR read" if element.ocr else "the figure's text layer"
            if not drawn.strip() and image:
                drawn, source = text_in(image), "what OCR read"
            return check_figure(reading, element, drawn=drawn, source=source, context=context)
    raise TypeError(f"A {type(reading).__name__} is no reading of a {kind}.")


def text_in(image: bytes) -> str:
    """The text in a picture by OCR; "" where OCR is not installed or finds none."""
    import pymupdf
    from PIL import Image

    from ingestion.ocr import available, ocr_text
    from ingestion.opening import ONE_AT_A_TIME

    status = available()
    if not status.ready:
        return ""
    with Image.open(io.BytesIO(image)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((_OCR_SIDE, _OCR_SIDE))
    if picture.getcolors(maxcolors=1) is not None:
        return ""
    with ONE_AT_A_TIME:
        return ocr_text(pymupdf.Pixmap(pymupdf.csRGB, picture.width, picture.height, picture.tobytes(), False), status)
