"""Parsers and vision models over papers: rows as they come, gone on with where a run was cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from eval.extraction.scores import Case, Draw, failed_rows, reading_id, reading_row, rows, true_ids
from eval.parsers.own import VisionParser
from eval.parsers.records import ElementReading, Parser
from eval.runs.rows import Row
from rag_app.errors import InputError, ParsingError
from rag_app.evidence import Description

Progress = Callable[[int, int], None]


def item_ids(
    cases: Sequence[Case], parsers: Sequence[Parser], *, on_progress: Progress = lambda done, total: None
) -> list[str]:
    """The ids of all rows that `measure` will give.

    Papers are read by our parser where others are checked in its layout; one that it cannot read has no readings.
    """
    ids: list[str] = []
    for number, case in enumerate(cases):
        on_progress(number, len(cases))
        for parser in parsers:
            ids += true_ids(case, parser)
            ids += [reading_id(case, parser, element) for element in _elements(parser, case)]
    return ids


def measure(
    cases: Sequence[Case],
    parsers: Sequence[Parser],
    *,
    known: Mapping[str, Row] | None = None,
    draw: Draw | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Iterator[Row]:
    """The rows of every paper by every parser, in that order; a paper that cannot be read is failed rows.

    A vision model's readings come first, so that what it was asked is kept before anything else happens.

    Args:
        known: rows by id that are done and need not be made again.
        draw: see `eval.extraction.scores.rows`.
        on_progress: called with papers done and papers in all, of all parsers together.

    Raises ModelUnreachable when a model's server goes away.
    """
    known = known or {}
    total = len(cases) * len(parsers)
    for number, (parser, case) in enumerate((parser, case) for parser in parsers for case in cases):
        on_progress(number, total)
        yield from (row for row in _rows(case, parser, known, draw) if row.id not in known)
    on_progress(total, total)


def _rows(case: Case, parser: Parser, known: Mapping[str, Row], draw: Draw | None) -> Iterator[Row]:
    elements = _elements(parser, case)
    wanted = [*true_ids(case, parser), *(reading_id(case, parser, element) for element in elements)]
    if all(one in known for one in wanted):
        return
    kept: list[ElementReading] = []
    try:
        if isinstance(parser, VisionParser):
            for reading in parser.readings(case.path, known=_readings(case, parser, elements, known)):
                kept.append(reading)
                yield reading_row(case, parser, reading)
            parsed = parser.with_readings(case.path, kept)
        else:
            parsed = parser.parse(case.path)
    except (InputError, ParsingError) as exc:
        yield from failed_rows(
            case, parser, str(exc), [one for one in elements if one not in {r.element for r in kept}]
        )
    else:
        yield from rows(case, parser, parsed, draw=draw)
        if not kept:
            yield from (reading_row(case, parser, reading) for reading in parsed.readings)


def _elements(parser: Parser, case: Case) -> list[str]:
    try:
        return [element.id for element in parser.elements(case.path)]
    except (InputError, ParsingError):
        return []


def _readings(
    case: Case, parser: VisionParser, elements: Sequence[str], known: Mapping[str, Row]
) -> dict[str, ElementReading]:
    """What the rows that are done say of elements, as it was when they were made."""
    found: dict[str, ElementReading] = {}
    for element in elements:
        row = known.get(reading_id(case, parser, element))
        if row is None:
            continue
        description = Description.from_dict(row.record["read"])
        x0, y0, x1, y1 = row.record["bbox"]
        place = (row.record["page"], (x0, y0, x1, y1))
        language, label = row.groups["language"], row.record["label"]
        found[element] = ElementReading(element, description.kind, language, *place, label, description)
    return found
