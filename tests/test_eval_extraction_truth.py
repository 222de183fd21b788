"""Truths of papers: both forms, where they are looked for, and what is said of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from eval.extraction.cases import find_cases
from eval.extraction.truths import find_truth, read_true_paper
from rag_app.errors import InputError
from tests.conftest import SAMPLE_PAPERS
from tests.made_pdfs import document, save

MARKDOWN = """# On *losses*

A **bold** claim about [losses](x.html).

Table 1: Scores.

| Model | Score |
| ----- | ----: |
| A | 0.91 |

Then comes

$$L = \\frac{a_1}{b} * c_1$$

Figure 1: Training loss.

شکل ۲: خطای آموزش.

- an item

<!-- nothing -->
"""


def test_markdown(tmp_path: Path) -> None:
    path = tmp_path / "a.truth.md"
    path.write_text(MARKDOWN, encoding="utf-8")
    paper = read_true_paper(path)
    texts = ["On losses", "A bold claim about losses.", "Then comes", "an item"]
    assert [item.text for item in paper.of("text")] == texts
    (table,) = paper.of("table")
    assert table.cells == (("Model", "Score"), ("A", "0.91")) and table.header_rows == 1 and table.bbox is None
    assert [item.latex for item in paper.of("formula")] == [r"L = \frac{a_1}{b} * c_1"]
    assert [item.text for item in paper.of("figure")] == ["Figure 1: Training loss.", "شکل ۲: خطای آموزش."]
    assert len({item.id for item in paper.items}) == len(paper.items) and paper.language == "en"


def test_the_truth_of_the_sample_papers() -> None:
    paper = read_true_paper(SAMPLE_PAPERS / "clip_fa.truth.json")
    assert paper.language == "fa"
    assert [len(paper.of(kind)) for kind in ("table", "formula", "figure")] == [1, 3, 2]
    assert paper.of("formula")[2].latex == r"B = 4\,n\,d" and paper.of("table")[0].header_rows == 2
    assert all(item.bbox for item in paper.items if item.kind != "text")


def test_where_truths_are_looked_for(tmp_path: Path) -> None:
    pdf = tmp_path / "a.b.pdf"
    assert find_truth(pdf) is None
    (tmp_path / "a.b.md").write_text("x", encoding="utf-8")
    assert find_truth(pdf) == tmp_path / "a.b.md"
    (tmp_path / "a.b.truth.md").write_text("x", encoding="utf-8")
    assert find_truth(pdf) == tmp_path / "a.b.truth.md"
    other = tmp_path / "truths"
    other.mkdir()
    assert find_truth(pdf, other) is None


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.md", "<!-- only a comment -->", "holds no text"),
        ("a.truth.json", "{}", "cannot be read as the truth"),
        ("a.md", b"\xff\xfe", "cannot be read as the truth"),
    ],
)
def test_what_is_no_truth(tmp_path: Path, name: str, text: str | bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=told):
        read_true_paper(path)


def test_cases_of_a_folder(tmp_path: Path) -> None:
    save(document(1), tmp_path / "one.pdf")
    (tmp_path / "deep").mkdir()
    save(document(1), tmp_path / "deep" / "one.pdf")
    (tmp_path / "one.md").write_text("A text.", encoding="utf-8")
    check = '{"id": "1", "pdf": "one.pdf", "page": 1, "type": "present", "text": "x"}\n'
    (tmp_path / "deep" / "dataset.jsonl").write_text(check, encoding="utf-8")
    found = {case.name: case for case in find_cases([tmp_path, tmp_path / "one.pdf"])}
    assert set(found) == {f"{tmp_path.name}/one.pdf", "deep/one.pdf"}
    assert found["deep/one.pdf"].checks[0]["id"] == "1" and found["deep/one.pdf"].truth is None
    assert found[f"{tmp_path.name}/one.pdf"].truth is not None and not found[f"{tmp_path.name}/one.pdf"].checks


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 1: it is no JSON"),
        ("[]", "a check is a JSON object"),
        ('{"id": "1", "pdf": "one.pdf", "page": 1, "type": "presence", "text": "x"}', "'presence' is not known"),
        ('{"id": "1", "pdf": "one.pdf", "page": 1, "type": "order", "before": "x"}', "it has no text 'after'"),
        ('{"id": "1", "pdf": "one.pdf", "page": 0, "type": "present", "text": "x"}', "the page is 0"),
        ('{"id": "1", "pdf": "two.pdf", "page": 1, "type": "present", "text": "x"}', "two.pdf is not beside it"),
        (
            '{"id": "1", "pdf": "one.pdf", "page": 1, "type": "present", "text": "x"}\n' * 2,
            "line 2: the id '1' comes twice",
        ),
    ],
)
def test_checks_that_cannot_be_read(tmp_path: Path, line: str, told: str) -> None:
    save(document(1), tmp_path / "one.pdf")
    (tmp_path / "dataset.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        find_cases([tmp_path])


def test_a_folder_without_papers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no PDF in"):
        find_cases([tmp_path])
    with pytest.raises(InputError, match="does not exist"):
        find_cases([tmp_path / "gone"])
