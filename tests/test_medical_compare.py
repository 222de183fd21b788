"""`medical compare` and its page, and a judge on the answers in words."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eval.judging import Judgement
from eval.medical.comparing import compared
from eval.medical.judging import DEFAULT_METRICS, answer_metrics, with_judgements
from eval.medical.measuring import mean
from eval.runs import Row, Run
from rag_app.medical import DISCLAIMER
from tests.commands import CommandLine
from tests.judging.models import judge, reply
from tests.medical_runs import dataset, poor, wise
from tests.ollama_server import Model, OllamaServer
from tests.xrays import LABELS

CAPTIONS = {
    label: {"en": f"A drawing of the chest. It shows {label}.", "fa": f"نقاشی قفسهٔ سینه. یافته: {label}."}
    for label in LABELS
}
SULKY = "effusion"  # what the judge has no word on


def sulking(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    """Judges by the letter; where the answer or the gold answer speaks of an effusion, its reply is of no form."""
    if SULKY in body["messages"][-1]["content"].rpartition("input: ")[2]:
        return "Hm."
    return json.dumps(reply(body, images))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaServer]:
    seeing = {"completion", "vision"}
    models = [Model("poor", capabilities=seeing, replies=poor), Model("wise", capabilities=seeing, replies=wise)]
    with OllamaServer([*models, Model("judge", capabilities={"completion"}, replies=sulking)]) as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capfd)


def test_a_judge_scores_captions_and_what_it_does_not_score_is_counted(
    server: OllamaServer, tmp_path: Path, run: CommandLine
) -> None:
    pytest.importorskip("ragas")
    data = dataset(tmp_path / "data", {"train": 4, "test": 14}, captions=CAPTIONS)
    out = tmp_path / "out"
    words = ("medical", "evaluate", data.folder, "--model", "poor", "--model", "wise", "--out", out, "--no-baselines")
    plain = run.json(*words, "--answers", "caption", "--answers", "diagnosis")
    assert all(one["judge"] is None for one in plain["examined"])
    judged = ("--judge", "judge", "--judge-metrics", "factual_correctness")
    asked = len(server.requests)
    document = run.json(*words, "--answers", "caption", "--answers", "diagnosis", *judged, "--resume")
    assert not any(request.images for request in server.requests[asked:]), "no image is asked about again"
    before, after = document["examined"]
    labels = [example.label for example in data.of("test")]
    told = after["answers"]["caption_ragas_factual_correctness"]
    assert told["mean"] == 1 and told["n"] == 14 - labels.count(SULKY)
    assert told["n"] + told["unscored"] == 14 and told["why"]
    told = before["answers"]["caption_ragas_factual_correctness"]
    scored = [label for label in labels if label != SULKY]
    expected = sum(1.0 if label == LABELS[-1] else 0.5 for label in scored) / len(scored)
    assert told["mean"] == pytest.approx(expected, abs=0.005), "one of two claims is right: F1 = 0.5"
    assert not any("diagnosis_ragas" in name for name in after["answers"]), "a label needs no judge"
    assert after["judge"]["model"] == "ollama:judge" and after["judge"]["digest"] and after["judge"]["ragas"]
    assert after["judge"]["took"]["questions"] > 0 < after["judge"]["took"]["failed"]
    manifest = json.loads((out / "ollama-wise" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["judge"]["model"] == "ollama:judge" and manifest["judge"]["digest"] == after["judge"]["digest"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "caption ragas factual correctness" in page and "not scored, and in no mean" in page
    assert "are what <bdi>ollama:judge</bdi>" in page and "factual correctness 1.00" in page
    shown = run(*words, "--answers", "caption", "--answers", "diagnosis", *judged, "--resume")
    assert "Judge ollama:judge: " in shown.stdout and f"{labels.count(SULKY)} not scored: " in shown.stdout

    compared = run.json("medical", "compare", out / "ollama-poor", out / "ollama-wise")
    assert compared["answers"]["caption_ragas_factual_correctness"]["gain"]["value"] == pytest.approx(
        1 - expected, abs=0.005
    )

    server.models[-1].replies = judge
    asked = len(server.requests)
    again = run.json(*words, "--answers", "caption", "--answers", "diagnosis", *judged, "--resume")["examined"]
    told = again[1]["answers"]["caption_ragas_factual_correctness"]
    assert (told["mean"], told["n"], told["unscored"]) == (1, 14, 0), "what could not be judged is tried again"
    prompts = [request.prompt for request in server.requests[asked:] if request.model == "judge" and request.prompt]
    assert prompts and all(SULKY in prompt for prompt in prompts), "the rest comes from the cache"
    assert again[1]["answers"]["caption_rouge_l"] == after["answers"]["caption_rouge_l"]


def test_a_judge_that_has_nothing_to_judge_is_refused(server: OllamaServer, tmp_path: Path, run: CommandLine) -> None:
    pytest.importorskip("ragas")
    data = dataset(tmp_path / "data", {"train": 4, "test": 4}, captions=CAPTIONS)
    words = ("medical", "evaluate", data.folder, "--model", "wise", "--out", tmp_path / "out")
    for more, sentence in (
        (("--judge", "judge", "--answers", "diagnosis"), "add --answers caption"),
        (("--judge-metrics", "factual_correctness"), "needs a judge"),
        (("--judge", "judge", "--answers", "caption", "--judge-metrics", "faithfulness"), "judges by passages"),
    ):
        refused = run(*words, *more)
        assert refused.returncode == 2 and sentence in refused.stderr
    assert not server.requests or all(not request.images for request in server.requests)


def test_what_is_judged_by_default_is_nearness_to_the_datasets_answer() -> None:
    assert DEFAULT_METRICS == ("factual_correctness", "answer_correctness")
    assert answer_metrics(["response_relevancy"]) == ("response_relevancy",)


def test_an_answer_without_a_judgement_leaves_its_kind_without_a_score() -> None:
    answers = [{"kind": kind, "question": "q", "expected": "e", "said": "s"} for kind in ("caption", "caption", "free")]
    row = Row("one", scores={"caption_rouge_l": 0.5}, record={"answers": answers})
    judged = {
        0: Judgement("a", {"ragas_x": 1.0}),
        1: Judgement("b", {}, {"ragas_x": "No."}),
        2: Judgement("c", {"ragas_x": 0.25}),
    }
    new = with_judgements(row, judged)
    assert new.scores == {"caption_rouge_l": 0.5, "free_ragas_x": 0.25} and new.unscored == {"caption_ragas_x": "No."}
    assert new.record["answers"][0]["judged"] == {"ragas_x": 1.0}
    again = with_judgements(new, {**judged, 1: Judgement("b", {"ragas_x": 0.0})})
    assert again.scores["caption_ragas_x"] == 0.5 and not again.unscored
    assert with_judgements(again, {**judged, 1: Judgement("b", {"ragas_x": 0.0})}) == again


def test_a_mean_over_patients_is_less_sure_than_one_over_images() -> None:
    scores = [1.0] * 4 + [0.0] * 4 + [1.0] * 4
    alone, together = mean(scores, list(range(12))), mean(scores, [i // 4 for i in range(12)])
    assert alone.value == together.value == pytest.approx(2 / 3)
    assert alone.low and together.low is not None and alone.high and together.high
    assert together.high - together.low > alone.high - alone.low


def test_the_page_of_two_models_shows_what_flipped(server: OllamaServer, tmp_path: Path, run: CommandLine) -> None:
    data = dataset(tmp_path / "data", {"train": 4, "test": 30}, spoilt=2, captions=CAPTIONS)
    out, page = tmp_path / "out", tmp_path / "page.html"
    run.json("medical", "evaluate", data.folder, "--model", "poor", "--model", "wise", "--out", out, "--no-baselines")
    pair = ("medical", "compare", out / "ollama-poor", out / "ollama-wise")
    document = run.json(*pair, "--html", page)
    found = compared(*(Run.open(folder) for folder in pair[2:]))
    flipped = found.against.flipped["diagnosis"]
    assert (flipped.rose, flipped.fell, found.failed) == (document["flipped"]["diagnosis"]["rose"], 0, (0, 2))
    assert document["page"] == str(page) and document["failed"] == {"before": 0, "after": 2}
    assert sum(one.images for one in found.subgroups) == found.against.images == 28
    assert sum(one.rose["diagnosis"] for one in found.subgroups) == flipped.rose
    before, after = found.measured["diagnosis"]
    assert after.overall["accuracy"].value == 1
    assert before.overall["accuracy"].value == pytest.approx(1 - flipped.rose / 28)

    html = page.read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<(?!/?bdi)[^>]*>|</?bdi>", " ", html).split())
    assert DISCLAIMER["en"] in text and DISCLAIMER["fa"] in text
    assert f"Now right: {flipped.rose} of 28" in text and "Now wrong: 0 of 28" in text
    pictures = html.count('alt="An image of')
    assert pictures == min(18, flipped.rose) + min(18, found.against.flipped["anomaly"].rose)
    assert html.count("data:image/webp") == pictures
    assert "has a higher balanced accuracy than ollama:poor" in text and "2 images without a result" in text
    assert "It is effusion . Before: cardiomegaly 70 %. After: effusion 91 %." in text
    assert html.count("<svg") == 6 and html.count('class="matrix"') == 4 and "scanner: B" in text
    assert "<script" not in html and 'src="http' not in html and 'href="http' not in html

    shutil.move(data.folder, tmp_path / "elsewhere")
    told = run(*pair, "--html", page)
    assert told.returncode == 0 and "say where it is: --data DIR" in told.stdout
    assert "data:image/webp" not in page.read_text(encoding="utf-8")
    told = run(*pair, "--html", page, "--data", tmp_path / "elsewhere")
    assert told.returncode == 0 and "--data" not in told.stdout
    assert page.read_text(encoding="utf-8").count("data:image/webp") == pictures

    other = dataset(tmp_path / "other", {"train": 4, "test": 5})
    for more, sentence in (
        (("--html", page, "--data", other.folder), "is not the dataset"),
        (("--data", other.folder), "add --html FILE"),
    ):
        refused = run(*pair, *more)
        assert refused.returncode != 0 and sentence in refused.stderr
