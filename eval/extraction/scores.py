"""Scores of one parser on one paper, an item a row: each true text, table, formula and figure, each page check, each
reading of a model. docs/extraction_quality.md defines the metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.comparing import Grid, cell_counts, coverage, f1, iou, likeness
from eval.extraction.matching import match
from eval.extraction.text import Stream, reading_order
from eval.extraction.truths import TrueItem, TruePaper
from eval.metrics.formulas import edit_similarity, picture_similarity
from eval.metrics.tables import teds
from eval.page_checks import passes, symbols_present
from eval.parsers.records import FIGURES, FORMULAS, LATEX, TABLES, ElementReading, Found, Parsed, Parser
from eval.runs.rows import Row

Json = Mapping[str, Any]  # Any: JSON
Draw = Callable[[str], bytes | None]  # LaTeX -> PNG; None where it cannot be set

PAIRED = 0.9  # least likeness of a caption to the true one
SAME_FIGURE = 0.5  # least IoU of a figure's box and the true one
LARGEST = 300  # cells of a table whose TEDS is worked out: 150 take 4 s, and the time grows with the square and more


@dataclass(frozen=True, slots=True)
class Case:
    """A PDF and what is known of it: a truth, page checks (`eval.page_checks`), both, or neither.

    name: as shown, unique in the run.
    """

    name: str
    path: Path
    truth: TruePaper | None = None
    checks: tuple[Json, ...] = ()


def true_ids(case: Case, parser: Parser) -> list[str]:
    """The ids of the rows that truth and page checks of a paper will give."""
    return [one for one, _ in _true_kinds(case, parser)]


def failed_rows(case: Case, parser: Parser, error: str, elements: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a paper that the parser could not read: every item failed, readings of `elements` too."""
    readings = ((reading_id(case, parser, element), "read") for element in elements)
    for one, kind in (*_true_kinds(case, parser), *readings):
        yield Row(one, _groups(parser, case, kind), error=error, record={"document": case.name})


def _true_kinds(case: Case, parser: Parser) -> Iterator[tuple[str, str]]:
    for item in case.truth.items if case.truth else ():
        yield _id(parser, case, f"{item.kind}:{item.id}"), item.kind
    if case.truth:
        yield _id(parser, case, "paper"), "paper"
    for check in case.checks:
        yield _id(parser, case, f"check:{check['id']}"), f"check {check['type']}"


def rows(case: Case, parser: Parser, parsed: Parsed, *, draw: Draw | None = None) -> Iterator[Row]:
    """A row for each true item and page check of a paper; the paper's own row has order, pairing and seconds.

    draw: sets LaTeX as a picture, for formula_image_similarity; without it that metric is left out.
    """
    if case.truth is not None:
        yield from _true_rows(case, case.truth, parser, parsed, draw)
    for check in case.checks:
        page = int(check["page"])
        markdown = parsed.pages[page - 1] if page <= len(parsed.pages) else ""
        scores = {"check_passed": float(passes(check, markdown))}
        if check["type"] == "math" and LATEX not in parser.gives:
            scores["formula_symbols"] = float(symbols_present(check, markdown))
        record = {"document": case.name, "page": page, "check": dict(check)}
        groups = _groups(parser, case, f"check {check['type']}")
        yield Row(_id(parser, case, f"check:{check['id']}"), groups, scores, record=record)


def _true_rows(case: Case, truth: TruePaper, parser: Parser, parsed: Parsed, draw: Draw | None) -> Iterator[Row]:
    stream = Stream(parsed.pages)
    placed = [stream.place(item) for item in truth.of("text")]
    for one in placed:
        yield _row(case, parser, one.item, {"text_edit_similarity": one.similarity}, read=one.read)
    tables = match(truth.of("table"), parsed.of("table"))
    for item in truth.of("table"):
        yield _table_row(case, parser, item, tables.get(item.id))
    formulas = match(truth.of("formula"), parsed.of("formula"))
    for item in truth.of("formula"):
        yield _formula_row(case, parser, parsed, (item, formulas.get(item.id)), draw)
    pairs = {item.id: _paired(item, parsed.of("figure")) for item in truth.of("figure")}
    for item in truth.of("figure"):
        scores = {"figure_paired": float(pairs[item.id])} if FIGURES in parser.gives else {}
        yield _row(case, parser, item, scores)
    scores, unscored = {}, {}
    order = reading_order(placed)
    if order is not None:
        scores["reading_order"] = order
    elif len(placed) > 1:
        unscored["reading_order"] = "Fewer than two of its texts were found."
    if pairs and FIGURES in parser.gives:
        captioned = sum(bool(figure.caption) for figure in parsed.of("figure"))
        scores["figure_caption_f1"] = f1(sum(pairs.values()), captioned, len(pairs))
    yield Row(
        _id(parser, case, "paper"),
        _groups(parser, case, "paper"),
        scores,
        unscored,
        seconds={"parse": parsed.seconds, "page": parsed.seconds / max(1, len(parsed.pages))},
        record={"document": case.name, "pages": len(parsed.pages), "truth": truth.path.name},
    )


def _table_row(case: Case, parser: Parser, item: TrueItem, found: Found | None) -> Row:
    if TABLES not in parser.gives:
        return _row(case, parser, item, {})
    if found is not None and found.error:
        return _row(case, parser, item, {}, error=found.error)
    cells = found.cells if found else ()
    true = _spellings(item.cells)
    scores = {"cell_f1": max(f1(*cell_counts(cells, grid)) for grid in true)}
    unscored: dict[str, str] = {}
    if max(_size(cells), _size(item.cells)) > LARGEST:
        reason = f"The table has more than {LARGEST} cells, for which TEDS takes minutes."
        unscored = dict.fromkeys(("teds", "teds_structure"), reason)
    else:
        heads = (found.header_rows if found else 0, item.header_rows)
        scores["teds"] = max(teds(cells, grid, header_rows=heads) for grid in true)
        scores["teds_structure"] = teds(cells, item.cells, header_rows=heads, structure_only=True)
    return _row(case, parser, item, scores, unscored, read=[list(row) for row in cells])


def _size(cells: Grid) -> int:
    return sum(map(len, cells))


def _spellings(cells: Grid) -> list[Grid]:
    """A table with its merged cells repeated, and with them blank after the first: parsers write either."""
    blank = [
        [
            "" if text and ((c and row[c - 1] == text) or (r and cells[r - 1][c] == text)) else text
            for c, text in enumerate(row)
        ]
        for r, row in enumerate(cells)
    ]
    return [cells, blank]


def _formula_row(
    case: Case, parser: Parser, parsed: Parsed, pair: tuple[TrueItem, Found | None], draw: Draw | None
) -> Row:
    item, found = pair
    if found is not None and found.error:
        return _row(case, parser, item, {}, error=found.error)
    scores: dict[str, float] = {}
    unscored: dict[str, str] = {}
    if FORMULAS in parser.gives and item.bbox is not None:
        covered = (f for f in parsed.of("formula") if f.bbox and f.page in item.pages)
        scores["formula_found"] = float(any(coverage(item.bbox, f.bbox) >= 0.7 for f in covered if f.bbox))
    if LATEX in parser.gives:
        latex = found.latex if found else ""
        scores["formula_edit_similarity"] = edit_similarity(latex, item.latex)
        if draw is not None:
            alike = picture_similarity(latex, item.latex, draw) if latex else 0.0
            if alike is None:
                unscored["formula_image_similarity"] = "The true formula cannot be set as a picture here."
            else:
                scores["formula_image_similarity"] = alike
    else:
        pages = [parsed.pages[n - 1] for n in item.pages if n <= len(parsed.pages)] if item.pages else parsed.pages
        scores["formula_symbols"] = float(any(symbols_present({"math": item.latex}, page) for page in pages))
    return _row(case, parser, item, scores, unscored, read=found.latex if found else "")


def _paired(item: TrueItem, figures: Sequence[Found]) -> bool:
    """A figure with this caption, in the place of the true one where both tell theirs."""
    return any(
        likeness(figure.caption, item.text) >= PAIRED
        and (item.bbox is None or figure.bbox is None or _same_place(item, figure))
        for figure in figures
        if figure.caption
    )


def _same_place(item: TrueItem, figure: Found) -> bool:
    assert item.bbox is not None and figure.bbox is not None
    return figure.page in item.pages and iou(item.bbox, figure.bbox) >= SAME_FIGURE


def reading_row(case: Case, parser: Parser, reading: ElementReading) -> Row:
    """The row of what was read in one element: how far it agrees with the PDF (`ingestion.describe`)."""
    record: dict[str, Any] = {  # Any: JSON
        "document": case.name,
        "page": reading.page,
        "bbox": list(reading.bbox),
        "element": reading.element,
        "label": reading.label,
    }
    groups = {**_groups(parser, case, f"{reading.kind} read"), "language": reading.language}
    one = reading_id(case, parser, reading.element)
    seconds = {"read": reading.seconds} if reading.seconds else {}
    if reading.description is None:
        return Row(one, groups, error=reading.error, seconds=seconds, record=record)
    description = reading.description
    scores = {"verification": description.score, "verified": float(description.verified)}
    return Row(one, groups, scores, seconds=seconds, record={**record, "read": description.to_dict()})


def reading_id(case: Case, parser: Parser, element: str) -> str:
    return _id(parser, case, f"read:{element}")


def _id(parser: Parser, case: Case, item: str) -> str:
    return f"{parser.name}/{case.name}/{item}"


def _groups(parser: Parser, case: Case, kind: str) -> dict[str, str]:
    language = {"language": case.truth.language} if case.truth else {}
    return {"parser": parser.name, "kind": kind, **language}


def _row(
    case: Case,
    parser: Parser,
    item: TrueItem,
    scores: Mapping[str, float],
    unscored: Mapping[str, str] | None = None,
    *,
    read: object = None,
    error: str | None = None,
) -> Row:
    true: object = [list(row) for row in item.cells] if item.kind == "table" else item.latex or item.text
    record = {
        "document": case.name,
        "page": item.pages[0] if item.pages else None,
        "bbox": list(item.bbox) if item.bbox else None,
        "true": true,
        "read": read,
    }
    one, groups = _id(parser, case, f"{item.kind}:{item.id}"), _groups(parser, case, item.kind)
    return Row(one, groups, scores, unscored or {}, error, record=record)
