"""The one form in which a sample paper is written down: typesetting and truth are both made from these records.

Inline markup in every string:
    _word_            emphasis
    $typst|plain$     inline formula; `plain` is how it reads in the text layer
    [@key]            citation of a reference, "[3]"
    @fig:id @tab:id @eq:id @sec:id     cross-reference, "Figure 2", "Table 1", "Eq. (4)", "Section 3.1"
    ^key^             footnote mark; the note stands in Document.footnotes
Numbers are given out here, in document order, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Heading:
    id: str
    title: str
    level: int = 1
    numbered: bool = True


@dataclass(frozen=True)
class Para:
    text: str


@dataclass(frozen=True)
class Items:
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Formula:
    """A numbered display formula, once for typst and once as the LaTeX a reader would write."""

    id: str
    typst: str
    latex: str


@dataclass(frozen=True)
class Cell:
    text: str
    colspan: int = 1
    rowspan: int = 1


@dataclass(frozen=True)
class Table:
    """A table with a caption.

    rows     hold only the cells that start there, as in HTML
    columns  typst widths
    rules    thin lines: (below row, from column, to column), from 0, end exclusive
    """

    id: str
    caption: str
    rows: tuple[tuple[str | Cell, ...], ...]
    header_rows: int
    columns: str
    align: str
    wide: bool = False
    rules: tuple[tuple[int, int, int], ...] = ()
    where: str = "auto"


@dataclass(frozen=True)
class Figure:
    """`body` is typst code from figures.typ; kind is chart, diagram, picture or panels."""

    id: str
    caption: str
    kind: Literal["chart", "diagram", "picture", "panels"]
    body: str
    wide: bool = False
    panels: int = 1
    where: str = "auto"


Block = Heading | Para | Items | Formula | Table | Figure


@dataclass(frozen=True)
class Words:
    """How a language names the numbered things."""

    figure: str
    table: str
    equation: str
    section: str
    abstract: str
    references: str
    digits: str = "0123456789"

    def number(self, value: object) -> str:
        return str(value).translate(str.maketrans("0123456789", self.digits))


@dataclass(frozen=True)
class Document:
    name: str
    language: Literal["en", "fa"]
    title: str
    authors: str
    affiliation: str
    abstract: str
    keywords: str
    header_odd: str
    header_even: str
    footer: str
    words: Words
    blocks: Sequence[Block]
    footnotes: Mapping[str, str]
    references: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Numbers:
    """The number of each heading, figure, table, formula, reference by id; strings of ASCII digits."""

    heading: Mapping[str, str]
    figure: Mapping[str, str]
    table: Mapping[str, str]
    formula: Mapping[str, str]
    reference: Mapping[str, str]
    footnote: Mapping[str, str]


def numbers_of(document: Document) -> Numbers:
    """Number everything in document order; raises ValueError on an id used twice."""
    heading: dict[str, str] = {}
    counters = [0, 0, 0]
    plain: dict[str, dict[str, str]] = {"Figure": {}, "Table": {}, "Formula": {}}
    for block in document.blocks:
        if isinstance(block, Heading):
            if block.id in heading:
                raise ValueError(f"{document.name}: two headings are called {block.id!r}")
            if not block.numbered:
                heading[block.id] = ""
                continue
            counters[block.level - 1] += 1
            counters[block.level :] = [0] * (3 - block.level)
            heading[block.id] = ".".join(str(n) for n in counters[: block.level])
        elif isinstance(block, Figure | Table | Formula):
            of_kind = plain[type(block).__name__]
            if block.id in of_kind:
                raise ValueError(f"{document.name}: two blocks of one kind are called {block.id!r}")
            of_kind[block.id] = str(len(of_kind) + 1)
    return Numbers(
        heading=heading,
        figure=plain["Figure"],
        table=plain["Table"],
        formula=plain["Formula"],
        reference={key: str(i) for i, key in enumerate(document.references, 1)},
        footnote={key: str(i) for i, key in enumerate(document.footnotes, 1)},
    )


def cell_matrix(table: Table) -> list[list[str]]:
    """The table as a rectangle; a merged cell repeats its text in each place it covers.

    Raises ValueError on holes or overlaps.
    """
    grid: dict[tuple[int, int], str] = {}
    for r, row in enumerate(table.rows):
        c = 0
        for item in row:
            cell = item if isinstance(item, Cell) else Cell(item)
            while (r, c) in grid:
                c += 1
            for place in [(r + dr, c + dc) for dr in range(cell.rowspan) for dc in range(cell.colspan)]:
                if place in grid:
                    raise ValueError(f"table {table.id}: cell {place} is covered twice")
                grid[place] = cell.text
    height, width = 1 + max(r for r, _ in grid), 1 + max(c for _, c in grid)
    if len(grid) != height * width:
        raise ValueError(f"table {table.id}: {height * width - len(grid)} places have no cell")
    return [[grid[r, c] for c in range(width)] for r in range(height)]
