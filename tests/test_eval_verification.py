"""Planted errors in right readings of the sample papers: caught, and right ones pass. A short run of the benchmark."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from eval.planted.kinds import errors_of, variants_of
from eval.statistics import wilson
from eval.transcriptions import Case, transcribed_cases, truth_cases
from eval.verification import CAUGHT, FALSE_ALARMS, VerificationReport, run
from ingestion.describe.schemas import FormulaReading, TableReading
from ingestion.reading import read_paper
from rag_app.errors import InputError
from tests.commands import CommandLine
from tests.conftest import ROOT, SAMPLE_PAPERS

FIGURES = ROOT / "benchmarks" / "transcriptions" / "sample_figures.json"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    crops = tmp_path_factory.mktemp("crops")
    papers = [read_paper(path, crops=crops) for path in sorted(SAMPLE_PAPERS.glob("*.pdf"))]
    found = [
        case for paper in papers for case in truth_cases(paper, SAMPLE_PAPERS / f"{Path(paper.name).stem}.truth.json")
    ]
    figures, lost = transcribed_cases(papers, FIGURES)
    assert lost == []
    return found + figures


@pytest.fixture(scope="module")
def report(cases: list[Case]) -> VerificationReport:
    return run(cases, each=1)


def test_every_truth_has_its_element(cases: list[Case]) -> None:
    kinds = [case.element.kind for case in cases]
    assert [kinds.count(kind) for kind in ("formula", "table", "figure")] == [15, 4, 6]


def test_the_bar(report: VerificationReport) -> None:
    caught, errors = report.share(right=False)
    alarms, readings = report.share(right=True)
    assert errors >= 60
    assert readings >= 60
    assert caught / errors >= CAUGHT, report.table()
    assert alarms / readings <= FALSE_ALARMS, report.table()
    assert report.holds


def test_each_kind_of_element_meets_the_bar(report: VerificationReport) -> None:
    for kind in ("formula", "table", "figure"):
        caught, errors = report.share(right=False, kind=kind)
        alarms, readings = report.share(right=True, kind=kind)
        assert errors >= 40
        assert caught >= CAUGHT * errors, kind
        assert alarms <= FALSE_ALARMS * readings, kind


def test_the_report_adds_up(report: VerificationReport) -> None:
    raw = json.loads(json.dumps(report.to_dict()))
    assert sum(row["trials"] for row in raw["by_change"]) == len(report.trials)
    assert raw["caught"]["of"] + raw["false_alarms"]["of"] == len(report.trials)
    assert len(raw["misses"]) == sum(not trial.passed for trial in report.trials)
    assert "errors caught" in report.table()


def test_the_same_seed_gives_the_same_trials(cases: list[Case]) -> None:
    assert run(cases[:3], each=2, seed=7).trials == run(cases[:3], each=2, seed=7).trials
    assert run(cases[:3], each=2, seed=7).trials != run(cases[:3], each=2, seed=8).trials


def test_checks_that_pass_everything_would_miss_the_bar(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion.describe.findings import Checks

    for verdict in (Checks(1.0, True, ()), Checks(0.0, False, ())):
        monkeypatch.setattr("ingestion.describe.reading.verify", lambda *_, verdict=verdict, **__: verdict)
        assert not run(cases[:4], each=1).holds


def test_every_change_changes_the_reading(cases: list[Case]) -> None:
    rng = random.Random(3)
    for case in cases:
        for kinds in (errors_of(case.reading), variants_of(case.reading)):
            for kind, change in kinds.items():
                assert change(case.reading, rng) != case.reading, (case.name, kind)


def test_kinds_of_errors_that_the_bar_names() -> None:
    formula = FormulaReading(latex=r"\frac{a_{ij}}{12} - b", symbols=[], summary="")
    table = TableReading(header_rows=[["a", "b"]], rows=[["c", "1.5"], ["d", "23"]], units=[], notes=[], summary="")
    assert {"brace lost", "broken LaTeX", "symbol changed", "index changed", "term lost", "wrong sign"} <= set(
        errors_of(formula)
    )
    assert {"digits swapped", "point moved", "row lost", "column lost", "cell moved", "header exchanged"} <= set(
        errors_of(table)
    )


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (9, 10, 0.5958, 0.9821), (10, 10, 0.7225, 1.0)]
)
def test_wilson(hits: int, n: int, low: float, high: float) -> None:
    """Against published values (Wilson 1927, as tabulated by R's binom.confint)."""
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_a_file_that_is_no_transcription_is_told(tmp_path: Path, cases: list[Case]) -> None:
    for text in ("", "[]", '{"cases": [{}]}', '{"cases": [1]}', '{"nothing": 0}'):
        (tmp_path / "t.json").write_text(text)
        with pytest.raises(InputError, match=r"t\.json cannot be read as"):
            transcribed_cases([], tmp_path / "t.json")


def test_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    papers = sorted(SAMPLE_PAPERS.glob("*.pdf"))
    raw = CommandLine(capfd).json("eval", "verification", *papers, "--transcriptions", FIGURES, "--each", "1")
    assert raw["holds"]
    assert raw["left_out"] == []


def test_the_command_without_a_right_reading(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    alone = tmp_path / "alone.pdf"
    alone.write_bytes((SAMPLE_PAPERS / "clip_fa.pdf").read_bytes())
    done = CommandLine(capfd)("eval", "verification", alone)
    assert done.returncode != 0
    assert "no right reading to start from" in done.stderr
