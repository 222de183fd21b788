"""Right readings of elements of parsed papers: from a truth that data/build.py wrote, or transcribed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ingestion.describe.schemas import FORMS, FormulaReading, Reading, TableReading
from ingestion.elements import Element, Paper
from ingestion.surroundings import surroundings
from rag_app.errors import InputError
from rag_app.outside import json_value


@dataclass(frozen=True, slots=True)
class Case:
    """A right reading of one element. context: the sentences around it."""

    document: str
    element: Element
    reading: Reading
    context: str = ""

    @property
    def name(self) -> str:
        return f"{self.document} page {self.element.page} {self.element.label or self.element.kind}"


def truth_cases(paper: Paper, truth: Path) -> list[Case]:
    """The formulas and tables of a paper whose truth data/build.py wrote; those not found as elements are left out.

    Raises InputError when the file is no such truth.
    """
    raw = _json(truth)
    around = surroundings(paper)
    cases: list[Case] = []
    try:
        for kind, key in (("formula", "formulas"), ("table", "tables")):
            for true in raw[key]:
                x0, y0, x1, y1 = true["bbox"]
                element = _at(paper, kind, true["page"], (x0 + x1) / 2, (y0 + y1) / 2)
                if element is None:
                    continue
                reading = (
                    FormulaReading(latex=true["latex"], symbols=[], summary="")
                    if kind == "formula"
                    else TableReading(
                        header_rows=true["cells"][: true["header_rows"]],
                        rows=true["cells"][true["header_rows"] :],
                        units=[""] * len(true["cells"][0]),
                        notes=[],
                        summary="",
                    )
                )
                cases.append(Case(paper.name, element, reading, around.get(element.id, "")))
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise InputError(f"{truth} cannot be read as the truth of a paper: {exc!r}.") from exc
    return cases


def transcribed_cases(papers: Sequence[Paper], transcriptions: Path) -> tuple[list[Case], list[str]]:
    """Right readings written by hand, for those of the papers they are of; and those whose element was not found.

    The file is JSON: {"cases": [{"document", "kind", "page", "at": [x, y], "reading"}]}. Raises InputError on another.
    """
    named = {paper.name: paper for paper in papers}
    around = {paper.name: surroundings(paper) for paper in papers}
    cases: list[Case] = []
    lost: list[str] = []
    try:
        for raw in _json(transcriptions)["cases"]:
            paper = named.get(raw["document"])
            if paper is None:
                continue
            reading = FORMS[raw["kind"]].model_validate(raw["reading"])
            element = _at(paper, raw["kind"], raw["page"], *raw["at"])
            if element is None:
                lost.append(f"{raw['document']} page {raw['page']}: no {raw['kind']} at {raw['at']}")
            else:
                cases.append(Case(paper.name, element, reading, around[paper.name].get(element.id, "")))
    except (KeyError, TypeError, ValidationError) as exc:
        raise InputError(f"{transcriptions} cannot be read as transcriptions: {exc!r}.") from exc
    return cases, lost


def _json(path: Path) -> dict[str, Any]:  # Any: JSON, checked by use
    try:
        return json_value(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise InputError(f"{path} cannot be read as JSON: {exc}.") from exc


def _at(paper: Paper, kind: str, page: int, x: float, y: float) -> Element | None:
    for element in paper.elements:
        x0, y0, x1, y1 = element.bbox
        if element.kind == kind and element.page == page and x0 <= x <= x1 and y0 <= y <= y1:
            return element
    return None
