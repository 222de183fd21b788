"""`rag-app models` against the protocol server: what is listed, shown, fetched and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag_app.comparing import ModelAnswer
from rag_app.doctor import check_ollama
from rag_app.errors import PromptTooLong
from rag_app.render.comparison import comparison_text, counts
from rag_app.render.terminal import Screen
from tests import caption_replies as replies
from tests.caption_models import ScriptedModel, picture
from tests.commands import CommandLine
from tests.ollama_server import Fault, Model, OllamaServer

VISION = {"completion", "vision"}
NOWHERE = "127.0.0.1:1"


def english(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    return f"{replies.ENGLISH[1]} <b>bold</b>"


def persian(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    return replies.PERSIAN[1]


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[OllamaServer]:
    models = [
        Model("seevlm:7b", VISION, replies=english, context_length=128_000, parameters="8.3B", quantization="Q4_K_M"),
        Model("farsivlm:4b", VISION, replies=persian),
        Model("textonly:8b", {"completion", "tools"}),
        Model("bge-m3", {"embedding"}, embedding_length=1024),
    ]
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "OLLAMA_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with OllamaServer(models=models, pullable=[Model("gemma3:4b", VISION)]) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


@pytest.fixture
def rag_app(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_APP_LIBRARY", str(tmp_path / "library"))
    monkeypatch.setenv("COLUMNS", "120")
    picture(tmp_path / "photo.png", size=(64, 48))
    return CommandLine(capfd)


def settings(**models: str) -> None:
    """Give roles to models in the library's settings."""
    Path("library").mkdir(exist_ok=True)
    lines = [f'{role} = "{name}"' for role, name in models.items()]
    Path("library/settings.toml").write_text("\n".join(["[models]", *lines]), encoding="utf-8")


# --- list and show --------------------------------------------------------------------------------------------------


def test_list_shows_what_ollama_has(rag_app: CommandLine, ollama: OllamaServer) -> None:
    rag_app.json("models", "compare", "textonly:8b", "--prompt", "hello")  # loads it
    shown = rag_app.json("models")["ollama"]
    assert shown["reachable"] and shown["version"] == "0.33.0" and shown["address"] == ollama.url
    models = {model["name"]: model for model in shown["models"]}
    assert set(models) == {"bge-m3", "farsivlm:4b", "seevlm:7b", "textonly:8b"}
    assert models["seevlm:7b"]["capabilities"] == ["completion", "vision"]
    assert (models["seevlm:7b"]["context_length"], models["seevlm:7b"]["parameters"]) == (128_000, "8.3B")
    assert models["seevlm:7b"]["size_bytes"] > 0 and models["seevlm:7b"]["loaded"] is None
    assert models["textonly:8b"]["loaded"]["context_tokens"] == 8192

    text = rag_app("models", "list").stdout
    row = next(line for line in text.splitlines() if line.startswith("seevlm:7b"))
    assert "8.3B Q4_K_M" in row and "128,000" in row and "completion, vision" in row
    assert "yes, 8,192 tokens" in next(line for line in text.splitlines() if line.startswith("textonly:8b"))


def test_list_says_what_each_role_uses_and_whether_it_can(rag_app: CommandLine, ollama: OllamaServer) -> None:
    settings(answer="textonly:8b", vision="ollama:textonly:8b", text_embedding="ollama:bge-m4")
    roles = {role["role"]: role for role in rag_app.json("models")["roles"]}
    assert (roles["answer"]["available"], roles["answer"]["note"]) == (True, "installed")
    assert not roles["vision"]["available"] and "reads no pictures" in roles["vision"]["note"]
    assert not roles["text_embedding"]["available"] and "did you mean bge-m3" in roles["text_embedding"]["note"]


def test_list_without_ollama_is_no_failure(rag_app: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", NOWHERE)
    document = rag_app.json("models")
    assert document["ollama"]["reachable"] is False and document["ollama"]["models"] == []
    assert {role["role"]: role["available"] for role in document["roles"]}["answer"] is True
    result = rag_app("models")
    assert result.returncode == 0 and result.stdout.count("No Ollama answers at") == 1


@pytest.mark.parametrize("fault", [Fault.SHOW_WITHOUT_CAPABILITIES, Fault.TAGS_FAMILIES_NULL])
def test_list_on_older_servers(rag_app: CommandLine, ollama: OllamaServer, fault: Fault) -> None:
    ollama.fail(fault, times=99)
    models = {model["name"]: model for model in rag_app.json("models")["ollama"]["models"]}
    assert "vision" in models["seevlm:7b"]["capabilities"] and "vision" not in models["textonly:8b"]["capabilities"]


@pytest.mark.parametrize("fault", [Fault.HTML_200, Fault.HTML_502, Fault.FORBIDDEN_EMPTY])
def test_list_with_something_else_at_the_address(rag_app: CommandLine, ollama: OllamaServer, fault: Fault) -> None:
    ollama.fail(fault, times=99)
    document = rag_app.json("models")["ollama"]
    assert document["reachable"] is False and document["message"]


def test_show(rag_app: CommandLine, ollama: OllamaServer) -> None:
    document = rag_app.json("models", "show", "SeeVLM:7b")
    assert document["name"] == "seevlm:7b" and document["size_bytes"] > 0 and document["digest"]
    text = rag_app("models", "show", "ollama:seevlm:7b").stdout
    assert "completion, vision" in text and "128,000 tokens" in text and "8.3B Q4_K_M" in text
    assert rag_app.json("models", "show", "builtin")["name"] == "builtin"
    missing = rag_app("models", "show", "seevml:7b")
    assert missing.returncode == 2 and "did you mean seevlm:7b" in missing.stderr
    assert rag_app("models", "show", "hf:a/b").returncode == 2


# --- pull -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [None, Fault.PULL_INTERLEAVED])
def test_pull(rag_app: CommandLine, ollama: OllamaServer, fault: Fault | None) -> None:
    if fault:
        ollama.fail(fault)
    assert rag_app.json("models", "pull", "gemma3:4b")["capabilities"] == ["completion", "vision"]
    assert "gemma3:4b" in {model["name"] for model in rag_app.json("models")["ollama"]["models"]}


def test_pull_shows_its_progress(ollama: OllamaServer) -> None:
    from adapters.ollama import catalogue
    from rag_app.cli.progress import BytesBar
    from rag_app.settings import Settings

    ollama.fail(Fault.PULL_INTERLEAVED)
    seen: list[tuple[str, int, int]] = []
    with BytesBar("Fetching gemma3:4b") as bar:

        def show(status: str, done: int, total: int) -> None:
            seen.append((status, done, total))
            bar(status, done, total)

        catalogue.pull("gemma3:4b", Settings(), show)
    done = [count for _, count, _ in seen]
    assert done == sorted(done) and seen[-1][0] == "success" and seen[-1][1] == seen[-1][2] > 0


def test_pull_that_fails_under_status_200(rag_app: CommandLine, ollama: OllamaServer) -> None:
    ollama.fail(Fault.PULL_ERROR)
    for name in ("gemma3:4b", "nowhere:1b"):
        result = rag_app("models", "pull", name)
        assert result.returncode in (1, 2) and result.stdout == "" and result.stderr.count("Error:") == 1, name
    refused = rag_app("models", "pull", "hf:word")
    assert refused.returncode == 2 and "hf:OWNER/NAME" in refused.stderr


def test_nothing_is_pulled_unless_told(rag_app: CommandLine, ollama: OllamaServer) -> None:
    rag_app("models", "compare", "gemma3:4b", "--prompt", "x")
    rag_app("models", "show", "gemma3:4b")
    rag_app("caption", "photo.png", "--vision", "gemma3:4b")
    assert not [request for request in ollama.requests if request.path == "/api/pull"]


# --- compare --------------------------------------------------------------------------------------------------------


def test_compare_puts_answers_side_by_side(rag_app: CommandLine, ollama: OllamaServer) -> None:
    words = ["models", "compare", "seevlm:7b", "farsivlm:4b", "--image", "photo.png", "--html", "c.html"]
    document = rag_app.json(*words)
    first, second = document["answers"]
    assert first["model"] == "ollama:seevlm:7b" and first["text"].startswith(replies.ENGLISH[1])
    assert second["text"] == replies.PERSIAN[1] and second["reply_tokens"] > 0 and second["seconds"] > 0
    assert [len(request.images) for request in ollama.writing()] == [1, 1]
    page = Path("c.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page and "<script" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page and '<div class="said" lang="" dir="rtl">' in page

    table = rag_app(*words[:-2]).stdout.splitlines()
    assert "ollama:seevlm:7b" in table[0] and "ollama:farsivlm:4b" in table[0]
    assert any("brown dog" in line and "سگی" in line for line in table)
    assert max(len(line) for line in table) <= 120


def test_compare_in_persian(rag_app: CommandLine, ollama: OllamaServer) -> None:
    rag_app.json("models", "compare", "farsivlm:4b", "--image", "photo.png", "--language", "fa")
    rag_app.json("models", "compare", "farsivlm:4b", "--prompt", "What?", "--language", "fa")
    assert "به فارسی" in ollama.writing()[0].prompt
    assert ollama.writing()[1].prompt == "What?\n\nپاسخ را فقط به فارسی بنویس."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seevlm:7b", "farsvlm:4b", "--image", "photo.png"], "did you mean farsivlm:4b"),
        (["seevlm:7b", "textonly:8b", "--image", "photo.png"], "textonly:8b reads no pictures"),
        (["seevlm:7b", "bge-m3", "--prompt", "x"], "writes no text"),
        (["seevlm:7b", "builtin", "--prompt", "x"], "builtin"),
        (["seevlm:7b"], "--image"),
        (["seevlm:7b", "--prompt", " "], "empty"),
        (["seevlm:7b", "--image", "none.png"], "does not exist"),
    ],
)
def test_compare_checks_all_before_it_asks(
    rag_app: CommandLine, ollama: OllamaServer, words: list[str], said: str
) -> None:
    result = rag_app("models", "compare", *words)
    assert (result.returncode, result.stdout) == (2, "") and said in result.stderr
    assert ollama.writing() == []


def test_compare_goes_on_where_one_model_fails(rag_app: CommandLine, ollama: OllamaServer) -> None:
    Path("library").mkdir()
    Path("library/settings.toml").write_text("[ollama]\nretries = 0\n")
    ollama.fail(Fault.RUNNER_KILLED, times=9, where=lambda request: request.model.startswith("seevlm"))
    words = ["models", "compare", "seevlm:7b", "farsivlm:4b", "--image", "photo.png", "--html", "c.html"]
    first, second = rag_app.json(*words, code=1)["answers"]
    assert first["error"] and first["text"] == "" and second["error"] is None and second["text"]
    result = rag_app(*words)
    assert result.returncode == 1 and "سگی" in result.stdout
    assert "Failed." in Path("c.html").read_text(encoding="utf-8")


def test_a_picture_that_cannot_be_read(rag_app: CommandLine, ollama: OllamaServer, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("nothing")
    result = rag_app("models", "compare", "seevlm:7b", "--image", "bad.png")
    assert result.returncode == 1 and "not a picture" in result.stderr and ollama.writing() == []


ANSWERS = [
    ModelAnswer("ollama:one", replies.ENGLISH[1], 4.0, 1.0, 900, 60),
    ModelAnswer("ollama:two", f"{replies.PERSIAN[1]}\n- یک", 2.0, 0.0, 900, 50),
    ModelAnswer("ollama:three", seconds=0.5, error="three is out of memory."),
]


def test_counts() -> None:
    assert counts(ANSWERS[0]) == "4.0 s (1.0 s loading) · 60 tokens · 20 a second"
    assert counts(ANSWERS[2]) == "0.5 s"


@pytest.mark.parametrize("width", [60, 100, 160])
@pytest.mark.parametrize("reorder", [False, True])
def test_the_table_fits_its_terminal(width: int, reorder: bool) -> None:
    from rich.cells import cell_len

    text = comparison_text(ANSWERS, Screen(width, reorder), width=width, colour=False)
    plain = [line.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[31m", "") for line in text.splitlines()]
    assert max(cell_len(line.replace("\x1b[0m", "")) for line in plain) <= width
    assert ("سگی" in text) != reorder  # reordered letters are presentation forms
    assert text.count("brown dog") == 1 and "out of memory" in " ".join(text.split())


def test_what_steers_a_terminal_does_not_reach_it() -> None:
    text = comparison_text([ModelAnswer("m", "a\x1b[2Jb\u202ec")], Screen(80), width=80, colour=False)
    assert "\x1b" not in text and "\u202e" not in text


def test_comparing_as_a_library() -> None:
    from rag_app.comparing import compare

    def refuse(asked: object) -> str:
        raise PromptTooLong("it does not fit")

    good, bad = ScriptedModel("test:good", write=lambda asked: " hello "), ScriptedModel("test:bad", write=refuse)
    first, second = compare([bad, good], "hi")
    assert (first.error, second.text, second.reply_tokens) == ("it does not fit", "hello", 200)
    assert json.dumps([first.to_dict(), second.to_dict()])


# --- doctor ---------------------------------------------------------------------------------------------------------


def test_doctor_on_ollama(rag_app: CommandLine, ollama: OllamaServer) -> None:
    (check,) = check_ollama(Path("library"))
    assert check.state == "ok" and "0.33.0" in check.message and "4 models" in check.message
    settings(answer="textonly:8b", vision="textonly:8b", text_embedding="ollama:nothing")
    found = check_ollama(Path("library"))
    assert [check.state for check in found] == ["ok", "missing", "missing"]
    assert "models.vision" in found[1].message and "reads no pictures" in found[1].message
    assert found[2].mend == "rag-app models pull nothing"
    assert ollama.writing() == []


def test_doctor_warns_of_a_model_that_does_not_run(ollama: OllamaServer, tmp_path: Path) -> None:
    ollama.models.append(Model("llama3.2-vision:11b", VISION, family="mllama"))
    note = check_ollama(tmp_path)[-1]
    assert note.state == "note" and "llama3.2-vision:11b" in note.message and note.mend


def test_doctor_without_ollama(rag_app: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", NOWHERE)
    (check,) = check_ollama(Path("library"))
    assert check.state == "note" and "127.0.0.1:1" in check.message
    settings(vision="gemma3:4b")
    (check,) = check_ollama(Path("library"))
    assert check.state == "missing" and check.mend == "ollama serve"
    monkeypatch.setenv("OLLAMA_HOST", "ftp://x")
    (check,) = check_ollama(Path("library"))
    assert check.state == "broken" and "OLLAMA_HOST" in check.message
