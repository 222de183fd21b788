"""What a model says of a figure against the text drawn in it (or read by OCR) and its caption."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from ingestion.describe.findings import DOUBT, Checks, Finding, nothing_to_compare, settled, some, wrong
from ingestion.describe.numbers import Number, numbers_in
from ingestion.describe.schemas import FigureReading
from ingestion.elements import Element
from rag_app.searchable import fold, terms

FOUND = 0.8  # likeness of a label to some part of the text, above which it is there
UNCHECKED = 0.3  # cost when no claimed number could be checked; in proportion when some could
MOST_TEXT = 0.5  # share of the visible text claimed that may be missing: rotated and outlined words are
FEW = 2  # characters: shorter labels are found by chance


@dataclass(frozen=True, slots=True)
class _Evidence:
    """drawn: text in the figure; all: that, the caption and the sentences that mention it."""

    drawn: str
    all: str
    numbers: tuple[Number, ...]
    ticks: tuple[Number, ...]

    def has(self, number: Number, *, about: bool) -> bool:
        return any(number.same(other) or (about and number.near(other)) for other in self.numbers)

    def says(self, label: str) -> bool:
        """Whether a label occurs, spelling apart, or most of its words do."""
        wanted = _squeezed(label)
        if len(wanted) <= FEW:
            return wanted in _squeezed(self.all)
        if fuzz.partial_ratio(wanted, _squeezed(self.all)) >= 100 * FOUND and len(wanted) <= len(_squeezed(self.all)):
            return not (set(terms(label)) and not set(terms(label)) & set(terms(self.all))) or len(wanted) > 6
        own = set(terms(label))
        return bool(own) and len(own & set(terms(self.all))) >= FOUND * len(own)


def check_figure(reading: FigureReading, element: Element, *, drawn: str, source: str, context: str = "") -> Checks:
    """The checks of one figure.

    drawn: the text in the picture, from the PDF's text layer or OCR; source: which of them, for the reasons.
    """
    if not drawn.strip():
        return nothing_to_compare("The figure has no text layer, and OCR read nothing in it: nothing can be compared.")
    everything = "\n".join(part for part in (drawn, element.caption, context) if part)
    evidence = _Evidence(drawn, everything, tuple(numbers_in(everything)), tuple(numbers_in(drawn)))
    findings = [
        *_numbers(reading, evidence, source),
        *_axes(reading, evidence),
        *_labels("series", reading.series, evidence),
        *_prose(reading, evidence),
        *_visible(reading, evidence),
    ]
    if reading.title and not evidence.says(reading.title):
        findings.append(wrong(f"The title {reading.title!r} is not in the figure."))
    if not findings:
        return nothing_to_compare(f"It names no number and no label that could be compared with {source}.")
    return settled(findings)


def _numbers(reading: FigureReading, evidence: _Evidence, source: str) -> list[Finding]:
    """Printed numbers must be there; estimates must lie between the ticks, and count as not checked."""
    right, invented, outside, unchecked = 0, [], [], []
    for claim in reading.numbers:
        found = numbers_in(claim.value)
        if not found:
            if not evidence.says(claim.value):
                invented.append(claim.value)
            continue
        for number in found:
            about = claim.approximate or number.about
            if evidence.has(number, about=about):
                right += 1
            elif not about:
                invented.append(number.text)
            elif _between(number, evidence.ticks):
                unchecked.append(number.text)
            else:
                outside.append(number.text)
    total = right + len(invented) + len(outside) + len(unchecked)
    findings: list[Finding] = []
    if invented:
        findings.append(
            wrong(f"Numbers said to be printed are not in {source}: {some(invented)}.", len(invented) / total)
        )
    if outside:
        findings.append(wrong(f"Estimates lie outside the ticks of the figure: {some(outside)}.", len(outside) / total))
    if unchecked:
        message = f"{len(unchecked)} values were read off between ticks and cannot be checked: {some(unchecked)}."
        findings.append(Finding(message, UNCHECKED * len(unchecked) / total))
    if right:
        findings.append(Finding(f"{right} of {total} numbers occur in {source} or the caption."))
    return findings


def _between(number: Number, ticks: Sequence[Number]) -> bool:
    return bool(ticks) and min(t.value for t in ticks) <= number.value <= max(t.value for t in ticks)


def _axes(reading: FigureReading, evidence: _Evidence) -> list[Finding]:
    findings = _labels("axes", [axis.name for axis in reading.axes], evidence)
    ends = [end for axis in reading.axes for end in (axis.low, axis.high) if end.strip()]
    wrong_ends = [end for end in ends if not _printed(end, evidence)]
    if wrong_ends:
        findings.append(wrong(f"Ticks are not in the figure: {some(wrong_ends)}.", len(wrong_ends) / len(ends)))
    return findings


def _printed(label: str, evidence: _Evidence) -> bool:
    found = numbers_in(label)
    return all(evidence.has(n, about=False) for n in found) if found else evidence.says(label)


def _labels(what: str, names: Sequence[str], evidence: _Evidence) -> list[Finding]:
    """Names that occur neither in the figure nor in its caption."""
    named = [name for name in names if name.strip()]
    unknown = [name for name in named if not (evidence.says(name) and _printed(name, evidence))]
    if not unknown:
        return [Finding(f"All {len(named)} {what} are named in the figure or its caption.")] if named else []
    message = f"The {what} {some(map(repr, unknown))} are neither in the figure nor in its caption."
    return [wrong(message, len(unknown) / len(named))]


def _prose(reading: FigureReading, evidence: _Evidence) -> list[Finding]:
    """Numbers in the sentences: counts apart, they have to be known, or estimates between the ticks."""
    estimates = [n for claim in reading.numbers if claim.approximate for n in numbers_in(claim.value)]
    unknown = [
        number.text
        for text in (reading.summary, *reading.trends, reading.description)
        for number in numbers_in(text)
        if not number.plain_count
        and not evidence.has(number, about=number.about)
        and not (number.about and _between(number, evidence.ticks))
        and not any(number.same(other) for other in estimates)
    ]
    if not unknown:
        return []
    return [wrong(f"The description names numbers that are not in the figure: {some(unknown)}.", len(unknown) / 20)]


def _visible(reading: FigureReading, evidence: _Evidence) -> list[Finding]:
    claimed = [text for text in reading.visible_text if text.strip()]
    wrong_numbers = [t for t in claimed if not all(evidence.has(n, about=False) for n in numbers_in(t))]
    if wrong_numbers:
        return [wrong(f"Text said to be visible is not: {some(map(repr, wrong_numbers))}.", len(wrong_numbers) / 20)]
    absent = [text for text in claimed if not evidence.says(text)]
    if not absent:
        return [Finding(f"All {len(claimed)} pieces of visible text were found.")] if claimed else []
    message = f"{len(absent)} of {len(claimed)} pieces of visible text were not found: {some(map(repr, absent))}."
    return [wrong(message) if len(absent) > MOST_TEXT * len(claimed) else Finding(message, DOUBT * min(3, len(absent)))]


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", fold(text))
