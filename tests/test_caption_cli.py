"""`rag-app caption` against the protocol server: what is asked on the wire, shown, kept, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.ollama.pictures import normalised
from rag_app.captioning import caption, read_captions
from rag_app.errors import ModelNotInstalled
from tests import caption_replies as replies
from tests.caption_models import picture
from tests.commands import CommandLine
from tests.ollama_server import Fault, Model, OllamaServer

PROGRAM = Path(sys.executable).with_name("rag-app")
VISION = {"completion", "vision"}


def good(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    persian = "فارسی" in body["messages"][-1]["content"]
    return replies.reply(replies.PERSIAN if persian else replies.ENGLISH)


def arabic_first(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    """Arabic when asked in Persian for the first time, Persian when asked again."""
    persian = "فارسی" in body["messages"][-1]["content"]
    return replies.reply(replies.ARABIC) if persian and body["options"]["seed"] == 0 else good(body, images)


def always(pair: tuple[str, str]) -> Any:  # Any: a Script
    return lambda body, images: replies.reply(pair)


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaServer]:
    models = [
        Model("goodvlm:7b", VISION, replies=good),
        Model("arabicvlm:4b", VISION, replies=arabic_first),
        Model("loopvlm:2b", VISION, replies=always(replies.LOOP)),
        Model("refusevlm:2b", VISION, replies=always(replies.REFUSAL)),
        Model("leftvlm:2b", VISION, replies=always(replies.LEFTOVERS)),
        Model("slowvlm:70b", VISION, replies=good, latency_s=0.4),
        Model("textonly:8b", {"completion"}),
    ]
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with OllamaServer(models=models) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


@pytest.fixture
def rag_app(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_APP_LIBRARY", str(tmp_path / "library"))
    return CommandLine(capfd)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, colour in (("a.png", "red"), ("b.jpg", "blue"), ("c.webp", "green")):
        picture(tmp_path / "photos" / name, colour, size=(64, 48))
    return tmp_path / "photos"


def test_captions_by_two_models_in_two_languages(rag_app: CommandLine, ollama: OllamaServer, photos: Path) -> None:
    words = ["caption", "photos", "--vision", "goodvlm:7b", "--vision", "arabicvlm:4b", "--html", "gallery.html"]
    report = rag_app.json(*words)
    assert [(m["model"], m["done"], m["failed"]) for m in report["models"]] == [
        ("ollama:goodvlm:7b", 6, {}),
        ("ollama:arabicvlm:4b", 6, {}),
    ]
    rows = read_captions(Path("captions.jsonl"))
    assert len(rows) == 12
    assert {r.attempts for r in rows if r.model == "ollama:arabicvlm:4b"} == {1, 2}
    assert all(r.detailed == replies.PERSIAN[1] for r in rows if r.language == "fa")
    assert all((r.tokens.reply or 0) > 0 and r.seconds > 0 for r in rows)
    page = Path("gallery.html").read_text(encoding="utf-8")
    assert report["html_bytes"] == len(page.encode()) and page.count('dir="rtl"') == 6

    asked = ollama.writing()
    assert [r.model for r in asked] == ["goodvlm:7b"] * 6 + ["arabicvlm:4b"] * 9  # one model after the other
    assert [load.model for load in ollama.loads] == ["goodvlm:7b", "arabicvlm:4b"]  # and each loaded once
    sent = {normalised(path.read_bytes()) for path in photos.iterdir()}
    for request in asked:
        assert len(request.images) == 1 and request.images[0] in sent
        assert request.body["format"]["required"] == ["short", "detailed"]
        assert request.options["num_ctx"] >= 8192 and request.options["num_predict"] == 2048
    again = [r for r in asked if r.options["seed"] > 0]
    assert len(again) == 3 and all(r.options["repeat_penalty"] > 1 and r.options["temperature"] > 0 for r in again)


def test_the_same_command_again_asks_nothing(rag_app: CommandLine, ollama: OllamaServer, photos: Path) -> None:
    words = ["caption", photos, "--vision", "goodvlm:7b", "--html", "g.html"]
    rag_app.json(*words)
    before = Path("captions.jsonl").read_bytes()
    ollama.clear()
    report = rag_app.json(*words)
    assert (report["models"][0]["unchanged"], report["models"][0]["done"]) == (6, 0)
    assert ollama.requests == [] and Path("captions.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "bad",
    [
        ("loopvlm:2b", "en", "repetition"),
        ("refusevlm:2b", "en", "refusal"),
        ("leftvlm:2b", "fa", "language"),
    ],
)
def test_what_is_no_caption_is_shown_as_failed(
    rag_app: CommandLine, ollama: OllamaServer, photos: Path, bad: tuple[str, str, str]
) -> None:
    name, language, reason = bad
    result = rag_app("caption", photos, "--vision", name, "--vision", "goodvlm:7b", "--languages", language)
    assert result.returncode == 1
    assert f"(3 {reason})" in result.stdout and "captions.jsonl" in result.stdout
    assert [row.model for row in read_captions(Path("captions.jsonl"))] == ["ollama:goodvlm:7b"] * 3
    failed = [row for row in read_captions(Path("captions.jsonl"), failed=True) if not row.ok]
    assert {(row.failed, row.short, row.attempts) for row in failed} == {(reason, "", 3)}


@pytest.mark.parametrize(
    "fault",
    [Fault.NO_DONE, Fault.CUT, Fault.RUNNER_KILLED, Fault.NOT_JSON, Fault.LENGTH, Fault.BUSY, Fault.ERROR_LINE],
)
def test_a_fault_of_the_server_leaves_no_wrong_caption(
    rag_app: CommandLine, ollama: OllamaServer, photos: Path, fault: Fault
) -> None:
    """It lasts for one picture and language: that is a row with its error or is recovered; the others are there."""
    library = Path("library")
    library.mkdir()
    (library / "settings.toml").write_text("[ollama]\nretries = 1\nfirst_word_s = 5\nstall_s = 2\n")
    first = normalised((photos / "a.png").read_bytes())
    ollama.fail(fault, times=6, where=lambda request: request.images == [first])
    rag_app("caption", photos, "--vision", "goodvlm:7b", "--languages", "en")
    rows = read_captions(Path("captions.jsonl"), failed=True)
    assert len(rows) == 3
    assert all((row.short, row.detailed) == replies.ENGLISH for row in rows if row.ok)
    assert all((row.short, row.detailed) == ("", "") and row.error for row in rows if not row.ok)
    assert sum(row.ok for row in rows) >= 2
    ollama.clear()
    assert rag_app.json("caption", photos, "--vision", "goodvlm:7b", "--languages", "en")["models"][0]["failed"] == {}
    assert len(read_captions(Path("captions.jsonl"))) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vision", "godvlm:7b"], "did you mean goodvlm:7b"),
        (["--vision", "goodvlm:7b", "--vision", "textonly:8b"], "textonly:8b reads no pictures"),
        (["--vision", "builtin"], "ollama"),
        ([], "--vision"),
        (["--vision", "goodvlm:7b", "--languages", "en,de"], "'de'"),
        (["--vision", "goodvlm:7b", "--languages", "fa", "--translate"], "en,fa"),
    ],
)
def test_wrong_use_is_told_before_any_work(
    rag_app: CommandLine, ollama: OllamaServer, photos: Path, words: list[str], said: str
) -> None:
    result = rag_app("caption", photos, *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr and result.stderr.count("Error:") == 1 and "Traceback" not in result.stderr
    assert ollama.writing() == [] and not Path("captions.jsonl").exists()


def test_no_server(rag_app: CommandLine, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    result = rag_app("caption", photos, "--vision", "goodvlm:7b")
    assert result.returncode == 1 and "ollama serve" in result.stderr


def test_translation(rag_app: CommandLine, ollama: OllamaServer, photos: Path) -> None:
    rag_app.json("caption", photos / "a.png", "--vision", "goodvlm:7b", "--translate")
    english, persian = ollama.writing()
    assert len(english.images) == 1 and persian.images == [] and replies.ENGLISH[1] in persian.prompt
    assert [row.translated_from for row in read_captions(Path("captions.jsonl"))] == [None, "en"]


def test_models_by_name_from_python(ollama: OllamaServer, photos: Path, tmp_path: Path) -> None:
    report = caption([photos], ["goodvlm:7b", "ollama:GoodVLM:7b"], ["fa"], out=tmp_path / "c.jsonl")
    assert [(model.model, model.done) for model in report.models] == [("ollama:goodvlm:7b", 3)]
    with pytest.raises(ModelNotInstalled, match="did you mean goodvlm:7b"):
        caption([photos], ["godvlm:7b"], out=tmp_path / "c.jsonl")


def test_a_folder_without_pictures(rag_app: CommandLine, ollama: OllamaServer, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = rag_app("caption", "empty", "--vision", "goodvlm:7b", "--html", "g.html")
    assert result.returncode == 0 and "No picture was found there." in result.stdout


def started(ollama: OllamaServer, photos: Path) -> subprocess.Popen[str]:
    """A run in a process of its own that has written a row or two."""
    process = subprocess.Popen(
        [PROGRAM, "caption", photos, "--vision", "slowvlm:70b"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OLLAMA_HOST": ollama.url},
    )
    until = time.monotonic() + 60
    while len(ollama.writing()) < 3:
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.slow
def test_interrupted_it_says_how_to_go_on_and_goes_on(rag_app: CommandLine, ollama: OllamaServer, photos: Path) -> None:
    process = started(ollama, photos)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "captions.jsonl" in said and "go on" in said and "Traceback" not in said
    assert 1 <= len(read_captions(Path("captions.jsonl"))) <= 3
    finished(rag_app, ollama)


@pytest.mark.slow
def test_killed_it_goes_on_with_at_most_one_repeated(rag_app: CommandLine, ollama: OllamaServer, photos: Path) -> None:
    process = started(ollama, photos)
    process.kill()
    process.communicate()
    done = len(read_captions(Path("captions.jsonl")))
    assert done >= 1
    finished(rag_app, ollama)


def finished(rag_app: CommandLine, ollama: OllamaServer) -> None:
    """Going on: everything has its row once, and no more than the one request in flight was repeated."""
    done = len(read_captions(Path("captions.jsonl")))
    report = rag_app.json("caption", "photos", "--vision", "slowvlm:70b")["models"][0]
    assert (report["unchanged"], report["done"]) == (done, 6 - done)
    lines = [json.loads(line) for line in Path("captions.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 6 == len({(line["image"], line["language"]) for line in lines})
    assert len(ollama.writing()) <= 7
