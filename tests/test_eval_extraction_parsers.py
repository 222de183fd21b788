"""Parsers and vision models over the sample papers, from the command line to the run folder."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eval.extraction.cases import find_cases
from eval.extraction.running import item_ids, measure
from eval.parsers.names import parsers
from eval.runs import Run
from ingestion.elements import Paper
from ingestion.reading import read_paper
from rag_app.errors import InputError, UnknownName
from rag_app.render.formula_pictures import formula_png, mathtext
from tests.commands import CommandLine
from tests.conftest import SAMPLE_PAPERS
from tests.extraction_cases import right_eyes
from tests.made_pdfs import document, save
from tests.ollama_server import Model, OllamaServer

VISION = {"completion", "vision"}
Script = Callable[[dict[str, Any], list[bytes]], str]  # Any: JSON


@pytest.fixture(scope="module")
def persian(tmp_path_factory: pytest.TempPathFactory) -> tuple[Paper, Path]:
    crops = tmp_path_factory.mktemp("crops")
    return read_paper(SAMPLE_PAPERS / "clip_fa.pdf", crops=crops), crops


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The Persian sample paper with its truth."""
    (tmp_path / "papers").mkdir()
    for name in ("clip_fa.pdf", "clip_fa.truth.json"):
        shutil.copy(SAMPLE_PAPERS / name, tmp_path / "papers" / name)
    return tmp_path / "papers"


@pytest.fixture
def rag_app(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_APP_LIBRARY", str(tmp_path / "library"))
    return CommandLine(capfd)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, persian: tuple[Paper, Path]) -> Iterator[OllamaServer]:
    right = right_eyes(*persian)

    def careless(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
        """Misreads each table, and gives no JSON for formulas."""
        return "?" if "latex" in body["format"]["properties"] else right(body, images).replace("۵", "۶")

    models = [Model("right", VISION, replies=right), Model("careless", VISION, replies=careless)]
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with OllamaServer(models=models) as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


def means(document: dict[str, Any], parser: str) -> dict[str, float]:  # Any: JSON
    return {name: score["mean"] for name, score in document["parsers"][parser]["scores"].items()}


def test_three_parsers_and_two_models_in_one_table(
    rag_app: CommandLine, server: OllamaServer, folder: Path, tmp_path: Path
) -> None:
    models = ("--vision", "right", "--vision", "careless")
    document = rag_app.json("eval", "extraction", folder, *models, "--run", tmp_path / "run")
    assert list(document["parsers"]) == ["rag-app", "pymupdf4llm", "pymupdf", "ollama:right", "ollama:careless"]
    ours, right, careless = (means(document, name) for name in ("rag-app", "ollama:right", "ollama:careless"))
    assert ours["cell_f1"] == ours["teds"] == ours["reading_order"] == ours["formula_found"] == 1
    assert ours["formula_symbols"] == ours["figure_caption_f1"] == 1 and ours["text_edit_similarity"] > 0.99
    assert "formula_edit_similarity" not in ours and "cell_f1" not in means(document, "pymupdf")
    assert (
        means(document, "pymupdf4llm")["text_edit_similarity"]
        < 0.9
        < means(document, "pymupdf")["text_edit_similarity"]
    )
    for metric in ("cell_f1", "teds", "formula_edit_similarity", "formula_image_similarity"):
        assert right[metric] == 1, metric
    assert 0 < careless["cell_f1"] < 1 and careless["verification"] < right["verification"]
    # Three true formulas, and the three formulas it was asked about, are counted as failed.
    assert document["parsers"]["ollama:careless"]["failed"] == 6
    rows = Run.open(tmp_path / "run").rows()
    read = [row for row in rows if row.groups["kind"].endswith(" read") and row.groups["parser"] == "ollama:right"]
    assert len(read) == 6 and {row.scores["verified"] for row in read if row.groups["kind"] != "figure read"} == {1}
    assert document["summary"]["total"] == len(rows) and document["summary"]["missing"] == 0
    assert document["papers"][0]["cell_f1"] == 1


def test_a_run_cut_off_goes_on_without_asking_again(
    rag_app: CommandLine, server: OllamaServer, folder: Path, tmp_path: Path
) -> None:
    words = ("eval", "extraction", folder, "--parser", "rag-app", "--vision", "right", "--run", tmp_path / "run")
    whole = rag_app.json(*words)
    asked = len([one for one in server.requests if one.path == "/api/chat"])
    items = tmp_path / "run" / "items.jsonl"
    lines = items.read_text("utf-8").splitlines(keepends=True)
    cut = next(n for n, line in enumerate(lines) if "read:" in json.loads(line)["id"]) + 2
    items.write_text("".join(lines[:cut]), encoding="utf-8")
    again = rag_app.json(*words, "--resume")
    more = len([one for one in server.requests if one.path == "/api/chat"]) - asked
    assert asked == 6 and more == 4  # two of the six readings were kept
    assert means(again, "ollama:right") == means(whole, "ollama:right")
    assert again["summary"]["missing"] == 0


def test_a_server_that_goes_away_ends_the_run(
    rag_app: CommandLine, server: OllamaServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    result = rag_app("eval", "extraction", folder, "--vision", "right", "--run", tmp_path / "run")
    assert result.returncode == 1 and not (tmp_path / "run").exists()
    assert "127.0.0.1:9" in result.stderr


def test_papers_without_a_truth_need_a_model(
    rag_app: CommandLine, server: OllamaServer, folder: Path, tmp_path: Path
) -> None:
    (folder / "clip_fa.truth.json").unlink()
    refused = rag_app("eval", "extraction", folder, "--parser", "rag-app")
    assert refused.returncode == 1 and "None of these papers has a truth" in refused.stderr
    words = ("eval", "extraction", folder, "--parser", "rag-app", "--vision", "right", "--run", tmp_path / "run")
    document = rag_app.json(*words)
    assert set(document["parsers"]) == {"ollama:right"}
    assert set(means(document, "ollama:right")) == {"verification", "verified"}
    text = rag_app(*words, "--resume").stdout
    assert "verification score" in text and f"Run: {tmp_path / 'run'}" in text


def test_the_gate(rag_app: CommandLine, folder: Path, tmp_path: Path) -> None:
    words = ("eval", "extraction", folder, "--parser", "rag-app")
    assert rag_app(*words, "--fail-under", "cell_f1=0.99").returncode == 0
    broken = rag_app(*words[:3], "--parser", "pymupdf4llm", "--fail-under", "cell_f1=0.99")
    assert broken.returncode == 1 and "Gate: " in broken.stdout


def test_page_checks(rag_app: CommandLine, tmp_path: Path) -> None:
    made = document(2)
    words = made[1].get_text().split()
    folder = tmp_path / "checked"
    folder.mkdir()
    save(made, folder / "made.pdf")
    heading = "2 Section number 2"
    lines = [
        {"id": "a", "pdf": "made.pdf", "page": 2, "type": "present", "text": heading},
        {"id": "b", "pdf": "made.pdf", "page": 1, "type": "present", "text": heading},
        {"id": "c", "pdf": "made.pdf", "page": 2, "type": "order", "before": heading, "after": " ".join(words[-4:])},
    ]
    (folder / "dataset.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    report = rag_app.json("eval", "extraction", folder, "--run", tmp_path / "run")
    for parser in ("rag-app", "pymupdf4llm", "pymupdf"):
        assert means(report, parser) == {"check_passed": pytest.approx(2 / 3)}, parser


def test_a_file_that_is_no_pdf_fails_and_the_others_go_on(tmp_path: Path, folder: Path) -> None:
    (folder / "bad.pdf").write_bytes(b"no PDF at all")
    (folder / "bad.md").write_text("A text.\n\nAnother text.", encoding="utf-8")
    cases = find_cases([folder])
    chosen = parsers(["rag-app", "pymupdf4llm", "pymupdf"], crops=tmp_path / "crops")
    rows = list(measure(cases, chosen))
    assert sorted(row.id for row in rows) == sorted(item_ids(cases, chosen))
    failed = [row for row in rows if row.error]
    assert len(failed) == 9 and all("bad.pdf" in row.id for row in failed)
    (checked,) = [row for row in rows if row.groups["kind"] == "table read"]
    assert checked.groups["parser"] == "pymupdf4llm" and checked.scores["verified"] == 0  # its letters are reversed


def test_unknown_parser(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean pymupdf4llm"):
        parsers(["pymupdf4lm"], crops=tmp_path)
    with pytest.raises(InputError):
        parsers(["pymupdf"], crops=tmp_path)[0].parse(tmp_path)


@pytest.mark.parametrize(
    "latex",
    [
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"\lVert x \rVert_2",
        r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}",
        r"f(x) = \begin{cases} 1 & x > 0 \\ 0 & \text{else} \end{cases}",
        r"\bigl(\tfrac{1}{2}\bigr)",
        r"\operatorname*{arg\,max}_{c} x",
        r"$$\dfrac{a}{b} \tag{3}$$",
    ],
)
def test_formulas_as_pictures(latex: str) -> None:
    picture = formula_png(latex)
    assert picture is not None
    with Image.open(io.BytesIO(picture)) as image:
        assert image.convert("L").getextrema()[0] < 100 and image.width > 5


def test_formulas_that_cannot_be_set() -> None:
    assert formula_png("") is None
    assert formula_png(r"\frac{a") is None
    assert formula_png(r"\unknownname{a}") is None
    assert formula_png("x" * 5000) is None
    assert mathtext(r"\lVert a \rVert") == r"\|a \|"


@pytest.mark.real_papers
def test_olmocr_sample(real_papers: Path, tmp_path: Path) -> None:
    """Ours passes more page checks than pymupdf4llm, and that more than the text layer."""
    cases = find_cases([real_papers / "papers" / "olmocr_bench"])
    chosen = parsers(["rag-app", "pymupdf4llm", "pymupdf"], crops=tmp_path)
    passed = dict.fromkeys((parser.name for parser in chosen), 0.0)
    for row in measure(cases, chosen):
        passed[row.groups["parser"]] += row.scores.get("check_passed", 0.0)
    assert passed["rag-app"] >= 32 > passed["pymupdf4llm"] > passed["pymupdf"]
