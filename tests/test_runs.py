"""Run folders: what they keep, how they are gone on with, and what a kill leaves."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eval.runs import Manifest, Row, Run, summarise
from eval.runs.manifest import digest_of_files, digest_of_texts
from rag_app.errors import InputError, UsageError

MANIFEST = Manifest("answers", 3, settings={"k": 8}, models={"answer": "builtin"}, digests={"questions": "ab"})


def row(id: str, right: float | None = 1.0, **other: object) -> Row:
    scores = {} if right is None else {"right": right}
    return dataclasses.replace(Row(id, {"language": "en", "kind": "text"}, scores), **other)  # type: ignore[arg-type]  # fields by name


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [row("1"), row("۲", 0.0, record={"question": {"question": "چرا؟"}}), row("3", None, error="gone")]
    with Run.create(tmp_path / "run", MANIFEST) as run:
        for one in rows:
            run.append(one)
        summary = run.finish()
    read = Run.open(tmp_path / "run")
    assert read.manifest == MANIFEST
    assert list(read.rows()) == rows
    assert read.done() == {"1", "۲"}
    assert json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8")) == summary.to_dict()
    assert summary.to_dict() == read.summary().to_dict()


def test_the_last_line_of_an_id_counts_and_keeps_its_place(tmp_path: Path) -> None:
    with Run.create(tmp_path, MANIFEST) as run:
        run.append(row("1", None, error="the model is gone"))
        run.append(row("2"))
        run.append(row("1", 0.0))
    assert [(one.id, one.scores) for one in Run.open(tmp_path).rows()] == [("1", {"right": 0.0}), ("2", {"right": 1.0})]


def test_a_torn_last_line_is_cut_and_the_run_goes_on(tmp_path: Path) -> None:
    with Run.create(tmp_path, MANIFEST) as run:
        run.append(row("1"))
    whole = (tmp_path / "items.jsonl").read_bytes()
    with (tmp_path / "items.jsonl").open("ab") as file:
        file.write(whole[: len(whole) // 2])
    assert [one.id for one in Run.open(tmp_path).rows()] == ["1"]
    with Run.resume(tmp_path, MANIFEST) as run:
        assert run.done() == {"1"}
        run.append(row("2"))
    assert [one.id for one in Run.open(tmp_path).rows()] == ["1", "2"]


def test_a_broken_line_elsewhere_is_named(tmp_path: Path) -> None:
    with Run.create(tmp_path, MANIFEST) as run:
        run.append(row("1"))
    (tmp_path / "items.jsonl").write_text('{"id": 1, "nonsense": 2}\n{"id": "2"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="line 1: not an item of a run"):
        Run.open(tmp_path)


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no evaluation run.*rag-app eval runs"):
        Run.open(tmp_path)
    (tmp_path / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as the manifest"):
        Run.open(tmp_path)


def test_items_without_their_manifest_are_no_beginning(tmp_path: Path) -> None:
    with Run.create(tmp_path, MANIFEST) as run:
        run.append(row("1"))
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(UsageError, match=r"without its manifest.json: name another --run"):
        Run.create(tmp_path, MANIFEST)


def test_a_second_run_in_a_folder_is_refused(tmp_path: Path) -> None:
    Run.create(tmp_path, MANIFEST).close()
    with pytest.raises(UsageError, match="--resume"):
        Run.create(tmp_path, MANIFEST)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": {"k": 10}}, "settings.k was 8, now 10"),
        ({"models": {"answer": "ollama:gemma3:4b"}}, "models.answer was builtin, now ollama:gemma3:4b"),
        ({"digests": {"questions": "cd"}}, "digests.questions was ab, now cd"),
        ({"kind": "quiz"}, "kind was answers, now quiz"),
        ({"seeds": {"bootstrap": 1}}, "seeds.bootstrap was"),
        ({"versions": {}}, "versions.rag-app was .*, now not set"),
    ],
)
def test_what_decides_the_figures_may_not_change(tmp_path: Path, change: dict[str, object], said: str) -> None:
    Run.create(tmp_path, MANIFEST).close()
    with pytest.raises(UsageError, match=said):
        Run.resume(tmp_path, dataclasses.replace(MANIFEST, **change))  # type: ignore[arg-type]  # fields by name


def test_when_and_by_which_words_it_was_started_decides_nothing(tmp_path: Path) -> None:
    Run.create(tmp_path, MANIFEST).close()
    later = dataclasses.replace(MANIFEST, command="rag-app eval answers --resume", started="2030-01-01T00:00:00+00:00")
    Run.resume(tmp_path, later).close()
    assert Run.open(tmp_path).manifest.started == MANIFEST.started


def test_a_judge_may_come_later_but_not_go_or_change(tmp_path: Path) -> None:
    judged = dataclasses.replace(MANIFEST, judge={"model": "ollama:a", "metrics": ["faithfulness"]})
    Run.create(tmp_path, MANIFEST).close()
    Run.resume(tmp_path, judged).close()
    assert Run.open(tmp_path).manifest.judge == judged.judge
    with pytest.raises(UsageError, match=r"judge.model was ollama:a, now not set"):
        Run.resume(tmp_path, MANIFEST)
    with pytest.raises(UsageError, match=r"judge.model was ollama:a, now ollama:b"):
        Run.resume(tmp_path, dataclasses.replace(judged, judge={"model": "ollama:b", "metrics": ["faithfulness"]}))


def test_one_process_writes_a_run(tmp_path: Path) -> None:
    with Run.create(tmp_path, MANIFEST):
        with pytest.raises(UsageError, match="being written by another process"):
            Run.resume(tmp_path, MANIFEST)
        assert Run.open(tmp_path).rows() == ()
    Run.resume(tmp_path, MANIFEST).close()


def test_a_run_that_was_opened_to_be_read_takes_nothing(tmp_path: Path) -> None:
    Run.create(tmp_path, MANIFEST).close()
    with pytest.raises(ValueError, match="opened to be read"):
        Run.open(tmp_path).append(row("1"))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cannot be written.*--run"):
        Run.create(tmp_path / "file" / "run", MANIFEST)


WRITER = """
import sys
from pathlib import Path
from eval.runs import Manifest, Row, Run
run = Run.create(Path(sys.argv[1]), Manifest("answers", 100000))
for number in range(100000):
    run.append(Row(str(number), {}, {"right": 1.0}, record={"text": "x" * 2000}))
    print(number, flush=True)
"""


def test_a_killed_run_keeps_what_it_had(tmp_path: Path) -> None:
    """Every item that was reported kept is there after SIGKILL, and the run can be gone on with at once."""
    folder = tmp_path / "run"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for line in writer.stdout:
        if line.strip() == "20":
            os.kill(writer.pid, signal.SIGKILL)
            break
    reported = [20, *(int(line) for line in writer.stdout.read().split())]
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    kept = {int(one.id) for one in Run.open(folder).rows()}
    assert kept >= set(range(max(reported) + 1))
    with Run.resume(folder, Manifest("answers", 100000)) as run:
        run.append(row("last"))
    assert Run.open(folder).rows()[-1].id == "last"


# --- summaries ------------------------------------------------------------------------------------------------------


def test_every_item_is_accounted_for_in_each_metric_and_group() -> None:
    rows = [
        Row("1", {"language": "en"}, {"right": 1.0, "rouge": 0.5}),
        Row("2", {"language": "fa"}, {"right": 0.0}, {"rouge": "no words"}),
        Row("3", {"language": "fa"}, {"refused": 1.0}),
        Row("4", {"language": "fa"}, error="the model is gone"),
    ]
    summary = summarise(rows, total=6)
    assert (summary.total, summary.missing, summary.all.failed) == (6, 2, 1)
    assert [group.name for group in summary.groups] == ["all", "language en", "language fa"]
    for group in summary.groups:
        for score in group.scores.values():
            assert score.scored + score.unscored + score.failed + score.inapplicable == group.total
    right, rouge = summary.all.scores["right"], summary.all.scores["rouge"]
    assert (right.mean.value, right.scored, right.failed, right.inapplicable) == (0.5, 2, 1, 1)
    assert (rouge.mean.value, rouge.scored, rouge.unscored, rouge.failed) == (0.5, 1, 1, 1)
    assert rouge.lower_bound == pytest.approx(0.5 / 3)
    assert "refused" not in summary.groups[1].scores


def test_a_metric_without_any_score_has_no_mean() -> None:
    (score,) = summarise([Row("1", unscored={"rouge": "no words"})]).all.scores.values()
    assert math.isnan(score.mean.value) and score.lower_bound == 0.0
    assert score.to_dict()["mean"] is None
    json.dumps(score.to_dict(), allow_nan=False)


def test_an_empty_run_has_a_summary() -> None:
    summary = summarise([], total=3)
    assert summary.missing == 3 and summary.all.scores == {}
    assert "3 not asked yet" in summary.table()


def test_seconds_by_stage() -> None:
    rows = [Row(str(i), seconds={"total": float(i)}) for i in range(1, 101)]
    timing = summarise(rows).seconds["total"]
    assert timing.p50 == 50.5 and timing.p95 == pytest.approx(95.05) and timing.total == 5050


def test_digests_tell_contents_and_their_borders(tmp_path: Path) -> None:
    assert digest_of_texts(["ab", "c"]) != digest_of_texts(["a", "bc"])
    (tmp_path / "a").write_text("x", encoding="utf-8")
    (tmp_path / "b").write_text("x", encoding="utf-8")
    assert digest_of_files([tmp_path / "a"]) == digest_of_files([tmp_path / "b"])
    assert digest_of_files([tmp_path / "a"]) != digest_of_files([tmp_path / "a", tmp_path / "b"])
