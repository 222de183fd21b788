"""The report of a run: figures that add up, plots, failures, the worst items with their pages; no markup from a run."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.planted_failures import QUESTIONS, asked_row
from eval.failures import Diagnosis, Wanted
from eval.questions import read_questions
from eval.runs import Manifest, Row, Run
from rag_app.errors import UsageError
from rag_app.library import Library
from rag_app.render.evaluation import build_report, report_html, write_report
from rag_app.render.evaluation_cases import worst
from rag_app.render.evaluation_plots import by_kind, calibration, cost, depth, latency, tokens
from rag_app.render.plots import INK, Curves, Dots, Plot, Point, Reliability, Stack, svg

HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(1)> {{ 7*7 }} </style> | `[x](http://203.0.113.9/)` **b**"
PERSIAN = "CLIP چگونه آموزش دیده است؟"


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.found if name in attributes]


def made_row(
    name: str, *, right: float | None = 1.0, confidence: float | None = 0.9, text: str = "How?", language: str = "en",
    kind: str = "text", seconds: float = 1.0, error: str | None = None, unscored: dict[str, str] | None = None,
    refused: bool = False,
) -> Row:  # fmt: skip
    """A row of answers, as a run keeps it."""
    question = {
        "id": name, "question": text, "language": language, "kind": kind if right is not None else "unanswerable",
        "document": "a.pdf" if right is not None else None, "answers": ["12"] if right is not None else [],
        "pages": [1] if right is not None else [], "evidence": ["for 12 days"] if right is not None else [],
        "label": None, "tolerance": None,
    }  # fmt: skip
    evidence = {"node_id": "n1", "document": "a.pdf", "page": 1, "kind": "text", "label": None, "text": "for 12 days"}
    answer = {
        "answer": text, "refused": refused, "confidence": confidence, "citations": [], "evidence": [evidence],
        "unsupported_numbers": [], "tokens": {"prompt": 100, "reply": 10},
    }  # fmt: skip
    record: dict[str, Any] = {"question": question, "answer": None if error else answer, "checked": []}  # Any: JSON
    scores = {} if error or right is None else {"right": right, "length": 120.0}
    timings = {} if error else {"retrieve": 0.25 * seconds, "compose": 0.75 * seconds, "total": seconds}
    return Row(name, {"language": language, "kind": kind}, scores, unscored or {}, error, timings, record)


def made_run(folder: Path, rows: Sequence[Row], *, kind: str = "answers", **more: Any) -> Run:  # Any: of Manifest
    with Run.create(folder, Manifest(kind, len(rows), {"k": 8}, {"answer": "builtin"}, **more)) as run:
        for row in rows:
            run.append(row)
        run.finish()
    return Run.open(folder)


MIXED = (
    made_row("a"),
    made_row("b", right=0.0, text=PERSIAN, language="fa"),
    made_row("c", error=f"It broke: {HOSTILE}"),
    made_row("d", unscored={"ragas_faithfulness": f"No JSON: {HOSTILE}"}, text=HOSTILE),
    made_row("e", right=None, text="What is the capital of Mongolia?", kind="unanswerable"),
)


@pytest.fixture
def mixed(tmp_path: Path) -> Run:
    return made_run(tmp_path / "mixed", MIXED)


# --- plots --------------------------------------------------------------------------------------------------------

PLOTS: dict[str, Plot] = {
    "dots": Dots(("text", "جدول"), ("English", "Persian"), {("text", "English"): Point(0.5, 0.2, 0.8, 9)}, "right"),
    "curves": Curves({"<b>": ([0.1, 1.0], [0.5, 1.0])}, "seconds", "share", logarithmic=True, steps=True),
    "stack": Stack(("text", "table"), {"find": [0.1, 0.2], "say": [1.0, 0.0]}, "seconds"),
    "reliability": Reliability([(0.9, Point(1.0, 0.7, 0.9999999, 8))]),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_well_formed_and_always_the_same(name: str) -> None:
    text = svg(PLOTS[name], name=name, label="A & B")
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert text == svg(PLOTS[name], name=name, label="A & B")
    assert 'aria-label="A &amp; B"' in text
    assert all(one.startswith(f"{name}-") for one in re.findall(r'\bid="([^"]+)"', text))
    for target in re.findall(r'(?:url\(#|href="#)([^")]+)', text):
        assert f'id="{target}"' in text


def test_on_a_page_a_plot_takes_the_colours_of_the_page() -> None:
    text = svg(PLOTS["dots"], name="dots", label="A", themed=True)
    assert "var(--c1)" in text
    assert not [colour for colour in INK.values() if colour in text]


def test_letters_stay_text() -> None:
    assert "جدول" in svg(PLOTS["dots"], name="dots", label="A")
    assert "&lt;b&gt;" in svg(
        dataclasses.replace(PLOTS["curves"], lines={"<b>": ([1], [1]), "c": ([1], [1])}), name="x", label="A"
    )


def test_calibration_by_hand() -> None:
    rows = [
        *(made_row(f"s{i}", right=float(i < 3), confidence=0.95) for i in range(4)),
        *(made_row(f"u{i}", right=float(i < 1), confidence=0.55) for i in range(2)),
        made_row("n", right=None, confidence=0.55),
        made_row("r", refused=True, right=0.0, confidence=0.1),
        made_row("silent", confidence=None),
    ]
    figure = calibration(rows)
    assert figure is not None
    assert isinstance(figure.plot, Reliability)
    assert [(round(x, 6), round(p.value, 6), p.n) for x, p in figure.plot.points] == [
        (0.55, 0.333333, 3),
        (0.95, 0.75, 4),
    ]
    error = (4 * abs(0.75 - 0.95) + 3 * abs(1 / 3 - 0.55)) / 7
    assert f"7 answers given; expected calibration error {error:.3f}" in figure.says
    assert "1 refusals, 1 answers come without a confidence" in figure.says


def test_depth_by_hand() -> None:
    def found(rank: int | None) -> Diagnosis:
        return Diagnosis("right", "", (Wanted("a.pdf", None, (1,), "12", (), rank, False),))

    rows = [made_row("a"), made_row("b"), made_row("c")]
    evidence = rows[0].record["answer"]["evidence"]
    evidence += [evidence[0]] * 3
    figure = depth(rows, {"a": found(1), "b": found(3), "c": found(None)})
    assert figure is not None
    assert isinstance(figure.plot, Curves)
    assert figure.plot.lines == {"English": ([1, 2, 3, 4], [1 / 3, 1 / 3, 2 / 3, 2 / 3])}
    assert "of 1 it is in none" in figure.says


def test_what_an_item_takes() -> None:
    rows = [made_row("a", seconds=1.0), made_row("b", seconds=3.0), made_row("c", error="It broke.")]
    seconds, spent, read = latency(rows), cost(rows), tokens(rows)
    assert seconds is not None
    assert spent is not None
    assert read is not None
    assert "2 items: half within 2.00 s, 95 % within 2.90 s, the slowest 3.00 s." in seconds.says
    assert isinstance(spent.plot, Stack)
    assert spent.plot.parts == {"retrieve": [0.5], "compose": [1.5]}
    assert "in all 200 read and 20 written" in read.says


def test_means_by_kind_come_with_an_honest_interval() -> None:
    figure = by_kind([made_row(f"a{i}") for i in range(4)], "right")
    assert figure is not None
    assert isinstance(figure.plot, Dots)
    point = figure.plot.points["text", "English"]
    assert (point.value, point.n) == (1.0, 4)
    assert point.low < 0.6
    assert by_kind([made_row("a")], "length") is None  # not of 0 to 1


# --- the page -----------------------------------------------------------------------------------------------------


def page_of(run: Run, earlier: Run | None = None) -> str:
    return report_html(build_report(run, None, runs_folder=run.folder.parent, earlier=earlier))


def test_every_metric_adds_up(mixed: Run) -> None:
    report = build_report(mixed, None, runs_folder=mixed.folder)
    assert report.accounting == "5 items: 4 with a result, 1 failed."
    assert {line.name for line in report.lines} == {"right", "length", "ragas_faithfulness"}
    for line in report.lines:
        score = line.score
        assert score.scored + score.unscored + score.failed + score.inapplicable == line.total == 5
    judged = next(line for line in report.lines if line.name == "ragas_faithfulness")
    assert (judged.value, judged.score.unscored, sum(judged.lost.values())) == ("-", 1, 1)


def test_each_item_is_in_one_group(mixed: Run) -> None:
    told = build_report(mixed, None, runs_folder=mixed.folder).failures
    assert told is not None
    assert sum(group.total for group in told.groups) == told.diagnosed == 5
    assert {group.group: [item.id for item in group.items] for group in told.groups} == {
        "failed": ["c"], "not_used": ["b"], "answered_wrongly": ["e"], "miscited": ["a", "d"],
    }  # fmt: skip
    for group in told.groups:
        of_languages = [n for column, n in zip(told.columns, group.counts, strict=True) if column in ("en", "fa")]
        assert sum(of_languages) == group.total


def test_nothing_of_a_run_becomes_markup(mixed: Run) -> None:
    html = page_of(mixed)
    tags = Tags(html)
    assert not {"script", "iframe", "object", "embed", "link"} & {tag for tag, _ in tags.found}
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert all(value.startswith("#") for value in tags.values("href"))
    assert not tags.values("src")
    assert "7*7" in html
    assert "default-src 'none'" in " ".join(tags.values("content"))


def test_ids_are_used_once_and_lead_somewhere(mixed: Run) -> None:
    tags = Tags(page_of(mixed))
    ids = tags.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in tags.values("href")} <= set(ids)


def test_persian_runs_from_right_to_left(mixed: Run) -> None:
    assert f'dir="rtl">{PERSIAN}' in page_of(mixed)


def test_the_worst_are_the_most_misleading_of_each_group_in_turn() -> None:
    groups: list[Any] = ["wrong", "wrong", "refused_wrongly", "not_retrieved", "right"]  # Any: groups
    rows = [made_row(f"r{i}", confidence=0.5 + 0.1 * i) for i in range(5)]
    told = {row.id: Diagnosis(group, "") for row, group in zip(rows, groups, strict=True)}
    assert [row.id for row in worst(rows, told, metric="right")] == ["r1", "r3", "r2", "r0"]
    assert len(worst(rows, told, metric="right", most=2)) == 2


def test_other_kinds_show_what_failed_then_the_lowest() -> None:
    rows = [
        Row("good", scores={"chrf": 0.9}),
        Row("bad", scores={"chrf": 0.1}),
        Row("broken", error="It broke."),
        Row("so", scores={"chrf": 0.5}),
    ]
    assert [row.id for row in worst(rows, {}, metric="chrf")] == ["broken", "bad", "so"]


def test_a_captioned_picture_is_shown(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (20, 10), "red").save(tmp_path / "a.png")
    said = {"a": ("a.png", HOSTILE), "b": ("no.png", "A cat"), "c": ("no.png", "A dog")}
    rows = [
        Row(name, {"kind": "short"}, {"chrf": score}, record={"image": str(tmp_path / image), "caption": caption})
        for name, score, (image, caption) in zip("abc", (0.1, 0.2, 0.9), said.values(), strict=True)
    ]
    html = page_of(made_run(tmp_path / "run", rows, kind="captions"))
    assert [value[:15] for value in Tags(html).values("src")] == ["data:image/webp"]
    assert "The picture is no longer there." in html
    assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", html)


# --- two runs, and what a run keeps -------------------------------------------------------------------------------


def test_changes_since_an_earlier_run(tmp_path: Path) -> None:
    before = made_run(tmp_path / "before", [made_row("a", right=0.0), made_row("b"), made_row("old")])
    after = made_run(tmp_path / "after", [made_row("a"), made_row("b", text=PERSIAN), made_row("new")])
    report = build_report(after, None, runs_folder=tmp_path, earlier=before)
    assert report.changes is not None
    assert [(move.before, move.after, move.items) for move in report.changes.moved] == [
        ("retrieved but not used", "cited wrongly", (("a", "How?"),))
    ]
    html = page_of(after, before)
    assert "right: 1 flipped" in html
    assert "1 only before, 1 only now" in html


def sweep_found() -> dict[str, Any]:  # Any: JSON
    score = {"mean": 0.8, "low": 0.7, "high": 0.9, "scored": 9, "unscored": 0, "failed": 1, "inapplicable": 0}
    return {
        "metric": "correct",
        "split": {"by": "paper", "seed": 0, "tuning": 10, "held_out": 7},
        "tried": [
            {"name": "default", "factor": None, "value": None, "kept": True, "score": score},
            {"name": "k 12", "factor": "k", "value": 12, "kept": False, "score": {**score, "mean": None}},
        ],
        "advice": ["Leave -k at 8: none was better."],
    }


def test_the_advice_of_a_sweep_of_the_same_questions_is_shown(tmp_path: Path) -> None:
    same = {"questions": "q" * 64, "library": "l" * 64}
    swept = made_run(tmp_path / "runs" / "s", [Row("default / a", {"setting": "default"}, {"correct": 1.0})],
                     kind="sweep", digests=same)  # fmt: skip
    swept.keep("sweep", sweep_found())
    asked = made_run(tmp_path / "asked", MIXED, digests=same)
    other = made_run(tmp_path / "other", MIXED, digests={**same, "library": "m" * 64})
    with_advice = build_report(asked, None, runs_folder=tmp_path / "runs")
    assert with_advice.advice is not None
    assert with_advice.advice.sentences == ("Leave -k at 8: none was better.",)
    assert "Leave -k at 8" in report_html(with_advice)
    assert build_report(other, None, runs_folder=tmp_path / "runs").advice is None
    assert build_report(swept, None, runs_folder=tmp_path).advice is not None


def test_what_judging_took_and_the_halves_of_the_search(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", MIXED, judge={"model": "ollama:judge"})
    counts = {"questions": 40, "cached": 10, "failed": 2, "requests": 33, "seconds": 61.0}
    run.keep("judge", {**counts, "prompt_tokens": 12000, "reply_tokens": 800})
    mean = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 4}
    settings = {name: {"total": 4, "failed": 1, "scores": {"hit@5": mean}} for name in ("all", "without dense")}
    run.keep("ablation", {"k": 10, "settings": settings})
    html = page_of(run)
    assert "40 questions, 10 of them from the cache and 2 not answered; 33 requests, 61 s, 12,000 tokens read" in html
    assert "without dense" in html
    assert "2 searches failed" in html


# --- files --------------------------------------------------------------------------------------------------------


def test_both_forms_are_written(mixed: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written = write_report(mixed, library=tmp_path / "none", html=out / "r.html", markdown=out / "r.md")
    assert {path.name for path in written} >= {"r.html", "r.md", "kinds.svg", "calibration.svg"}
    assert all(path.is_file() for path in written)
    text = (out / "r.md").read_text(encoding="utf-8")
    assert all((out / name).is_file() for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text))
    assert "<script>" not in text
    assert "[x](http" not in text
    tables = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(tables) > 5
    assert json.loads((mixed.folder / "summary.json").read_text(encoding="utf-8"))["failed"] == 1


def test_a_file_that_cannot_be_written_is_told(mixed: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="--html"):
        write_report(mixed, library=tmp_path / "none", html=tmp_path / "file" / "r.html")
    with pytest.raises(UsageError, match="--markdown"):
        write_report(mixed, library=tmp_path / "none", markdown=tmp_path / "file" / "r.md")


# --- with the sample papers ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample_run(sample_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Six questions, three of them asked so that the answer fails, one in Persian."""
    wanted = ("en-text-02", "en-table-04", "fa-text-04", "en-text-21", "fa-none-02", "en-cross-04")
    questions = [question for question in read_questions(QUESTIONS) if question.id in wanted]
    assert len(questions) == len(wanted)
    with Library.open(sample_library, read_only=True) as library:
        rows = [asked_row(library, one, library.as_query_engine()) for one in questions]
    yield made_run(tmp_path_factory.mktemp("run") / "sample", rows)


def test_the_worst_show_their_pages_with_boxes(sample_run: Run, sample_library: Path) -> None:
    with Library.open(sample_library, read_only=True) as library:
        report = build_report(sample_run, library, runs_folder=sample_run.folder)
        html = report_html(report)
    assert report.cases
    for case in report.cases:
        assert case.reason
        if case.wanted:
            gold = [box for page in case.pages for box in page.boxes if box.n == 0]
            assert gold, f"{case.id}: no box shows where the answer stands"
            assert all(0 <= box.left <= 100 and 0 < box.width <= 100 for box in gold)
        cited = {box.n for page in case.pages for box in page.boxes if box.n}
        assert cited <= set(case.cited)
    assert report.album is not None
    assert html.count("url(&#34;data:image/webp") + html.count('url("data:image/webp') == len(report.album.pictures) > 0
    used = {page.image for case in report.cases for page in case.pages}
    assert used == set(report.album.pictures)


def test_a_page_that_is_gone_costs_its_picture_alone(sample_run: Run, sample_library: Path, copy_of: Any) -> None:
    folder: Path = copy_of(sample_library)
    for path in (folder / "files").iterdir():
        path.unlink()
    with Library.open(folder, read_only=True) as library:
        html = report_html(build_report(sample_run, library, runs_folder=folder))
    assert "This page cannot be shown" in html
