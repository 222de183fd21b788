"""What any parser gives of one PDF: Markdown by page, and the tables, formulas and figures it tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingestion.elements import BBox, Element
from rag_app.evidence import Description

Cells = Sequence[Sequence[str]]

# What a parser can be scored on. A metric of what it does not give at all does not apply to it.
TEXT, TABLES, FORMULAS, LATEX, FIGURES = "text", "tables", "formulas", "latex", "figures"


@dataclass(frozen=True, slots=True)
class Found:
    """One table, formula or figure as a parser gives it.

    kind     "table", "formula" or "figure"
    page, bbox   1-based; points from the top left; None where the parser does not say
    cells    of a table, rows of equal length, the first `header_rows` of them header
    latex    of a formula, without delimiters
    caption  of a figure, with its label
    error    why it could not be read; the rest is then empty
    """

    kind: str
    page: int
    bbox: BBox | None = None
    cells: Cells = ()
    header_rows: int = 1
    latex: str = ""
    caption: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ElementReading:
    """What one element of our layout was read as, and how far it agrees with the PDF (`ingestion.describe`).

    language     of the paper
    description  None where `error` says why there is none
    """

    element: str
    kind: str
    language: str
    page: int
    bbox: BBox
    label: str | None
    description: Description | None
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Parsed:
    """A PDF as one parser reads it.

    pages     Markdown by page, in reading order
    readings  what it, or a model, says of elements of our layout, checked against the PDF
    seconds   on the clock, for all of it, without the checks
    """

    pages: tuple[str, ...]
    found: tuple[Found, ...] = ()
    readings: tuple[ElementReading, ...] = ()
    seconds: float = 0.0

    def of(self, kind: str) -> list[Found]:
        return [one for one in self.found if one.kind == kind]


class Parser(Protocol):
    """One way to read a PDF. `gives`: which of TEXT, TABLES, FORMULAS, LATEX, FIGURES it tells."""

    @property
    def name(self) -> str: ...

    @property
    def gives(self) -> frozenset[str]: ...

    def elements(self, path: Path) -> list[Element]:
        """Those of our layout that `Parsed.readings` will be of: what it says of them is checked against the PDF.

        Raises InputError or ParsingError when our parser cannot read the file.
        """
        ...

    def parse(self, path: Path) -> Parsed:
        """Raises InputError or ParsingError when the file cannot be read."""
        ...
