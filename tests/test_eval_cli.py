"""`rag-app eval answers` and its family, on the real command line: runs, resuming, judges, gates, comparisons."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eval.runs import Run
from rag_app import Library
from tests.commands import CommandLine
from tests.conftest import SAMPLE_PAPERS
from tests.judging.models import judge
from tests.ollama_server import Fault, Model, OllamaServer

SAMPLE = SAMPLE_PAPERS.parent / "questions" / "sample.jsonl"
DEMO = SAMPLE_PAPERS.parent / "questions" / "demo.jsonl"
PROGRAM = Path(sys.executable).with_name("rag-app")


@pytest.fixture
def rag_app(capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capfd)


@pytest.fixture
def library(sample_library: Path, tmp_path: Path) -> Path:
    """A copy that runs may be kept in."""
    return Path(shutil.copytree(sample_library, tmp_path / "library", ignore=shutil.ignore_patterns("evaluations")))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaServer]:
    """The protocol server with a judge and an answering model, found by $OLLAMA_HOST."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with OllamaServer([Model("judge", {"completion"}, replies=judge), Model("tinytext", {"completion"})]) as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


def questions(path: Path, n: int, *, start: int = 0) -> Path:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()[start : start + n]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:  # Any: JSON
    kept = []
    for row in rows:
        record = row["record"]
        if record.get("answer"):
            record = {**record, "answer": {**record["answer"], "seconds": None}}
        kept.append({**row, "seconds": None, "record": record})
    return kept


def items(folder: Path) -> list[dict[str, Any]]:  # Any: JSON
    return [json.loads(line) for line in (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()]


# --- a run ----------------------------------------------------------------------------------------------------------


def test_answers_are_kept_as_a_run(rag_app: CommandLine, library: Path) -> None:
    shown = rag_app.json("eval", "answers", DEMO, "--library", library)
    folder = Path(shown["run"])
    assert folder.parent == library / "evaluations" and folder.name.endswith("-answers")
    assert {path.name for path in folder.iterdir()} >= {"manifest.json", "items.jsonl", "summary.json", "report.html"}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"] == {"k": 8, "search": {"dense": 1.0, "structure": 1.0}}
    assert manifest["models"]["answer"] == "builtin" and manifest["seeds"]["bootstrap"]
    assert set(manifest["digests"]) == {"questions", "library"} and manifest["versions"]["rag-app"]
    assert manifest["command"].startswith("rag-app eval answers ")
    assert shown["total"] == 4 and shown["failed"] == 0 and len(shown["questions"]) == 4
    assert {"scores", "citations", "summary", "gate"} <= set(shown)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary == shown["summary"] and summary["total"] == 4 and summary["missing"] == 0
    for group in summary["groups"]:
        for score in group["scores"].values():
            counts = ("scored", "unscored", "failed", "inapplicable")
            assert sum(score[name] for name in counts) == group["total"]


def test_the_library_is_not_changed(rag_app: CommandLine, library: Path) -> None:
    before = (library / "library.sqlite").read_bytes()
    with Library.open(library, create=False) as opened:
        answers = opened.status().answers
    rag_app.json("eval", "answers", DEMO, "--library", library, "--run", library.parent / "run")
    rag_app.json("eval", "retrieval", DEMO, "--library", library, "--run", library.parent / "other")
    assert (library / "library.sqlite").read_bytes() == before
    with Library.open(library, create=False) as opened:
        assert opened.status().answers == answers


def test_two_runs_are_equal_to_the_digit(rag_app: CommandLine, library: Path, tmp_path: Path) -> None:
    asked = questions(tmp_path / "q.jsonl", 6, start=40)
    for name in ("one", "two"):
        rag_app.json("eval", "answers", asked, "--library", library, "--run", tmp_path / name)
    assert without_seconds(items(tmp_path / "one")) == without_seconds(items(tmp_path / "two"))
    summaries = [json.loads((tmp_path / name / "summary.json").read_text("utf-8")) for name in ("one", "two")]
    assert {**summaries[0], "seconds": None} == {**summaries[1], "seconds": None}


def test_reports_are_written_where_they_are_asked_for(rag_app: CommandLine, library: Path, tmp_path: Path) -> None:
    html, markdown = tmp_path / "out" / "report.html", tmp_path / "report.md"
    shown = rag_app.json("eval", "answers", DEMO, "--library", library, "--html", html, "--markdown", markdown)
    assert html.read_bytes() == (Path(shown["run"]) / "report.html").read_bytes()
    assert "right" in markdown.read_text(encoding="utf-8")
    assert {str(html), str(markdown)} <= set(shown["written"])
    again = rag_app.json("eval", "report", shown["run"], "--library", library, "--html", tmp_path / "again.html")
    assert again["summary"] == shown["summary"] and (tmp_path / "again.html").exists()
    listed = rag_app.json("eval", "runs", "--library", library)["runs"]
    assert [(one["run"], one["done"], one["failed"]) for one in listed] == [(shown["run"], 4, 0)]
    broken = library / "evaluations" / "20200101-000000-answers"
    broken.mkdir()
    (broken / "manifest.json").write_text("{", encoding="utf-8")
    beside = rag_app.json("eval", "runs", "--library", library, code=1)
    assert beside["runs"] == listed and str(broken) in beside["damaged"][0]


def test_a_library_without_runs_says_so(rag_app: CommandLine, library: Path) -> None:
    result = rag_app("eval", "runs", "--library", library)
    assert "There is no run" in result.stdout and "rag-app eval answers" in result.stdout


def test_what_is_no_run_is_told(rag_app: CommandLine, tmp_path: Path) -> None:
    result = rag_app("eval", "report", tmp_path)
    assert result.returncode == 1 and "is no evaluation run" in result.stderr


# --- going on -------------------------------------------------------------------------------------------------------


def test_resume_asks_only_what_is_missing(rag_app: CommandLine, library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = ("eval", "answers", DEMO, "--library", library, "--run", folder)
    rag_app.json(*command)
    first, second, *_ = (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()
    marked = json.loads(first)
    marked["record"]["answer"]["answer"] = "kept as it was"
    (folder / "items.jsonl").write_text(f"{json.dumps(marked)}\n{second}\n{second[:50]}", encoding="utf-8")
    refused = rag_app(*command)
    assert refused.returncode == 2 and "--resume" in refused.stderr
    shown = rag_app.json(*command, "--resume")
    assert shown["total"] == 4
    assert shown["questions"][0]["answer"] == "kept as it was"
    assert len(items(folder)) == 4


def test_resume_without_a_folder_takes_the_newest(rag_app: CommandLine, library: Path) -> None:
    none = rag_app("eval", "answers", DEMO, "--library", library, "--resume")
    assert none.returncode == 2 and "no run of answers" in none.stderr
    shown = rag_app.json("eval", "answers", DEMO, "--library", library)
    assert rag_app.json("eval", "answers", DEMO, "--library", library, "--resume")["run"] == shown["run"]


@pytest.mark.parametrize(
    ("change", "said"), [(("-k", "5"), "settings.k was 8, now 5"), (("other",), "digests.questions was")]
)
def test_a_changed_run_is_refused(
    rag_app: CommandLine, library: Path, tmp_path: Path, change: tuple[str, ...], said: str
) -> None:
    asked, folder = questions(tmp_path / "q.jsonl", 2), tmp_path / "run"
    command = ["eval", "answers", asked, "--library", library, "--run", folder]
    rag_app.json(*command)
    if change == ("other",):
        questions(asked, 3)
        change = ()
    result = rag_app(*command, "--resume", *change)
    assert result.returncode == 2 and said in result.stderr and "cannot be gone on with" in result.stderr


def test_other_weights_of_the_search_are_another_run(rag_app: CommandLine, library: Path, tmp_path: Path) -> None:
    command = ("eval", "retrieval", DEMO, "--library", library, "--run", tmp_path / "run")
    rag_app.json(*command)
    (library / "settings.toml").write_text("[search]\ndense = 2.0\n", encoding="utf-8")
    result = rag_app(*command, "--resume")
    assert result.returncode == 2 and "settings.search.dense was 1.0, now 2.0" in result.stderr


def test_a_killed_evaluation_goes_on(rag_app: CommandLine, library: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle: what was done is kept to the byte, the rest is asked, the figures are those of one go."""
    folder, asked = tmp_path / "run", questions(tmp_path / "q.jsonl", 30)
    command = ["eval", "answers", asked, "--library", library, "--run", folder]
    running = subprocess.Popen(
        [PROGRAM, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    lines, until = folder / "items.jsonl", time.monotonic() + 120
    while time.monotonic() < until and (not lines.exists() or lines.read_bytes().count(b"\n") < 3):
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    kept = lines.read_bytes()
    whole = kept[: kept.rfind(b"\n") + 1]
    assert 3 <= whole.count(b"\n") < 30
    shown = rag_app.json(*command, "--resume")
    assert lines.read_bytes().startswith(whole)
    assert len(items(folder)) == shown["total"] == 30
    rag_app.json("eval", "answers", asked, "--library", library, "--run", tmp_path / "whole")
    assert without_seconds(items(folder)) == without_seconds(items(tmp_path / "whole"))


def test_what_failed_is_asked_again(rag_app: CommandLine, library: Path, tmp_path: Path, server: OllamaServer) -> None:
    (library / "settings.toml").write_text("[ollama]\nretries = 0\n", encoding="utf-8")
    asked, folder = questions(tmp_path / "q.jsonl", 3), tmp_path / "run"
    command = ("eval", "answers", asked, "--library", library, "--run", folder, "--answer", "ollama:tinytext")
    server.fail(Fault.RUNNER_KILLED, times=1)
    broken = rag_app.json(*command)
    assert broken["total"] == 3 and broken["failed"] >= 1
    failed = {one["id"] for one in broken["questions"] if one["error"]}
    mended = rag_app.json(*command, "--resume")
    assert mended["failed"] == 0
    assert {line["id"] for line in items(folder)[3:]} == failed


# --- judges ---------------------------------------------------------------------------------------------------------


def test_judged_end_to_end(rag_app: CommandLine, library: Path, tmp_path: Path, server: OllamaServer) -> None:
    asked, folder, page = questions(tmp_path / "q.jsonl", 3), tmp_path / "run", tmp_path / "report.html"
    command = ["eval", "answers", asked, "--library", library, "--judge", "ollama:judge", "--run", folder]
    shown = rag_app.json(*command, "--judge-metrics", "faithfulness,context_recall", "--html", page)
    faithful = shown["summary"]["groups"][0]["scores"]["ragas_faithfulness"]
    assert faithful["scored"] + faithful["unscored"] + faithful["failed"] + faithful["inapplicable"] == 3
    assert faithful["scored"] >= 2
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["judge"]["model"] == "ollama:judge"
    assert "ragas_faithfulness" in page.read_text(encoding="utf-8")
    cost = json.loads((folder / "judge.json").read_text(encoding="utf-8"))
    assert cost["requests"] > 0
    asked_before = len(server.writing())
    again = rag_app.json(*command, "--judge-metrics", "faithfulness,context_recall", "--resume")
    assert len(server.writing()) == asked_before, "the cache answers what was judged before"
    assert again["summary"]["groups"] == shown["summary"]["groups"]
    lines = items(folder)
    assert len(lines) == 6, "an item is written when it is answered and when it is judged, not once more"
    assert all(line["seconds"]["judge"] > 0 for line in lines[3:])


def test_a_judge_may_come_to_answers_that_are_there(
    rag_app: CommandLine, library: Path, tmp_path: Path, server: OllamaServer
) -> None:
    asked, folder = questions(tmp_path / "q.jsonl", 2), tmp_path / "run"
    command = ("eval", "answers", asked, "--library", library, "--run", folder)
    rag_app.json(*command)
    shown = rag_app.json(*command, "--resume", "--judge", "ollama:judge", "--judge-metrics", "faithfulness")
    assert "ragas_faithfulness" in shown["scores"]
    gone = rag_app(*command, "--resume")
    assert gone.returncode == 2 and "judge.model was ollama:judge, now not set" in gone.stderr


def test_a_judge_that_is_not_there_is_told_before_any_question(
    rag_app: CommandLine, library: Path, tmp_path: Path, server: OllamaServer
) -> None:
    folder = tmp_path / "run"
    result = rag_app("eval", "answers", DEMO, "--library", library, "--run", folder, "--judge", "ollama:jugde")
    assert result.returncode == 2 and "judge" in result.stderr and not folder.exists()
    result = rag_app("eval", "answers", DEMO, "--library", library, "--run", folder, "--judge-metrics", "faithfulness")
    assert result.returncode == 2 and "add --judge" in result.stderr


# --- gates and comparisons ------------------------------------------------------------------------------------------


def test_the_gate_fails_when_recall_drops(rag_app: CommandLine, library: Path, tmp_path: Path) -> None:
    """The weight of likeness in meaning set far too high: recall@1 drops, and both gates say so."""
    command = ("eval", "retrieval", SAMPLE, "-k", "1", "--library", library)
    good, broken = tmp_path / "good", tmp_path / "broken"
    passed = rag_app.json(*command, "--run", good, "--fail-under", "recall@1=0.85")
    assert passed["gate"] == {"passed": True, "reasons": []}
    same = rag_app.json(*command, "--run", tmp_path / "same", "--no-worse-than", good)
    assert same["gate"]["passed"]
    (library / "settings.toml").write_text("[search]\ndense = 50.0\n", encoding="utf-8")
    gates = ("--fail-under", "recall@1=0.85", "--no-worse-than", good)
    failed = rag_app.json(*command, "--run", broken, *gates, code=1)
    assert not failed["gate"]["passed"]
    under, *worse = failed["gate"]["reasons"]
    assert under.startswith("recall@1 is 0.7") and "under 0.85" in under
    assert any(reason.startswith("recall@1 fell from 0.8") for reason in worse)
    compared = rag_app.json("eval", "compare", good, broken)
    recall = next(one for one in compared["differences"] if one["metric"] == "recall@1")
    assert recall["fell"] > recall["rose"] and recall["adjusted"] < 0.05
    assert compared["changed"] == ["settings.search.dense was 1.0, now 50.0"]
    hit = next(one for one in compared["differences"] if one["metric"] == "hit@1")
    assert hit["test"] == "McNemar" and len(hit["flipped"]) == hit["fell"] + hit["rose"]


def test_a_wrong_gate_is_told_before_any_question(rag_app: CommandLine, library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = ("eval", "retrieval", DEMO, "--library", library, "--run", folder)
    for words, said in (
        (("--fail-under", "recall"), "METRIC=NUMBER"),
        (("--no-worse-than", tmp_path), "is no evaluation"),
    ):
        result = rag_app(*command, *words)
        assert result.returncode != 0 and said in result.stderr and not folder.exists()
    result = rag_app(*command, "--fail-under", "recal@10=0.5")
    assert result.returncode == 2 and "did you mean 'recall@10'" in result.stderr
    assert len(Run.open(folder).rows()) == 4  # what was measured is kept


def test_ablation_is_kept_with_the_run(rag_app: CommandLine, library: Path, tmp_path: Path) -> None:
    shown = rag_app.json("eval", "retrieval", DEMO, "--library", library, "--run", tmp_path / "run", "--ablation")
    assert {"all", "without lexical", "dense alone"} <= set(shown["ablation"]["settings"])
    assert Run.open(tmp_path / "run").kept("ablation") == shown["ablation"]


NO_SOCKETS = """
import socket, sys
def refuse(event, values):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise RuntimeError(f"a socket was used: {event} {values[1:]}")
sys.addaudithook(refuse)
from rag_app.cli.main import main
main()
"""


@pytest.mark.real_papers
def test_the_whole_evaluation_is_offline_fast_and_equal_to_the_digit(
    rag_app: CommandLine, real_papers: Path, tmp_path: Path
) -> None:
    """All papers and questions, with the builtin models and no socket: under 3 minutes a run, twice the same."""
    library = tmp_path / "library"
    assert rag_app("ingest", real_papers / "papers", "--library", library).returncode in (0, 1)
    sets = sorted((real_papers / "qa").glob("*.jsonl"))
    for name in ("one", "two"):
        started = time.monotonic()
        for kind in ("answers", "retrieval"):
            words = [
                "eval",
                kind,
                *map(str, sets),
                "--library",
                str(library),
                "--run",
                str(tmp_path / f"{name}-{kind}"),
            ]
            done = subprocess.run(
                [sys.executable, "-c", NO_SOCKETS, *words], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        assert time.monotonic() - started < 180
    for kind in ("answers", "retrieval"):
        one, two = (items(tmp_path / f"{name}-{kind}") for name in ("one", "two"))
        assert len(one) > 40 and without_seconds(one) == without_seconds(two)
