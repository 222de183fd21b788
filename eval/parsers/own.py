"""Our own parser, and the same with what a vision model reads in the pictures of tables, formulas and figures."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from eval.comparing import iou
from eval.parsers.records import FIGURES, FORMULAS, LATEX, TABLES, TEXT, ElementReading, Found, Parsed
from ingestion.describe.reading import described, read_element
from ingestion.describe.schemas import FormulaReading, TableReading
from ingestion.describe.selection import describable
from ingestion.elements import Element, Paper
from ingestion.markdown import paper_markdown
from ingestion.reading import read_paper
from ingestion.surroundings import surroundings
from ingestion.tables import to_markdown
from rag_app.errors import ModelError, ModelUnreachable
from rag_app.evidence import Description
from rag_app.models import LanguageModel

SAME_TABLE = 0.5  # least IoU of two boxes of one table


class OwnParser:
    """`ingestion.reading`; each file is read once, however many vision models then look at its elements.

    crops: folder for the pictures of elements.
    """

    name = "rag-app"
    gives = frozenset({TEXT, TABLES, FORMULAS, FIGURES})

    def __init__(self, crops: Path) -> None:
        self.crops = crops
        self._papers: dict[Path, tuple[Paper, float]] = {}

    def paper(self, path: Path) -> tuple[Paper, float]:
        """The paper and the seconds that reading it took. Raises InputError, ParsingError."""
        if path not in self._papers:
            began = time.perf_counter()
            paper = read_paper(path, crops=self.crops)
            self._papers[path] = (paper, time.perf_counter() - began)
        return self._papers[path]

    def parse(self, path: Path) -> Parsed:
        paper, seconds = self.paper(path)
        return parsed(paper, seconds=seconds)

    def tables(self, path: Path) -> list[Element]:
        """The tables of a file that have cells. Raises InputError, ParsingError."""
        return [element for element in self.paper(path)[0].elements if element.kind == "table" and element.cells]

    def elements(self, path: Path) -> list[Element]:
        return []  # what it reads is what the checks compare with

    def describable(self, path: Path) -> list[Element]:
        """The figures, tables and formulas of a file that a vision model is asked about."""
        return describable(self.paper(path)[0], crops=self.crops)


class VisionParser:
    """Our parser with the tables and formulas as a vision model reads them; what it cannot read is an error.

    parallel: elements asked about at the same time.
    """

    gives = frozenset({TEXT, TABLES, FORMULAS, LATEX, FIGURES})

    def __init__(self, own: OwnParser, model: LanguageModel, *, parallel: int = 1) -> None:
        self.own = own
        self.model = model
        self.parallel = parallel

    @property
    def name(self) -> str:
        return self.model.name

    def elements(self, path: Path) -> list[Element]:
        return self.own.describable(path)

    def parse(self, path: Path) -> Parsed:
        return self.with_readings(path, list(self.readings(path)))

    def readings(self, path: Path, *, known: Mapping[str, ElementReading] | None = None) -> Iterator[ElementReading]:
        """What the model reads in each element, as it comes, in the paper's order.

        known: readings by element id that need not be asked again. Raises ModelUnreachable.
        """
        paper, _ = self.own.paper(path)
        around = surroundings(paper)
        with ThreadPoolExecutor(max(1, self.parallel)) as pool:
            tasks = [
                pool.submit(self._read, element, around.get(element.id, ""), paper.language)
                if element.id not in (known or {})
                else (known or {})[element.id]
                for element in self.own.describable(path)
            ]
            try:
                for task in tasks:
                    yield task if isinstance(task, ElementReading) else task.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def with_readings(self, path: Path, readings: Sequence[ElementReading]) -> Parsed:
        """The paper with these readings in the place of its own tables and formulas."""
        paper, seconds = self.own.paper(path)
        return parsed(paper, readings, seconds=seconds + sum(reading.seconds for reading in readings))

    def _read(self, element: Element, context: str, language: str) -> ElementReading:
        began = time.perf_counter()
        description, error = None, None
        try:
            image = (self.own.crops / str(element.image)).read_bytes()
            description = read_element(self.model, element, image, context=context, language=language)
        except ModelUnreachable:
            raise  # all others would fail as well; a run can be gone on with
        except ModelError as exc:
            error = str(exc)
        return ElementReading(
            element=element.id,
            kind=element.kind,
            language=language,
            page=element.page,
            bbox=element.bbox,
            label=element.label,
            description=description,
            error=error,
            seconds=time.perf_counter() - began,
        )


def checked_tables(own: OwnParser, path: Path, read: Sequence[Found], *, parser: str) -> list[ElementReading]:
    """What another parser makes of each table of our layout, checked against the PDF as a model's reading is.

    A table for which it has none in that place is an error. Raises InputError, ParsingError.
    """
    found: list[ElementReading] = []
    language = own.paper(path)[0].language
    for element in own.tables(path):
        here = [one for one in read if one.kind == "table" and one.page == element.page and one.bbox and one.cells]
        best = max(here, key=lambda one: iou(one.bbox or element.bbox, element.bbox), default=None)
        if best is None or iou(best.bbox or element.bbox, element.bbox) < SAME_TABLE:
            description, error = None, "It gives no table in this place."
        else:
            grid = [list(row) for row in best.cells]
            cells = TableReading.model_construct(
                header_rows=grid[: best.header_rows], rows=grid[best.header_rows :], units=[], notes=[], summary=""
            )
            description, error = described(cells, element, model=parser), None
        reading = ElementReading(
            element.id, element.kind, language, element.page, element.bbox, element.label, description, error
        )
        found.append(reading)
    return found


def parsed(paper: Paper, readings: Sequence[ElementReading] = (), *, seconds: float = 0.0) -> Parsed:
    """A paper in the shape of any parser, with the model's readings in place of its own tables and formulas."""
    read = {reading.element: reading for reading in readings}
    elements = tuple(_as_read(e, read[e.id].description) if e.id in read else e for e in paper.elements)
    shown = dataclasses.replace(paper, elements=elements)
    pages = tuple(paper_markdown(shown, pages=[number]) for number in range(1, len(paper.pages) + 1))
    found = tuple(
        _found(element, read[element.id].error if element.id in read else None)
        for element in elements
        if element.kind in ("table", "formula", "figure")
    )
    return Parsed(pages, found, tuple(readings), seconds)


def _as_read(element: Element, description: Description | None) -> Element:
    if description is None or element.kind == "figure":
        return element
    if element.kind == "formula":
        return dataclasses.replace(element, latex=FormulaReading.model_validate(description.details).latex)
    reading = TableReading.model_validate(description.details)
    grid = [*reading.header_rows, *reading.rows]
    width = max(map(len, grid), default=0)
    cells = tuple((*row, *[""] * (width - len(row))) for row in grid)
    head = len(reading.header_rows)
    return dataclasses.replace(element, cells=cells, header_rows=head, markdown=to_markdown(cells, head or 1))


def _found(element: Element, error: str | None) -> Found:
    lost = error is not None and element.kind != "figure"  # a figure's place and caption are the layout's own
    return Found(
        kind=element.kind,
        page=element.page,
        bbox=element.bbox,
        cells=() if lost else element.cells or (),
        header_rows=element.header_rows,
        latex="" if lost else element.latex or "",
        caption=element.caption or "",
        error=error if lost else None,
    )
