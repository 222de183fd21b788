"""The known truth of a paper, as data/build.py writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestion.elements import BBox
from rag_app.errors import InputError
from rag_app.outside import json_value

VERSION = 1


@dataclass(frozen=True, slots=True)
class TrueBlock:
    """One block of the running text. section: the headings above it, outermost first; a heading's own included."""

    id: str
    kind: str
    text: str
    pages: tuple[int, ...]
    section: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrueFloat:
    """A figure or table; cells only for tables, rows of equal length, merged cells repeated, header rows first."""

    label: str
    caption: str
    page: int
    bbox: BBox
    cells: tuple[tuple[str, ...], ...] = ()
    header_rows: int = 0


@dataclass(frozen=True, slots=True)
class TrueFormula:
    """A display formula; bbox without its number."""

    label: str
    page: int
    bbox: BBox
    latex: str


@dataclass(frozen=True, slots=True)
class TrueHeading:
    text: str
    level: int
    page: int


@dataclass(frozen=True, slots=True)
class Truth:
    """body: the running text stands between these heights (points from the top); headers above, footers below."""

    document: str
    language: str
    blocks: tuple[TrueBlock, ...]
    headings: tuple[TrueHeading, ...]
    figures: tuple[TrueFloat, ...]
    tables: tuple[TrueFloat, ...]
    formulas: tuple[TrueFormula, ...]
    footnotes: tuple[str, ...]
    references: tuple[str, ...]
    furniture: tuple[str, ...]
    body: tuple[float, float]


def read_truth(path: Path) -> Truth:
    """The truth in one file; raises InputError when it is not one, or of another version."""
    try:
        raw: dict[str, Any] = json_value(path.read_text(encoding="utf-8"))  # Any: JSON, checked by use
        if raw["version"] != VERSION:
            raise InputError(f"{path} has truth version {raw['version']}, this program reads {VERSION}.")
        furniture = raw["furniture"]
        return Truth(
            document=raw["document"],
            language=raw["language"],
            blocks=tuple(
                TrueBlock(b["id"], b["kind"], b["text"], tuple(b["pages"]), tuple(b["section"]))
                for b in raw["reading_order"]
            ),
            headings=tuple(TrueHeading(s["path"][-1], s["level"], s["page"]) for s in raw["sections"]),
            figures=tuple(_float(f) for f in raw["figures"]),
            tables=tuple(_float(t) for t in raw["tables"]),
            formulas=tuple(TrueFormula(f["label"], f["page"], _box(f), f["latex"]) for f in raw["formulas"]),
            footnotes=tuple(f["text"] for f in raw["footnotes"]),
            references=tuple(r["text"] for r in raw["references"]),
            furniture=tuple(furniture["headers"] + furniture["footers"]),
            body=(furniture["body"][0], furniture["body"][1]),
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError) as exc:
        raise InputError(f"{path} cannot be read as the truth of a paper: {exc!r}.") from exc


def _float(raw: dict[str, Any]) -> TrueFloat:  # Any: JSON
    cells = tuple(tuple(row) for row in raw.get("cells", ()))
    head = raw.get("header_rows", 0)
    return TrueFloat(raw["label"], raw["caption"], raw["page"], _box(raw), cells, head)


def _box(raw: dict[str, Any]) -> BBox:  # Any: JSON
    x0, y0, x1, y1 = raw["bbox"]
    return (x0, y0, x1, y1)
