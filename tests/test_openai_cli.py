"""Models behind OpenAI's protocol where a user meets them: rag-app models, doctor, describe, ask, limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rag_app import Library
from rag_app.doctor import check_ollama, check_openai
from tests.commands import CommandLine
from tests.ollama_models import ollama
from tests.ollama_server import OllamaServer
from tests.openai_models import openai
from tests.openai_server import OpenAIServer

__all__ = ["ollama", "openai"]


@pytest.fixture
def rag_app(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("RAG_APP_LIBRARY", str(tmp_path / "library"))
    return CommandLine(capfd)


def write_settings(folder: Path, *servers: OpenAIServer | str, **models: str) -> None:
    folder.mkdir(exist_ok=True)
    urls = ", ".join(one if isinstance(one, str) else one.url for one in servers)
    named = "".join(f'{role} = "{name}"\n' for role, name in models.items())
    (folder / "settings.toml").write_text(f'[models]\n{named}[openai]\nhosts = "{urls}"\n', encoding="utf-8")


def test_models_lists_and_shows_what_the_servers_offer(
    rag_app: CommandLine, openai: OpenAIServer, tmp_path: Path
) -> None:
    write_settings(
        tmp_path / "library", openai, "127.0.0.1:2", answer="openai:lab/tiny-text", vision="openai:lab/tiny-text"
    )
    document = rag_app.json("models")
    assert [server["reachable"] for server in document["openai"]] == [True, False]
    assert "lab/tiny-VL" in {model["name"] for model in document["openai"][0]["models"]}
    roles = {role["role"]: role for role in document["roles"]}
    assert roles["answer"]["available"] and openai.url in roles["answer"]["note"]
    assert not roles["vision"]["available"] and "reads no pictures" in roles["vision"]["note"]
    text = rag_app("models").stdout
    assert f"OpenAI's protocol at {openai.url}/v1" in text and "No server answers at http://127.0.0.1:2/v1" in text
    assert rag_app.json("models", "show", "openai:lab/tiny-VL")["servers"][f"{openai.url}/v1"]["context_tokens"] == 8192
    assert "did you mean lab/tiny-VL" in rag_app("models", "show", "openai:lab/tiny-V").stderr
    assert "vllm serve lab/tiny-VL" in rag_app("models", "pull", "openai:lab/tiny-VL").stderr


def test_doctor_knows_the_servers(tmp_path: Path, openai: OpenAIServer) -> None:
    assert check_openai(tmp_path) == []
    write_settings(tmp_path, openai, "127.0.0.1:2", answer="openai:lab/other")
    assert [(check.state, check.name) for check in check_openai(tmp_path)] == [
        ("ok", "openai"),
        ("missing", "openai"),
        ("missing", "openai"),
    ]
    assert "models.answer: no server offers lab/other" in check_openai(tmp_path)[2].message
    write_settings(tmp_path, "", answer="openai:lab/other")
    (check,) = check_openai(tmp_path)
    assert check.state == "broken" and "openai.hosts is empty" in check.message


def test_doctor_knows_several_ollama_servers(tmp_path: Path, ollama: OllamaServer) -> None:
    (tmp_path / "settings.toml").write_text(
        f'[models]\nanswer = "tinytext"\n[ollama]\nhost = "{ollama.url}, 127.0.0.1:1"\n', encoding="utf-8"
    )
    first, second = check_ollama(tmp_path)
    assert (first.state, second.state) == ("ok", "missing")
    assert ollama.url in first.message and "http://127.0.0.1:1" in second.message


def test_figures_are_described_and_questions_answered(
    sample_library: Path, copy_of: Callable[[Path], Path], openai: OpenAIServer
) -> None:
    """As many at the same time as the servers are given: 2 servers, 4 each."""
    for model in openai.models:
        model.latency_s = 0.1
    folder = copy_of(sample_library)
    with OpenAIServer() as other:
        for model in other.models:
            model.latency_s = 0.1
        write_settings(folder, openai, other, vision="openai:lab/tiny-VL", answer="openai:lab/tiny-text")
        with Library.open(folder) as library:
            report = library.describe(kinds=["figure", "table"])
            library.ask("Which data was used?")
        assert report.done + report.failed == report.total > 2 and report.models == ("openai:lab/tiny-VL",)
        assert openai.peak > 1 and other.peak > 1
        asked = [request for server in (openai, other) for request in server.writing()]
        assert all(request.images for request in asked if request.model == "lab/tiny-VL")
        assert any(request.model == "lab/tiny-text" for request in asked)
