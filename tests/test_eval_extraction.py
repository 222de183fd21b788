"""Extraction measures: by hand, and a perfect and a spoilt parse of the sample paper."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from eval.comparing import cell_counts, coverage, f1, iou, kendall_tau, likeness
from eval.extraction.against_truth import run
from eval.truth import Truth, read_truth
from ingestion.elements import Element, PageSize, Paper, Place
from rag_app.errors import InputError

TRUTH = Path(__file__).resolve().parent.parent / "data" / "papers" / "vision_language_models.truth.json"


def test_boxes() -> None:
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(2 / 6)
    assert iou((0, 0, 1, 1), (5, 5, 6, 6)) == 0
    assert iou((1, 1, 1, 1), (1, 1, 1, 1)) == 0
    assert coverage((0, 0, 2, 2), (1, 0, 9, 9)) == 0.5
    assert coverage((1, 1, 1, 1), (0, 0, 2, 2)) == 0


def test_kendall_tau() -> None:
    assert kendall_tau([1, 2, 3, 4]) == 1
    assert kendall_tau([4, 3, 2, 1]) == -1
    assert kendall_tau([1, 3, 2, 4]) == pytest.approx(4 / 6)  # five pairs in order, one not
    assert kendall_tau([7]) == kendall_tau([]) == 1
    assert kendall_tau([2, 2]) == 0
    for order in itertools.permutations(range(5)):  # against the count of inversions
        swaps = sum(a > b for a, b in itertools.combinations(order, 2))
        assert kendall_tau(order) == pytest.approx(1 - 2 * swaps / 10)


def test_cells() -> None:
    true = [["Model", "R@1"], ["A", "39.3"], ["B", "−49.3"]]
    assert cell_counts(true, true) == (6, 6, 6)
    assert cell_counts([["model", "r @1"], ["A", "۳۹٫۳"], ["B", "-49.3"]], true) == (6, 6, 6)
    assert cell_counts([["Model", "R@1"], ["A", "393"], ["B", "49.3"]], true) == (4, 6, 6)  # point and sign count
    assert cell_counts([["R@1", "Model"], ["39.3", "A"], ["−49.3", "B"]], true) == (0, 6, 6)
    assert cell_counts([], true) == (0, 0, 6)
    assert cell_counts([["Model", "R@1"]], true) == (2, 2, 6)
    assert f1(2, 2, 6) == pytest.approx(0.5)
    assert f1(0, 0, 0) == 1


def test_likeness() -> None:
    assert likeness("hyphen-\nated", "Hyphenated") == 1
    assert likeness("abcd", "bcde") == pytest.approx(0.75)
    assert likeness("", "abc") == 0


@pytest.fixture(scope="module")
def truth() -> Truth:
    return read_truth(TRUTH)


def perfect(truth: Truth) -> Paper:
    """A paper that says exactly what the truth says."""
    elements: list[Element] = []

    def add(kind: str, place: Place, **fields: object) -> None:
        n = len(elements)
        elements.append(Element(id=f"e{n:04}", order=n, kind=kind, places=(place,), **fields))  # type: ignore[arg-type]  # fields of Element

    levels = iter(truth.headings)
    formulas = iter(truth.formulas)
    for block in truth.blocks:
        place = Place(block.pages[0], (50, 100, 300, 120))
        if block.kind == "formula":
            formula = next(formulas)
            add("formula", Place(formula.page, formula.bbox), label=formula.label, section=block.section)
        else:
            level = next(levels).level if block.kind == "heading" else None
            add(block.kind, place, text=block.text, section=block.section, level=level)
    for note in truth.footnotes:
        add("footnote", Place(1, (50, 700, 300, 720)), text=note)
    for kind, floats in (("figure", truth.figures), ("table", truth.tables)):
        for thing in floats:
            cells = thing.cells or None
            add(kind, Place(thing.page, thing.bbox), label=thing.label, caption=thing.caption, cells=cells)
    return Paper("0" * 64, truth.document, "", "en", (PageSize(595, 842),), tuple(elements), (), "test")


def test_a_perfect_parse_is_perfect(truth: Truth) -> None:
    report = run(perfect(truth), truth)
    assert all(f.paired for f in (*report.figures, *report.tables))
    assert report.cell_f1 == report.order == report.prose == report.sections == 1
    assert all(found and numbered for found, numbered in report.formulas.values())
    assert report.ordered == report.blocks and report.lost == () and report.leaks == () and report.extra == {}
    right, found, true = report.headings
    assert right == found == true
    assert report.footnotes == (len(truth.footnotes),) * 2 and report.references == (len(truth.references),) * 2
    assert "Kendall tau" in report.table() and report.to_dict()["cell_f1"] == 1


def test_each_fault_shows(truth: Truth) -> None:
    paper = perfect(truth)
    whole = run(paper, truth)

    def spoilt(change: dict[str, object], *kinds: str) -> Paper:
        first = next(e for e in paper.elements if e.kind in kinds)
        elements = tuple(dataclasses.replace(e, **change) if e is first else e for e in paper.elements)  # type: ignore[arg-type]  # fields of Element
        return dataclasses.replace(paper, elements=elements)

    assert not run(spoilt({"label": "Figure 9"}, "figure"), truth).figures[0].paired
    assert not run(spoilt({"caption": "Figure 1"}, "figure"), truth).figures[0].paired
    assert not run(spoilt({"places": (Place(1, (0, 70, 9, 79)),)}, "table"), truth).tables[0].found
    assert run(spoilt({"cells": None}, "table"), truth).cell_f1 < 1
    assert run(spoilt({"kind": "text"}, "formula"), truth).formulas["Equation 1"] == (False, False)
    assert run(spoilt({"label": None}, "formula"), truth).formulas["Equation 1"] == (True, False)
    assert run(spoilt({"text": "", "kind": "text"}, "heading"), truth).headings[0] == whole.headings[0] - 1
    assert len(run(spoilt({"text": truth.furniture[-1] + " and so on"}, "footnote"), truth).leaks) == 1
    assert len(run(spoilt({"places": (Place(2, (50, 30, 300, 44)),)}, "list_item"), truth).leaks) == 1
    assert run(spoilt({"kind": "figure"}, "footnote"), truth).extra == {"figure": 1}
    lost = run(spoilt({"text": "gone"}, "list_item"), truth)
    assert lost.ordered == lost.blocks - 1 and len(lost.lost) == 1 and lost.prose < 1


def test_columns_read_in_the_wrong_order_lower_tau(truth: Truth) -> None:
    paper = perfect(truth)
    half = len(truth.blocks) // 2
    swapped = (*paper.elements[half : 2 * half], *paper.elements[:half], *paper.elements[2 * half :])
    assert run(dataclasses.replace(paper, elements=swapped), truth).order < 0.1


def test_not_a_truth(tmp_path: Path) -> None:
    bad = tmp_path / "x.truth.json"
    bad.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as the truth"):
        read_truth(bad)
    bad.write_text('{"version": 99}', encoding="utf-8")
    with pytest.raises(InputError, match="version 99"):
        read_truth(bad)
