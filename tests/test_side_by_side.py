"""The benchmarks beside other programs: processes are timed whole, ratios point the right way, nothing is hidden."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.peers.contract import folder_bytes
from benchmarks.peers.growth import Growth
from benchmarks.peers.side_by_side import Bench, ranking
from benchmarks.peers.table import REASONS, Table, markdown
from benchmarks.processes import Failed, run
from eval.questions import Question

ROOT = Path(__file__).parent.parent


class TestProcesses:
    def test_children_count_in_seconds_and_memory(self) -> None:
        child = (
            "b = bytearray(200 << 20); import time; t = time.process_time()\nwhile time.process_time() < t + 0.5: pass"
        )
        done = run([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"])
        assert done.cpu_s > 0.5
        assert done.worker_mib > 200 > done.parent_mib
        assert done.all_mib > done.worker_mib

    def test_what_it_said_is_kept(self) -> None:
        assert run([sys.executable, "-c", "print('a'); import sys; print('b', file=sys.stderr)"]).said == "a\n"

    def test_a_failure_is_told_with_its_last_line(self) -> None:
        with pytest.raises(Failed, match="ValueError: no such paper"):
            run([sys.executable, "-c", "raise ValueError('no such paper')"])

    def test_one_that_takes_too_long_is_stopped_with_its_children(self, tmp_path: Path) -> None:
        child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
        with pytest.raises(Failed, match="stopped after 3 s"):
            run(
                [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"],
                timeout_s=3,
            )
        pid = int((tmp_path / "pid").read_text())
        over = time.monotonic() + 20
        while _runs(pid) and time.monotonic() < over:
            time.sleep(0.05)
        assert not _runs(pid)


class TestRanking:
    def test_a_page_of_another_paper_is_no_hit(self) -> None:
        asked = [_question("a", "x.pdf", 2, "en"), _question("b", "x.pdf", 3, "fa")]
        hits = [[("y.pdf", [2]), ("x.pdf", [1, 2])], [("x.pdf", [3])]]
        quality = ranking(asked, hits)["quality"]
        assert quality["all"] == {"questions": 2, "hit@1": 0.5, "hit@5": 1.0, "mrr@10": 0.75}
        assert quality["en"]["mrr@10"] == 0.5
        assert quality["fa"]["hit@1"] == 1.0


class TestTable:
    def test_a_ratio_above_one_is_ours_whichever_way_is_better(self) -> None:
        table = Table(["rag_app", "bm25s", "paperqa"])
        table.row("speed", "pages_per_s", {"rag_app": 3.0, "bm25s": 2.0, "paperqa": 6.0}, more_is_better=True)
        table.row("time", "search_ms", {"rag_app": 3.0, "bm25s": 2.0, "paperqa": None})
        assert table.lines[2:] == ["| speed | 3 | 2 (1.5) | 6 (0.5) |", "| time | 3 | 2 (0.667) | none |"]
        assert table.behind == {("pages_per_s", "paperqa"): ["speed"], ("search_ms", "bm25s"): ["time"]}

    def test_where_a_peer_is_ahead_the_page_says_why_or_that_it_is_not_known(self) -> None:
        peers = {
            "rag_app": {"build_s": 9.0, "own_passage": 0.5},
            "bm25s": {"build_s": 1.0, "own_passage": 1.0},
            "paperqa": {"failed": "stopped after 600 s at 10 documents"},
        }
        machine = {"cpu": "one", "cores": 2, "memory_gib": 24, "python": "3.11", "load": 0.1}
        page = markdown(
            {"machine": machine, "runs": 1, "load_at_the_end": 0.2, "growth": [{"documents": 10, "peers": peers}]}
        )
        assert f"(building, s, 10 documents): {REASONS['build_s']['']}" in page
        assert "(questions whose own passage is among ten, 10 documents): why is not known yet." in page
        assert "- paper-qa, pypdf, MiniLM, 10: stopped after 600 s at 10 documents" in page


class TestOurs:
    def test_what_is_given_is_found_again(self, tmp_path: Path) -> None:
        corpus = Growth(ROOT / "data" / "papers").write(tmp_path / "corpus", documents=12, questions=5)
        texts = [json.loads(line)["text"] for line in (corpus / "passages.jsonl").read_text("utf-8").splitlines()]
        asked = json.loads((corpus / "questions.json").read_text("utf-8"))
        assert len(texts) == 12
        assert all(any(one["question"] in " ".join(text.split()) for text in texts) for one in asked)

        bench = Bench({"rag_app": Path(sys.executable)}, None, runs=1, limit_s=120)
        bench.ask("rag_app", "build", tmp_path / "built", corpus)
        _, found = bench.ask("rag_app", "find", tmp_path / "built", corpus, 10)
        assert found["own_passage"] == 1.0
        assert found["versions"]["rag-app"]
        assert folder_bytes(tmp_path / "built") > (corpus / "vectors.npy").stat().st_size


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _question(name: str, document: str, page: int, language: str) -> Question:
    return Question(name, "What?", language, "text", document, ("that",), (page,))
