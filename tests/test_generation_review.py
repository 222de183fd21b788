"""A person reviews generated questions in the terminal, from a pipe and in the chat; all is on the disk at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eval.generation.files import QuestionFile
from eval.generation.generating import found_at
from eval.generation.reviewing import Review
from eval.questions import Origin, Question, as_lines, read_questions
from rag_app import Library
from rag_app.errors import InputError, UsageError
from rag_app.repl.chat import Chat
from rag_app.repl.commands import run_command

PAPER = "vision_language_models.pdf"
PROGRAM = Path(sys.executable).with_name("rag-app")


@pytest.fixture
def library(sample_library: Path) -> Iterator[Library]:
    with Library.open(sample_library, read_only=True) as opened:
        yield opened


def made(id: str, question: str, answer: str, quote: str, node_id: str) -> Question:
    language = "fa" if "؟" in question else "en"
    origin = Origin(node_id, "ollama:writer", "questions-1", 1)
    return Question(id, question, language, "text", PAPER, (answer,), (3,), (quote,), origin=origin)


@pytest.fixture
def path(library: Library, tmp_path: Path) -> Path:
    """Three questions of a model and one written by hand."""
    quote = "32 learned query vectors look at the patches"
    hits = library.search("BLIP-2 learned query vectors", k=5).hits
    node_id = next(hit.node_id for hit in hits if quote in " ".join(hit.text.split()))
    by_hand = Question("hand", "Which loss trains SigLIP?", "en", "text", PAPER, ("sigmoid",), (2,), ("SigLIP",))
    questions = [
        made("one", "How many query vectors does BLIP-2 learn?", "32", quote, node_id),
        by_hand,
        made("two", "مدل BLIP-2 چند بردار پرسش یاد می‌گیرد؟", "32", quote, node_id),
        made("three", "What do the queries of BLIP-2 look at?", "the patches", quote, "gone-text-00001"),
    ]
    file = tmp_path / "set.jsonl"
    file.write_text(as_lines(questions), encoding="utf-8")
    return file


def reviews(path: Path) -> dict[str, str | None]:
    return {question.id: question.origin.review if question.origin else None for question in read_questions(path)}


def test_keep_edit_drop_and_skip_are_written_at_once(path: Path, library: Library) -> None:
    review = Review(QuestionFile(path), library)
    assert [question.id for question in review.waiting] == ["one", "two", "three"]
    review.keep()
    assert reviews(path) == {"one": "kept", "hand": None, "two": "pending", "three": "pending"}
    review.edit(answer="32 بردار")
    edited = {question.id: question for question in read_questions(path)}["two"]
    assert edited.answers == ("32 بردار",) and edited.origin is not None
    assert edited.origin.review == "edited" and edited.origin.found_at == found_at(library, edited)
    assert review.current == edited  # to be looked at, and edited again
    review.edit(question="بردارهای پرسش BLIP-2 چند تا است؟")
    assert reviews(path)["two"] == "edited" and review.current.question.startswith("بردارهای")
    review.keep()
    assert reviews(path)["two"] == "edited"
    review.drop()
    assert reviews(path) == {"one": "kept", "hand": None, "two": "edited"}
    assert [question.id for question in read_questions(path.with_name("set.dropped.jsonl"))] == ["three"]
    assert review.counts() == {"pending": 0, "kept": 1, "edited": 1, "dropped": 1}
    with pytest.raises(UsageError, match="has been looked at"):
        review.keep()


def test_a_skipped_question_waits_for_another_time(path: Path, library: Library) -> None:
    review = Review(QuestionFile(path), library)
    review.skip()
    assert review.current.id == "two" and reviews(path)["one"] == "pending"
    assert Review(QuestionFile(path), library).current.id == "one"


def test_an_edit_needs_something_to_edit(path: Path, library: Library) -> None:
    review = Review(QuestionFile(path), library)
    for text in (None, review.current.question):
        with pytest.raises(UsageError, match="Nothing of the question was changed"):
            review.edit(question=text)
    for text in ("", "  "):
        with pytest.raises(InputError, match="needs a text and an answer"):
            review.edit(answer=text)
    assert reviews(path)["one"] == "pending"


def test_a_set_without_generated_questions_has_nothing_to_review(library: Library, tmp_path: Path, path: Path) -> None:
    file = tmp_path / "hand.jsonl"
    file.write_text(as_lines([q for q in read_questions(path) if q.origin is None]), encoding="utf-8")
    with pytest.raises(InputError, match="no question that a model made"):
        Review(QuestionFile(file), library)


def test_a_set_of_which_everything_was_dropped_can_be_gone_on_with(path: Path) -> None:
    file = QuestionFile(path)
    for question in tuple(file.questions):
        file.drop(question)
    again = QuestionFile(path)
    assert not again.questions and len(again.dropped) == 4
    again.add(file.dropped[0])
    assert read_questions(path) == (file.dropped[0],)


def test_a_set_in_another_form_is_left_alone(tmp_path: Path) -> None:
    record = {"qid": "a", "pdf": "x.pdf", "question": "Why?", "answers": ["so"], "kind": "text", "page_1based": 4}
    path = tmp_path / "pages.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="name a file of its own"):
        QuestionFile(path)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for path, said in (
        (Path(), "is a folder"),
        (Path("/"), "is a folder"),
        (tmp_path, "is a folder"),
        (tmp_path / "file" / "set.jsonl", "cannot be read"),
        (tmp_path / ("x" * 300), "cannot be read"),
    ):
        with pytest.raises(UsageError, match=said):
            QuestionFile(path)


def process(path: Path, library: Path, typed: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "eval", "review", path, "--library", library, *words],
        input=typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )


def test_the_command_takes_what_is_typed(path: Path, sample_library: Path) -> None:
    done = process(path, sample_library, "k\nwhat\ne\n\n32 vectors\nd\n", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"file": str(path), "pending": 0, "kept": 1, "edited": 1, "dropped": 1}
    assert {question.id: question.answers for question in read_questions(path)}["two"] == ("32 vectors",)
    shown = " ".join(done.stderr.split())
    assert "How many query vectors does BLIP-2 learn?" in shown and f"{PAPER}, page 3" in shown
    assert "its page is found at rank 1" in shown and "keeps both the image encoder" in shown
    assert "not in this library any more" in shown and "Write k, e, d, s or q." in shown


@pytest.mark.parametrize("typed", ["k\n", "k\nq\n", "k\ne\n"])
def test_the_end_of_the_input_and_q_leave_the_rest(path: Path, sample_library: Path, typed: str) -> None:
    done = process(path, sample_library, typed)
    assert done.returncode == 0 and "2 pending, 1 kept, 0 edited, 0 dropped" in done.stdout
    assert reviews(path) == {"one": "kept", "hand": None, "two": "pending", "three": "pending"}


def test_in_the_chat(path: Path, library: Library) -> None:
    said: list[str] = []
    chat = Chat(library, say=said.append)
    with pytest.raises(UsageError, match=r"/review FILE\.jsonl"):
        run_command(chat, "/review")
    with pytest.raises(UsageError, match="Nothing is being reviewed"):
        run_command(chat, "/review keep")
    with pytest.raises(UsageError, match="There is no file"):
        run_command(chat, "/review none.jsonl")
    run_command(chat, f"/review {path}")
    assert "How many query vectors does BLIP-2 learn?" in said[-1] and "/review keep" in said[-1]
    run_command(chat, "/review question How many learned vectors does BLIP-2 have?")
    assert "How many learned vectors does BLIP-2 have?" in said[-1] and "3 to look at" in said[-1]
    run_command(chat, "/review answer 32 vectors")
    assert "Answer: 32 vectors" in said[-1]
    run_command(chat, "/review keep")
    assert "2 to look at" in said[-1]
    run_command(chat, "/review skip")
    run_command(chat, "/review drop")
    assert "All have been looked at" in said[-1] and "1 pending, 0 kept, 1 edited, 1 dropped" in said[-1]
    assert chat.review is None
    asked = {question.id: question.question for question in read_questions(path)}
    assert asked["one"] == "How many learned vectors does BLIP-2 have?" and set(asked) == {"one", "hand", "two"}
