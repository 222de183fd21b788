"""The sample papers, their truth and their questions hang together; the build gives the same again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from eval.citations import squeeze
from eval.questions import Question, read_questions
from eval.truth import read_truth
from ingestion.elements import BBox
from ingestion.pdf import page_words

DATA = Path(__file__).resolve().parent.parent / "data"
PAPERS = DATA / "papers"
ENGLISH, PERSIAN = "vision_language_models", "clip_fa"
NAMES = (ENGLISH, PERSIAN)


def truth_json(name: str) -> dict[str, Any]:  # Any: JSON
    return json.loads((PAPERS / f"{name}.truth.json").read_text(encoding="utf-8"))


def words_in(name: str, page: int, box: BBox) -> list[str]:
    inside = [
        w.text
        for w in page_words(PAPERS / f"{name}.pdf", page)
        if box[0] - 2 <= (w.bbox[0] + w.bbox[2]) / 2 <= box[2] + 2
        and box[1] - 2 <= (w.bbox[1] + w.bbox[3]) / 2 <= box[3] + 2
    ]
    return [squeeze(word) for word in inside]


def page_text(name: str, page: int) -> str:
    return squeeze("".join(w.text for w in page_words(PAPERS / f"{name}.pdf", page)))


def stands_on(name: str, page: int, text: str) -> bool:
    """Latin text letter by letter; Persian word by word, because the text layer orders lines in its own way."""
    there = page_text(name, page)
    return squeeze(text) in there or (
        name == PERSIAN and all(squeeze(w) in there for w in text.replace("\u200c", " ").split())
    )


@pytest.mark.parametrize("name", NAMES)
def test_papers_hold_what_was_ordered(name: str) -> None:
    truth = truth_json(name)
    counts = {key: len(truth[key]) for key in ("figures", "tables", "formulas", "footnotes", "references")}
    if name == ENGLISH:
        assert 6 <= len(truth["pages"]) <= 8
        assert counts["figures"] >= 4 and counts["tables"] >= 3 and counts["formulas"] >= 8
        assert counts["footnotes"] >= 3 and counts["references"] >= 15
        assert {f["kind"] for f in truth["figures"]} == {"chart", "diagram", "picture", "panels"}
        assert any(t["header_rows"] == 2 for t in truth["tables"])
    else:
        assert 2 <= len(truth["pages"]) <= 3
        assert counts["figures"] >= 1 and counts["tables"] >= 1 and counts["formulas"] >= 1
    assert (PAPERS / f"{name}.pdf").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_truth_boxes_hold_their_text_in_the_pdf(name: str) -> None:
    truth = read_truth(PAPERS / f"{name}.truth.json")
    for table in truth.tables:
        there = "".join(words_in(name, table.page, table.bbox))
        missing = [
            cell
            for row in table.cells
            for cell in row
            if not all(squeeze(w) in there for w in cell.replace("\u200c", " ").split())
        ]
        assert not missing, table.label
    for formula in truth_json(name)["formulas"]:
        assert words_in(name, formula["page"], formula["bbox"]), formula["label"]
        assert formula["number"] in "".join(words_in(name, formula["page"], formula["line_bbox"]))
    for thing in (*truth_json(name)["figures"], *truth_json(name)["tables"]):
        caption = "".join(words_in(name, thing["page"], thing["caption_bbox"]))
        assert squeeze(thing["printed_label"]) in caption, thing["label"]


def test_english_paragraphs_stand_on_their_pages() -> None:
    """The words of the truth are those of the PDF: what a page break cuts is looked for over both pages."""
    for block in read_truth(PAPERS / f"{ENGLISH}.truth.json").blocks:
        if block.kind not in ("text", "heading", "list_item", "reference"):
            continue
        there = "".join(page_text(ENGLISH, page) for page in block.pages)
        begin, end = squeeze(block.text)[:25], squeeze(block.text)[-25:]
        assert begin in there and end in there, block.id


def test_running_header_and_footer_are_outside_the_body() -> None:
    for name in NAMES:
        truth = read_truth(PAPERS / f"{name}.truth.json")
        for page in range(1, len(truth_json(name)["pages"]) + 1):
            outside = "".join(
                squeeze(w.text)
                for w in page_words(PAPERS / f"{name}.pdf", page)
                if not truth.body[0] <= (w.bbox[1] + w.bbox[3]) / 2 <= truth.body[1]
            )
            assert str(page) in outside
            assert any(
                all(squeeze(w) in outside for w in line.replace("\u200c", " ").split()) for line in truth.furniture
            )


def test_build_gives_the_same_again(tmp_path: Path) -> None:
    pytest.importorskip("typst", reason="typst is in the dev extra; without it the papers cannot be rebuilt")
    made = subprocess.run(
        [sys.executable, str(DATA / "build.py"), "--out", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    different = [
        path.name for path in sorted(tmp_path.iterdir()) if path.read_bytes() != (PAPERS / path.name).read_bytes()
    ]
    recorded = (PAPERS / "typst.version").read_text(encoding="utf-8").strip()
    if different and version("typst") != recorded:
        pytest.skip(f"typst {version('typst')} sets lines differently from {recorded}: {', '.join(different)}")
    assert different == []


@pytest.fixture(scope="module")
def questions() -> tuple[Question, ...]:
    return read_questions(DATA / "questions" / "sample.jsonl")


def test_question_set_is_large_and_mixed(questions: tuple[Question, ...]) -> None:
    kinds = Counter(q.kind for q in questions)
    languages = Counter(q.language for q in questions)
    assert len(questions) >= 48 and languages["fa"] >= 14
    assert kinds["unanswerable"] >= 12
    assert {"text", "table", "formula", "figure", "cross_page"} <= set(kinds)
    assert any(q.language == "fa" and q.kind == "unanswerable" for q in questions)


def test_evidence_stands_on_its_page(questions: tuple[Question, ...]) -> None:
    wrong = [
        (q.id, page, text)
        for q in questions
        for page, text in zip(q.pages, q.evidence, strict=True)
        if not stands_on(Path(q.document or "").stem, page, text)
    ]
    assert wrong == []


def test_labels_exist_and_are_on_a_gold_page(questions: tuple[Question, ...]) -> None:
    pages = {
        (f"{name}.pdf", thing["label"]): thing["page"]
        for name in NAMES
        for group in ("figures", "tables", "formulas")
        for thing in truth_json(name)[group]
    }
    wrong = [q.id for q in questions if q.label and pages.get((q.document or "", q.label)) not in q.pages]
    assert wrong == []


def test_demo_asks_one_question_of_each_kind() -> None:
    demo = read_questions(DATA / "questions" / "demo.jsonl")
    assert sorted(q.kind for q in demo) == ["figure", "formula", "table", "text"]
