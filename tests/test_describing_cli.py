"""`rag-app describe`, `retry`, `ingest --describe` and `--reembed` as a user types them, and a server that fails."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import describe_faults
from rag_app.cli.main import run
from tests.described_library import make_library
from tests.ollama_server import Fault, Model, OllamaServer

SAMPLE = Path(__file__).parent.parent / "data" / "papers"
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaServer]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OLLAMA_HOST", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    models = [
        Model("tinyvlm", {"completion", "vision"}),
        Model("other", {"completion", "vision"}),
        Model("tinytext", {"completion"}),
        Model("tinyembed", {"embedding"}),
    ]
    with OllamaServer(models) as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "library"
    make_library(folder, papers=2, figures=3).close()
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(made, tmp_path / "library"))
    (folder / "settings.toml").write_text("[ollama]\nretries = 0\n", encoding="utf-8")
    return folder


@pytest.fixture
def say(library: Path, capfd: pytest.CaptureFixture[str]) -> Say:
    """Runs a command line on the library: exit code, stdout, stderr."""

    def call(*words: str | Path, where: Path = library) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run([*map(str, words), "--library", str(where)])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def read(said: tuple[int, str, str]) -> dict[str, Any]:  # Any: JSON
    return json.loads(said[1])


def test_describe_status_retry(say: Say, server: OllamaServer) -> None:
    server.fail(Fault.RUNNER_KILLED, times=2, where=lambda r: bool(r.images))
    code, out, err = say("describe", "--with", "tinyvlm")
    assert code == 1
    assert "4 of 6 described by ollama:tinyvlm" in out and "2 failed" in out
    assert "rag-app retry" in out and "rag-app describe --only unverified --with NAME" in out
    assert "Error" not in err
    code, out, _ = say("status")
    assert code == 0
    assert "Descriptions: 4" in out and "ollama:tinyvlm: 4 done" in out and "2 failed" in out
    assert out.count("failed     ") == 1  # one reason, two figures under it
    code, out, _ = say("retry")
    assert code == 0 and "2 of 2 described by ollama:tinyvlm" in out
    code, out, _ = say("retry")
    assert (code, out.strip()) == (0, "Nothing has failed.")
    code, out, _ = say("describe", "--with", "tinyvlm")
    assert code == 0 and "There is nothing left to describe.\n6 had been described before." in out


def test_json_is_one_document(say: Say, server: OllamaServer) -> None:
    document = read(say("describe", "--with", "tinyvlm", "--paper", "runs0.pdf", "--kind", "figure", "--json"))
    assert (document["total"], document["done"], document["models"]) == (3, 3, ["ollama:tinyvlm"])
    status = read(say("status", "--json"))["descriptions"]
    assert status["models"] == [
        {"model": "ollama:tinyvlm", "done": 3, "verified": 0, "failed": 0, "pending": 0},
    ]
    assert read(say("retry", "--json"))["total"] == 0


def test_the_model_of_the_settings(say: Say, library: Path, server: OllamaServer) -> None:
    code, _, err = say("describe")
    assert code == 2
    assert err.strip() == (
        "Error: No vision model is named, and the builtin models describe nothing. Name one: rag-app describe --with "
        f"qwen2.5vl:7b, or set models.vision in {library / 'settings.toml'}."
    )
    (library / "settings.toml").write_text('[models]\nvision = "other"\n', encoding="utf-8")
    assert read(say("describe", "--json"))["models"] == ["ollama:other"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["describe", "--with", "tinyvml"], 2, "did you mean tinyvlm"),
        (["describe", "--with", "tinytext"], 2, "picture"),
        (["describe", "--with", "tinyvlm", "--kind", "text"], 2, "figure"),
        (["describe", "--with", "tinyvlm", "--paper", "run0.pdf"], 2, "runs0.pdf"),
        (["describe", "--with", "tinyvlm", "--only", "bad"], 2, "unverified"),
        (["ingest"], 2, "Name files or folders to read"),
        (["ingest", "--background", str(SAMPLE)], 2, "add --describe NAME"),
        (["ingest", str(SAMPLE), "--describe", "tinyvml"], 2, "did you mean tinyvlm"),
    ],
)
def test_wrong_use_is_told_before_any_work(
    say: Say, server: OllamaServer, words: list[str], code: int, said: str
) -> None:
    found, out, err = say(*words)
    assert (found, out) == (code, "")
    assert said in err and "Traceback" not in err
    assert server.writing() == []
    assert len(read(say("status", "--json"))["documents"]) == 2


def test_a_server_that_is_down(say: Say, server: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    code, out, err = say("describe", "--with", "tinyvlm")
    assert (code, out) == (1, "") and "ollama serve" in err and len(err.strip().splitlines()) == 1


def test_a_server_that_goes_down_meanwhile(say: Say, server: OllamaServer) -> None:
    server.fail(Fault.CLOSED, times=math.inf, after=2, where=lambda r: bool(r.images))
    code, out, _ = say("describe", "--with", "tinyvlm")
    assert code == 1
    assert "2 of 6 described" in out and "4 left" in out and "the same command goes on with it" in out
    code, out, _ = say("status")
    assert "Nobody works on what is pending: rag-app describe --with ollama:tinyvlm" in out


def test_ingest_and_describe_in_one_call(say: Say, server: OllamaServer, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    said = say("ingest", SAMPLE / "clip_fa.pdf", "--describe", "tinyvlm", "--json", where=fresh)
    document = read(said)
    assert [d["document"] for d in document["documents"]] == ["clip_fa.pdf"]
    described = document["described"]
    assert described["done"] == described["total"] > 0
    prompts = [request.prompt for request in server.writing()]
    assert all("فارسی" in prompt for prompt in prompts)  # a Persian paper is described in Persian
    code, out, _ = say("ingest", SAMPLE / "clip_fa.pdf", "--describe", "tinyvlm", where=fresh)
    assert code == 0 and "unchanged" in out and "There is nothing left to describe." in out


def test_reembed(say: Say, library: Path, server: OllamaServer) -> None:
    (library / "settings.toml").write_text('[models]\ntext_embedding = "tinyembed"\n', encoding="utf-8")
    code, out, _ = say("status")
    assert code == 0 and "Run: rag-app ingest --reembed" in out
    code, out, _ = say("search", "loss of the model")
    assert code == 0 and "Figure" in out
    code, out, _ = say("ingest", "--reembed")
    assert code == 0 and "The library answers from text:ollama:tinyembed:64." in out
    document = read(say("ingest", "--reembed", "--json"))["reembedded"]
    assert (document["space"], document["embedded"]) == ("text:ollama:tinyembed:64", 0)
    code, out, _ = say("status")
    assert "--reembed" not in out and "Vectors text:ollama:tinyembed:64" in out


def test_help_has_examples(say: Say, capfd: pytest.CaptureFixture[str]) -> None:
    for command, example in (("describe", "--only unverified --with gemma3:12b"), ("retry", "rag-app retry --with")):
        assert run([command, "--help"]) == 0
        assert example in capfd.readouterr().out


@pytest.mark.slow
def test_over_a_server_that_fails_at_random(tmp_path: Path, server: OllamaServer) -> None:
    """The short form of benchmarks/describe_faults.py, with three times as many faults."""
    library = tmp_path / "library"
    make_library(library, papers=2, figures=12).close()
    _, goal = describe_faults.recorded(library, tmp_path)
    faulty = describe_faults.Faulty(latency_s=0.0, parallel=2, share=0.25, seed=3)
    print(describe_faults.accounted(library, tmp_path, faulty, goal))
