"""Extraction: a parsed paper against its known truth."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eval.citations import squeeze
from eval.comparing import cell_counts, coverage, f1, iou, kendall_tau, likeness
from eval.statistics import text_table
from eval.truth import TrueBlock, TrueFloat, Truth
from ingestion.elements import Element, Paper

FLOW = ("title", "heading", "text", "list_item", "formula", "reference", "code")
PROSE = ("text", "list_item")


@dataclass(frozen=True, slots=True)
class FloatResult:
    """One true figure or table. iou is 0 and the rest false when no element overlaps it."""

    label: str
    iou: float
    labelled: bool
    caption: float
    cells: tuple[int, int, int] | None = None

    @property
    def found(self) -> bool:
        return self.iou >= 0.5

    @property
    def paired(self) -> bool:
        """Found, with its own label and caption."""
        return self.found and self.labelled and self.caption >= 0.9


@dataclass(frozen=True, slots=True)
class ExtractionReport:
    """What was found of what is there.

    figures, tables    each true one
    extra              elements that match no true figure, table or formula, by kind
    formulas           label: (covered by a formula element, with its number)
    order              Kendall's tau over the running text's blocks that were found
    ordered            how many were found, of `blocks`
    leaks              header or footer text inside elements, in words
    headings           (right, found, true): text and level right
    sections           share of the found prose blocks that stand in the right section
    prose              mean likeness of each true paragraph to its element; 0 for a lost one
    footnotes, references   (found, true)
    """

    document: str
    figures: tuple[FloatResult, ...]
    tables: tuple[FloatResult, ...]
    extra: dict[str, int]
    formulas: dict[str, tuple[bool, bool]]
    order: float
    ordered: int
    blocks: int
    leaks: tuple[str, ...]
    headings: tuple[int, int, int]
    sections: float
    prose: float
    footnotes: tuple[int, int]
    references: tuple[int, int]
    lost: tuple[str, ...] = ()

    @property
    def cell_f1(self) -> float:
        """F1 over the cells of all true tables together; a table not found has no right cells."""
        counts = [t.cells or (0, 0, 0) for t in self.tables]
        return f1(sum(c[0] for c in counts), sum(c[1] for c in counts), sum(c[2] for c in counts))

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {**dataclasses.asdict(self), "cell_f1": self.cell_f1}

    def table(self) -> str:
        floats = [*self.figures, *self.tables]
        right, found, true = self.headings
        rows = [
            ["figures found", f"{sum(f.found for f in self.figures)} of {len(self.figures)}"],
            ["figures paired with their caption", f"{sum(f.paired for f in self.figures)} of {len(self.figures)}"],
            ["tables found", f"{sum(t.found for t in self.tables)} of {len(self.tables)}"],
            ["tables paired with their caption", f"{sum(t.paired for t in self.tables)} of {len(self.tables)}"],
            ["table cells F1", f"{self.cell_f1:.3f}"],
            ["display formulas found", f"{sum(f for f, _ in self.formulas.values())} of {len(self.formulas)}"],
            ["display formulas numbered", f"{sum(n for _, n in self.formulas.values())} of {len(self.formulas)}"],
            ["reading order, Kendall tau", f"{self.order:.3f} over {self.ordered} of {self.blocks} blocks"],
            ["header or footer leaks", len(self.leaks)],
            ["headings with text and level, F1", f"{f1(right, found, true):.3f}"],
            ["prose in the right section", f"{self.sections:.3f}"],
            ["likeness of paragraphs", f"{self.prose:.3f}"],
            ["footnotes", "{} of {}".format(*self.footnotes)],
            ["references", "{} of {}".format(*self.references)],
            ["elements that match nothing", ", ".join(f"{n} {k}" for k, n in self.extra.items()) or "none"],
        ]
        notes = [
            f"  {f.label}: IoU {f.iou:.2f}, label {f.labelled}, caption {f.caption:.2f}" for f in floats if not f.paired
        ]
        notes += [f"  {label}: found {f}, numbered {n}" for label, (f, n) in self.formulas.items() if not (f and n)]
        notes += [f"  leak: {leak}" for leak in self.leaks] + [f"  not in the text: {block}" for block in self.lost]
        return "\n".join([text_table([self.document, ""], rows), *notes])


def run(paper: Paper, truth: Truth) -> ExtractionReport:
    """Compare one parsed paper with its truth."""
    stream = _Stream(paper)
    positions = {b.id: stream.position(b, truth) for b in truth.blocks}
    found = [p for p in positions.values() if p is not None]
    figures = tuple(_float(t, paper, "figure") for t in truth.figures)
    tables = tuple(_float(t, paper, "table") for t in truth.tables)
    prose = [b for b in truth.blocks if b.kind in PROSE]
    placed = [(b, stream.element_at(positions[b.id])) for b in prose]
    return ExtractionReport(
        document=truth.document,
        figures=figures,
        tables=tables,
        extra=_extra(paper, truth),
        formulas={f.label: _formula(f.label, f.page, f.bbox, paper) for f in truth.formulas},
        order=kendall_tau(found),
        ordered=len(found),
        blocks=len(truth.blocks),
        leaks=tuple(_leaks(paper, truth)),
        headings=_headings(paper, truth),
        sections=_mean([_same_section(b, e) for b, e in placed if e is not None]),
        prose=_mean([likeness(b.text, e.text) if e is not None else 0.0 for b, e in placed]),
        footnotes=_held(truth.footnotes, paper, "footnote"),
        references=_held(truth.references, paper, "reference"),
        lost=tuple(f"{b.id} {b.text[:60]!r}" for b in truth.blocks if positions[b.id] is None),
    )


class _Stream:
    """The running text of a paper as one squeezed string, and which element each part of it comes from."""

    def __init__(self, paper: Paper) -> None:
        self.elements = [e for e in paper.elements if e.kind in FLOW]
        self.starts: list[int] = []
        parts: list[str] = []
        at = 0
        for element in self.elements:
            self.starts.append(at)
            text = squeeze(element.text) or "\x00"  # each element has a place, even an empty formula
            parts.append(text)
            at += len(text)
        self.text = "".join(parts)
        self._begins = set(self.starts)
        self._used: set[int] = set()

    def position(self, block: TrueBlock, truth: Truth) -> int | None:
        """Where a true block begins; None when it is not there. A text that comes twice is counted once each time."""
        if block.kind == "formula":
            return self._formula(block, truth)
        wanted = squeeze(block.text)
        for probe, back in ((wanted, 0), (wanted[:60], 0), (wanted[-40:], len(wanted[:-40])), (wanted[20:50], 20)):
            if len(probe) < min(len(wanted), 20):
                continue
            found = [at for at in _occurrences(probe, self.text) if at not in self._used]
            found.sort(key=lambda at: at - back not in self._begins)  # stable: an element's begin before all others
            if found and (len(probe) >= 20 or found[0] in self._begins):
                self._used.add(found[0])
                return found[0] - back
        return None

    def _formula(self, block: TrueBlock, truth: Truth) -> int | None:
        number = sum(b.kind == "formula" for b in truth.blocks[: truth.blocks.index(block)])
        true = truth.formulas[number]
        for element, start in zip(self.elements, self.starts, strict=True):
            if any(p.page == true.page and coverage(true.bbox, p.bbox) >= 0.7 for p in element.places):
                return start
        return None

    def element_at(self, position: int | None) -> Element | None:
        if position is None:
            return None
        index = sum(start <= max(0, position) for start in self.starts) - 1
        return self.elements[index]


def _occurrences(part: str, text: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _float(true: TrueFloat, paper: Paper, kind: str) -> FloatResult:
    here = [e for e in paper.elements if e.kind == kind and e.page == true.page]
    best = max(here, key=lambda e: iou(e.bbox, true.bbox), default=None)
    size = sum(1 for row in true.cells for text in row if text)
    if best is None or iou(best.bbox, true.bbox) == 0:
        return FloatResult(true.label, 0.0, False, 0.0, (0, 0, size) if kind == "table" else None)
    return FloatResult(
        label=true.label,
        iou=iou(best.bbox, true.bbox),
        labelled=best.label == true.label,
        caption=likeness(best.caption or "", true.caption),
        cells=cell_counts(best.cells or (), true.cells) if kind == "table" else None,
    )


def _formula(label: str, page: int, bbox: tuple[float, float, float, float], paper: Paper) -> tuple[bool, bool]:
    """(a formula element covers it, and has its number)."""
    covering = [e for e in paper.elements if e.kind == "formula" and e.page == page and coverage(bbox, e.bbox) >= 0.7]
    return bool(covering), any(e.label == label for e in covering)


def _extra(paper: Paper, truth: Truth) -> dict[str, int]:
    true = {"figure": truth.figures, "table": truth.tables, "formula": truth.formulas}
    extra = Counter(
        e.kind
        for e in paper.elements
        if e.kind in true
        and not any(
            t.page == e.page and coverage(e.bbox, t.bbox) + coverage(t.bbox, e.bbox) > 0.5 for t in true[e.kind]
        )
    )
    return dict(extra)


def _leaks(paper: Paper, truth: Truth) -> list[str]:
    """Elements that stand outside the body, and furniture inside the text of others."""
    top, bottom = truth.body
    leaks = [
        f"{e.kind} {e.text[:50]!r} on page {p.page}"
        for e in paper.elements
        for p in e.places
        if not top <= (p.bbox[1] + p.bbox[3]) / 2 <= bottom
    ]
    texts = [e.text for e in paper.elements] + [e.caption or "" for e in paper.elements]
    expected = (
        [b.text for b in truth.blocks] + [f.caption for f in (*truth.figures, *truth.tables)] + [*truth.footnotes]
    )
    for line in truth.furniture:
        more = _times(line, texts) - _times(line, expected)
        leaks += [f"{line!r} {more} times in the text"] if more > 0 else []
    return leaks


def _times(line: str, texts: list[str]) -> int:
    return sum(squeeze(text).count(squeeze(line)) for text in texts)


def _headings(paper: Paper, truth: Truth) -> tuple[int, int, int]:
    found = Counter((squeeze(e.text), e.level or 0) for e in paper.elements if e.kind == "heading")
    true = Counter((squeeze(h.text), h.level) for h in truth.headings)
    return (found & true).total(), found.total(), true.total()


def _same_section(block: TrueBlock, element: Element) -> float:
    return float([squeeze(s) for s in block.section] == [squeeze(s) for s in element.section])


def _held(texts: tuple[str, ...], paper: Paper, kind: str) -> tuple[int, int]:
    """(how many of the texts an element of this kind holds, how many there are)."""
    there = [squeeze(e.text) for e in paper.elements if e.kind == kind]
    return sum(any(squeeze(text) in element for element in there) for text in texts), len(texts)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
