"""Generated question sets end to end: library, prompt, Ollama's protocol on a socket, checks, file, command."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.ollama.language import OllamaModel
from eval.generation.files import QuestionFile
from eval.generation.generating import Generated, found_at, generate
from eval.generation.sources import sources
from eval.questions import read_questions
from rag_app import Library
from rag_app.errors import ModelError
from tests.commands import CommandLine
from tests.contract.conftest import clean_environment  # noqa: F401  # autouse: no proxy or address of the user's
from tests.ollama_models import at
from tests.ollama_server import Fault, Model, OllamaServer

Body = dict[str, Any]  # Any: JSON
PAPER = "vision_language_models.pdf"


@pytest.fixture
def library(sample_library: Path) -> Iterator[Library]:
    with Library.open(sample_library, read_only=True) as opened:
        yield opened


def passage_in(body: Body) -> str:
    found = re.search(r"<piece 1 code=\w+>(.*?)</piece", body["messages"][-1]["content"], re.DOTALL)
    assert found is not None
    return found[1].split(":\n", 1)[1]


def wants_persian(body: Body) -> bool:
    return body["messages"][-1]["content"].rstrip().endswith("Persian (فارسی).")


def proposing(body: Body, images: list[bytes]) -> str:
    """About a number of the passage, asked for by the words that stand before it; nothing where it has none."""
    text = passage_in(body)
    for line in re.split(r"(?<=[.!?])\s+|\n", text):
        found = re.search(r"((?:[A-Za-z-]+[ |]+){3,6})(\d+(?:\.\d+)?)\b", line)
        if found:
            before = " ".join(re.findall(r"[A-Za-z-]+", found[1]))
            question = f"مقدار {before} در این آزمون چند است؟" if wants_persian(body) else f"Which value has {before}?"
            one = {"question": question, "answer": found[2], "quote": line.strip()}
            return json.dumps({"questions": [one]}, ensure_ascii=False)
    return json.dumps({"questions": []})


def server_with(replies: Callable[[Body, list[bytes]], str], **more: object) -> OllamaServer:
    return OllamaServer([Model("writer", context_length=32768, replies=replies)], **more)  # pyright: ignore[reportArgumentType]


def run(library: Library, server: OllamaServer, path: Path, **more: Any) -> Generated:  # Any: generate's own
    model = OllamaModel("writer", settings=at(server, retries=0))
    return generate(library, model, QuestionFile(path), **{"count": 6, "papers": [PAPER], **more})


def test_each_question_has_its_exact_source(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    progress: list[tuple[int, int]] = []
    with server_with(proposing) as server:
        result = run(library, server, path, on_progress=lambda done, total: progress.append((done, total)))
    assert len(result.kept) == 6 and progress == [(n, 6) for n in range(1, 7)]
    assert read_questions(path) == tuple(result.kept)
    assert len({question.kind for question in result.kept}) >= 2
    for question in result.kept:
        assert question.origin is not None and question.origin.model == "ollama:writer"
        (source,) = library.passages([question.origin.node_id])
        assert question.evidence[0] in source.text and question.answers[0] in question.evidence[0]
        assert question.pages[0] in {page for page, _ in source.places} and question.document == source.document
        assert question.origin.found_at == found_at(library, question)
    document = result.to_dict()
    assert document["proposed"] == len(document["kept"]) + len(document["dropped"])
    assert document["tokens"] > 0 and document["passages"]["failed"] == 0


def test_passages_are_asked_about_as_data_and_once(library: Library, tmp_path: Path) -> None:
    with server_with(proposing) as server:
        run(library, server, tmp_path / "made.jsonl")
        asked = server.writing()
    prompts = [request.prompt for request in asked]
    assert len(set(prompts)) == len(prompts)
    for request in asked:
        system = request.body["messages"][0]["content"]
        code = re.search(r"with the code (\w+)\.", system)
        assert code is not None and request.body["messages"][-1]["content"].count(f"<piece 1 code={code[1]}>") == 1
        assert request.body["format"]["required"] == ["questions"]


def test_the_same_seed_asks_the_same_and_kinds_take_turns(library: Library) -> None:
    first, again = ([p.node_id for p in sources(library, papers=[PAPER], seed=3)] for _ in range(2))
    assert first == again and len(set(first)) == len(first)
    assert first != [p.node_id for p in sources(library, papers=[PAPER], seed=4)]
    assert [p.kind for p in sources(library, papers=[PAPER], seed=3)][:3] == ["text", "table", "figure"]
    assert {p.kind for p in sources(library, kinds=["table"])} == {"table"}
    both = [p.document for p in sources(library)]
    assert set(both[:2]) == {document.name for document in library.documents()}


def test_languages_take_turns(library: Library, tmp_path: Path) -> None:
    with server_with(proposing) as server:
        result = run(library, server, tmp_path / "made.jsonl", languages=("en", "fa"), count=4)
    assert {question.language for question in result.kept} == {"en", "fa"}


def test_what_fails_the_checks_is_dropped_with_its_reason(library: Library, tmp_path: Path) -> None:
    """One reply for each check, over and over."""

    def mixed(body: Body, images: list[bytes]) -> str:
        text = passage_in(body).strip()
        quote = next(line for line in re.split(r"(?<=[.!?])\s+|\n", text) if len(line) > 30)
        words = re.findall(r"[^\W\d_]{4,}", quote)
        turn = len(server.writing()) % 4
        good = {
            "question": f"Which word follows the start of {text[-40:]!r} there?",
            "answer": words[0],
            "quote": quote,
        }
        bad = [
            {**good, "quote": "Nothing of the kind stands anywhere in the text of it."},
            {**good, "answer": "eleven thousand"},
            {**good, "question": f"What does this paper say about the word {words[-1][::-1]}?"},
            {**good, "question": f"Does {words[0]} stand here as the very first word?"},
        ]
        return json.dumps({"questions": [bad[turn]]}, ensure_ascii=False)

    with server_with(mixed) as server:
        result = run(library, server, tmp_path / "made.jsonl", count=3)
    assert not result.kept and not (tmp_path / "made.jsonl").exists()
    assert set(result.to_dict()["reasons"]) == {
        "no words of the passage",
        "answer not in the quote",
        "does not stand alone",
        "gives its answer away",
    }
    assert sum(result.to_dict()["reasons"].values()) == result.answered <= 3 * 3 + 10


def test_an_injected_order_in_a_reply_cannot_leave_the_passage(library: Library, tmp_path: Path) -> None:
    """A model that answers from elsewhere, or copies the prompt's own words, gives no question."""
    elsewhere = {
        "question": "What is the capital city of Mongolia?",
        "answer": "Ulaanbaatar",
        "quote": "Ulaanbaatar is it.",
    }
    rules = {
        "question": "What does the data stand between?",
        "answer": "marks",
        "quote": "The passage stands between marks",
    }
    with server_with(lambda body, images: json.dumps({"questions": [elsewhere, rules]})) as server:
        result = run(library, server, tmp_path / "made.jsonl", count=1)
    assert not result.kept
    assert {one.reason for one in result.dropped} == {"no words of the passage"}


def test_going_on_makes_no_question_twice(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    with server_with(proposing) as server:
        first = run(library, server, path, count=3)
        QuestionFile(path).drop(first.kept[0])
        before = len(server.writing())
        second = run(library, server, path, count=3)
        asked = [request.prompt for request in server.writing()]
    sources_asked = [question.origin.node_id for question in (*first.kept, *second.kept) if question.origin]
    assert len(set(sources_asked)) == 6 and len(asked) > before
    assert not {question.id for question in first.kept} & {question.id for question in second.kept}
    assert len(read_questions(path)) == 5


def test_a_failed_call_is_told_and_the_rest_goes_on(library: Library, tmp_path: Path) -> None:
    with server_with(proposing) as server:
        server.fail(Fault.NOT_JSON, times=2)
        result = run(library, server, tmp_path / "made.jsonl", count=3)
    assert len(result.kept) == 3 and len(result.failed) == 2
    assert result.to_dict()["passages"]["asked"] == result.answered + 2


def test_five_failures_in_a_row_end_it_and_what_was_made_stays(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    with server_with(proposing) as server:
        run(library, server, path, count=2)
        server.fail(Fault.WEIGHTS_DAMAGED, times=99)
        with pytest.raises(ModelError):
            run(library, server, path, count=2)
        failed = [request for request in server.writing() if request.fault]
    assert len(failed) == 5 and len(read_questions(path)) == 2


def test_evidence_is_looked_up_in_the_file_itself(
    sample_library: Path, copy_of: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Not in what the library stored: where the file holds other words, the question says so."""
    with Library.open(copy_of(sample_library), read_only=True) as library, server_with(proposing) as server:
        right = run(library, server, tmp_path / "right.jsonl", count=3, kinds=["text"])
        asked, other = ({d.name: d.document_id for d in library.documents()}[name] for name in (PAPER, "clip_fa.pdf"))
        shutil.copyfile(library.path / "files" / f"{other}.pdf", library.path / "files" / f"{asked}.pdf")
        wrong = run(library, server, tmp_path / "wrong.jsonl", count=3, kinds=["text"])
    verdicts = [[question.origin.in_file for question in result.kept if question.origin] for result in (right, wrong)]
    assert set(verdicts[0]) <= {"verbatim", "by words"} and verdicts[1] == ["differs"] * 3


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capfd)


def test_the_command_says_what_it_made(
    command: CommandLine, sample_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "made.jsonl"
    words = ("eval", "generate", path, "--model", "writer", "--library", sample_library, "--paper", PAPER)
    with server_with(proposing) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        document = command.json(*words, "--count", 2, "--kind", "text")
        said = command(*words, "--count", 1, "--kind", "table")
    assert len(document["kept"]) == 2 and document["model"] == "ollama:writer"
    assert {one["kind"] for one in document["kept"]} == {"text"}
    assert said.returncode == 0 and "1 kept" in said.stdout and f"rag-app eval review {path}" in said.stdout
    assert len(read_questions(path)) == 3


def test_the_builtin_answerer_cannot_write(command: CommandLine, sample_library: Path, tmp_path: Path) -> None:
    result = command("eval", "generate", tmp_path / "made.jsonl", "--library", sample_library)
    assert result.returncode == 2 and "--model ollama:" in result.stderr and not (tmp_path / "made.jsonl").exists()


def test_an_empty_library_and_a_broken_file(command: CommandLine, tmp_path: Path, sample_library: Path) -> None:
    with Library.open(tmp_path / "empty"):
        pass
    words = ("eval", "generate", tmp_path / "made.jsonl", "--model", "writer", "--library")
    assert "The library is empty" in command(*words, tmp_path / "empty").stderr
    (tmp_path / "made.jsonl").write_text("{", encoding="utf-8")
    assert "made.jsonl, line 1" in command(*words, sample_library).stderr


def test_a_model_that_is_not_there_and_a_paper_that_is_not(
    command: CommandLine, sample_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("eval", "generate", tmp_path / "made.jsonl", "--library", sample_library, "--model")
    with server_with(proposing) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        model, paper = command(*words, "wrighter"), command(*words, "writer", "--paper", "klip.pdf")
    assert model.returncode == 2 and "writer" in model.stderr
    assert paper.returncode == 2 and "klip.pdf" in paper.stderr and "Traceback" not in paper.stderr
