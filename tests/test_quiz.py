"""The quiz: what is put to whom, what is counted, and the figures, by hand."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.ollama.language import OllamaModel
from eval.questions import Question, as_lines, read_questions
from eval.quiz.asking import CLOSED_BOOK, PAGE_FOUND, WITH_LIBRARY, quiz_questions, quiz_row, sheet
from eval.quiz.examinees import ModelExaminee, Sheet, examinee
from eval.quiz.report import results, table
from eval.runs import Row
from eval.runs.comparing import mcnemar
from rag_app import Library
from rag_app.errors import InputError, UnusableReply
from tests.commands import CommandLine
from tests.conftest import ROOT
from tests.ollama_models import at, ollama  # noqa: F401  # a fixture
from tests.ollama_server import Fault, Model, OllamaServer

QUIZ = ROOT / "data" / "questions" / "vlm_quiz.jsonl"
Body = dict[str, Any]  # Any: JSON


@pytest.fixture(scope="module")
def quiz() -> tuple[Question, ...]:
    return read_questions(QUIZ)


@pytest.fixture
def library(sample_library: Path) -> Iterator[Library]:
    with Library.open(sample_library, read_only=True) as opened:
        yield opened


def timeless(row: Row) -> Row:
    return dataclasses.replace(row, seconds={})


# --- the sheet -----------------------------------------------------------------------------------------------------


def test_the_order_hangs_on_the_seed_and_the_id_alone(quiz: tuple[Question, ...]) -> None:
    first = quiz[0]
    assert sheet(first, seed=1) == sheet(first, seed=1)
    turned = dataclasses.replace(first, choices=first.choices[::-1])
    assert sheet(turned, seed=7).choices == sheet(first, seed=7).choices
    assert sorted(sheet(first, seed=7).choices) == sorted(first.choices)
    assert len({sheet(first, seed=seed).choices for seed in range(40)}) > 10


def test_the_right_choice_stands_in_every_place_as_often(quiz: tuple[Question, ...]) -> None:
    places = Counter(
        sheet(question, seed=seed).choices.index(question.answers[0]) for question in quiz for seed in range(50)
    )
    assert set(places) == {0, 1, 2, 3}
    assert all(abs(count / places.total() - 0.25) < 0.03 for count in places.values())


def test_a_set_without_choices_is_no_quiz(quiz: tuple[Question, ...]) -> None:
    plain = dataclasses.replace(quiz[0], choices=())
    assert quiz_questions([plain, quiz[1]]) == (quiz[1],)
    with pytest.raises(InputError, match=r"No question has choices.*vlm_quiz"):
        quiz_questions([plain])


# --- builtin -------------------------------------------------------------------------------------------------------


def test_builtin_beats_chance_is_never_asked_closed_book_and_gives_the_same_again(
    library: Library, quiz: tuple[Question, ...]
) -> None:
    taker, retriever = examinee(library, "builtin", k=8), library.as_retriever(k=8)
    english = [question for question in quiz if question.language == "en"]
    rows = [quiz_row(taker, retriever, question) for question in english]
    again = [quiz_row(taker, retriever, question) for question in english]
    assert [timeless(row) for row in rows] == [timeless(row) for row in again]
    whole = results(rows)[0]
    assert set(whole.sittings) == {WITH_LIBRARY} and whole.p is None
    assert whole.chance == 0.25 and whole.sittings[WITH_LIBRARY].share.low > 0.25
    assert all(row.scores[PAGE_FOUND] == 1.0 for row in rows)
    assert "Not asked closed book" in table(rows)


def test_builtin_does_not_go_by_the_order(library: Library, quiz: tuple[Question, ...]) -> None:
    taker, retriever = examinee(library, "builtin", k=8), library.as_retriever(k=8)
    for question in (quiz[0], quiz[5], quiz[20], quiz[43]):
        taken = {
            quiz_row(taker, retriever, question, seed=seed).record[WITH_LIBRARY]["choice"] for seed in (1, 2, 3, 4)
        }
        assert len(taken) == 1


def test_builtin_refuses_where_nothing_found_speaks_for_a_choice(library: Library, quiz: tuple[Question, ...]) -> None:
    """Persian words about an English paper: the embedding knows no Persian, and no word of a choice is there."""
    question = dataclasses.replace(
        quiz[0], question="دما چیست؟", language="fa", choices=("گرما", "سرما"), answers=("گرما",)
    )
    row = quiz_row(
        examinee(library, "builtin", k=8), library.as_retriever(k=8, papers=["vision_language_models.pdf"]), question
    )
    assert row.scores[WITH_LIBRARY] == 0.0 and row.scores["with_library_answered"] == 0.0
    assert row.record[WITH_LIBRARY] == {"choice": None, "refused": True, "problem": None}
    assert results([row])[0].sittings[WITH_LIBRARY].refused == 1


# --- a language model ----------------------------------------------------------------------------------------------


def shown(body: Body) -> tuple[str, list[str], bool]:
    """The question, its choices, and whether there is evidence, out of a request."""
    prompt = body["messages"][-1]["content"]
    lines = prompt.rsplit("Question: ", 1)[1].splitlines()
    return lines[0], [re.sub(r"^\d+\. ", "", line) for line in lines[1:]], "<evidence code=" in prompt


def scripted(
    right: dict[str, str], closed: dict[str, str], opened: dict[str, str]
) -> Callable[[Body, list[bytes]], str]:
    """Replies by question id: "right", "wrong", "refuse", or a text as it stands."""
    ids = {text: id for id, text in right.items()}
    by_id = {question.id: question for question in read_questions(QUIZ)}

    def reply(body: Body, images: list[bytes]) -> str:
        asked, choices, with_evidence = shown(body)
        question = by_id[ids[asked]]
        said = (opened if with_evidence else closed)[question.id]
        place = choices.index(question.answers[0]) + 1
        numbers = {"right": place, "wrong": place % len(choices) + 1, "refuse": 0}
        return json.dumps({"choice": numbers[said]}) if said in numbers else said

    return reply


PLAN = {  # closed book, with the library
    "right right": 3,
    "wrong right": 6,
    "refuse right": 2,
    "right wrong": 1,
    "wrong wrong": 2,
    "wrong refuse": 1,
    "I think so. right": 1,
    "wrong I think so.": 1,
}


@pytest.fixture
def planned(quiz: tuple[Question, ...]) -> tuple[list[Question], dict[str, str], dict[str, str]]:
    """Questions of both languages, and what is to be said to each, closed book and with the library."""
    words = [plan for plan, count in PLAN.items() for _ in range(count)]
    asked = [question for pair in zip(quiz[:20], quiz[20:40], strict=True) for question in pair][: len(words)]
    parts = [re.fullmatch(r"(I think so\.|\w+) (I think so\.|\w+)", plan) for plan in words]
    pairs = [(part[1], part[2]) for part in parts if part]
    closed = {question.id: pair[0] for question, pair in zip(asked, pairs, strict=True)}
    return asked, closed, {question.id: pair[1] for question, pair in zip(asked, pairs, strict=True)}


def server_with(replies: Callable[[Body, list[bytes]], str], *, context: int = 32768) -> OllamaServer:
    return OllamaServer([Model("taker", context_length=context, replies=replies)])


def taker_at(server: OllamaServer, **more: object) -> ModelExaminee:
    settings = at(server, retries=0, **more)
    return ModelExaminee(OllamaModel("taker", settings=settings), context_tokens=settings.ollama.context_tokens)


def test_every_reply_is_counted_and_the_figures_are_those_by_hand(
    library: Library, planned: tuple[list[Question], dict[str, str], dict[str, str]]
) -> None:
    asked, closed, opened = planned
    texts = {question.id: question.question for question in asked}
    with server_with(scripted(texts, closed, opened)) as server:
        taker, retriever = taker_at(server), library.as_retriever(k=4)
        rows = [quiz_row(taker, retriever, question) for question in asked]
    whole, english, persian = results(rows)
    assert (english.name, persian.name) == ("en", "fa") and english.n + persian.n == whole.n == 17
    a, b = whole.sittings[CLOSED_BOOK], whole.sittings[WITH_LIBRARY]
    assert (a.right, a.wrong, a.refused, a.unparsable, a.failed) == (4, 10, 2, 1, 0)
    assert (b.right, b.wrong, b.refused, b.unparsable, b.failed) == (12, 3, 1, 1, 0)
    assert a.share.value == 4 / 16 and b.share.value == 12 / 16
    # Both sittings scored: all but the two with an unparsable reply. 6 wrong and 2 refused became right, 1 was lost.
    assert (whole.gained, whole.lost) == (8, 1)
    assert whole.p == mcnemar(8, 1) == pytest.approx(2 * (1 + 9) / 2**9)
    for one in (whole, english, persian):
        for s in one.sittings.values():
            assert s.right + s.wrong + s.refused + s.unparsable + s.failed == s.n == one.n
    unparsable = next(row for row in rows if WITH_LIBRARY in row.unscored)
    assert unparsable.record[WITH_LIBRARY]["refused"] is False and unparsable.scores[CLOSED_BOOK] == 0.0
    assert f"Unparsable: {unparsable.id}, with library:" in table(rows)


def test_closed_book_shows_nothing_and_both_sittings_the_same_choices(
    library: Library, quiz: tuple[Question, ...]
) -> None:
    question = quiz[3]
    with server_with(lambda body, images: '{"choice": 1}') as server:
        row = quiz_row(taker_at(server), library.as_retriever(k=4), question, seed=5)
        first, second = server.writing()
    assert "evidence" not in first.prompt.lower() and question.evidence[0] not in first.prompt
    assert "acts as a wrong answer" in " ".join(second.prompt.split())
    assert shown(first.body)[:2] == shown(second.body)[:2] == (question.question, list(sheet(question, seed=5).choices))
    assert first.body["format"]["properties"]["choice"] == {
        "maximum": 4,
        "minimum": 0,
        "title": "Choice",
        "type": "integer",
    }
    assert first.body["options"]["temperature"] == 0
    assert row.record["choices"] == list(sheet(question, seed=5).choices)
    assert row.scores[PAGE_FOUND] == 1.0 and row.record["passages"]


def test_an_unparsable_reply_is_asked_again_once_before_it_counts(library: Library, quiz: tuple[Question, ...]) -> None:
    said = iter(['{"choice": 9}', '{"choice": 2}', "[]", "no"])
    with server_with(lambda body, images: next(said)) as server:
        row = quiz_row(taker_at(server), library.as_retriever(k=2), quiz[0])
    assert row.record[CLOSED_BOOK]["choice"] == row.record["choices"][1]
    assert WITH_LIBRARY in row.unscored and "did not give JSON" in row.unscored[WITH_LIBRARY]


def test_a_reply_that_says_nothing_of_the_schema_is_not_a_choice(quiz: tuple[Question, ...]) -> None:
    """A server that ignores the schema: 3 of 2 choices."""
    with server_with(lambda body, images: '{"choice": 3}') as server, pytest.raises(UnusableReply):
        taker_at(server).choose(Sheet(quiz[0], quiz[0].choices[:2]), None)


def test_what_fails_fails_the_question_and_adds_up(library: Library, quiz: tuple[Question, ...]) -> None:
    with server_with(lambda body, images: '{"choice": 1}') as server:
        taker, retriever = taker_at(server), library.as_retriever(k=2)
        taker.check()
        server.fail(Fault.WEIGHTS_DAMAGED, times=1, after=1)
        rows = [quiz_row(taker, retriever, question) for question in quiz[:3]]
    assert rows[0].error is not None and not rows[0].scores and rows[1].error is None
    (whole, *_) = results(rows)
    assert [s.failed for s in whole.sittings.values()] == [1, 1]
    assert f"Failed: {rows[0].id}: {rows[0].error}" in table(rows)


def test_a_run_of_failures_only_still_has_a_table(library: Library, quiz: tuple[Question, ...]) -> None:
    with server_with(lambda body, images: "") as server:
        taker = taker_at(server)
    row = quiz_row(taker, library.as_retriever(k=2), quiz[0])
    assert row.error is not None
    assert results([row])[0].sittings[WITH_LIBRARY].failed == 1 and "Failed" in table([row])


def test_evidence_is_shortened_to_a_small_context(library: Library, quiz: tuple[Question, ...]) -> None:
    with server_with(lambda body, images: '{"choice": 1}', context=2500) as server:
        row = quiz_row(taker_at(server, context_tokens=2500), library.as_retriever(k=8), quiz[2])
        pieces = server.writing()[-1].prompt.count("<piece ")
    assert row.error is None and 1 <= pieces < len(row.record["passages"])


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capfd)


@pytest.fixture
def few(tmp_path: Path, quiz: tuple[Question, ...]) -> Path:
    path = tmp_path / "few.jsonl"
    path.write_text(as_lines([quiz[0], quiz[20], quiz[40]]), encoding="utf-8")
    return path


def test_the_command_keeps_a_run_and_goes_on_with_it(
    command: CommandLine, few: Path, sample_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {question.id: question.question for question in read_questions(few)}
    replies = scripted(texts, dict.fromkeys(texts, "wrong"), dict.fromkeys(texts, "right"))
    run = tmp_path / "run"
    words = ("eval", "quiz", few, "--library", sample_library, "--run", run, "--answer", "taker", "-k", 2)
    with server_with(replies) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        shown = command.json(*words)
        assert len(server.writing()) == 6
        assert (run / "summary.json").is_file()
        again = command.json(*words, "--resume")
        assert len(server.writing()) == 6
        refused = command(*words, "--resume", "--seed", 3)
    assert [one["gained"] for one in shown["results"]] == [3, 1, 2]
    assert again["results"] == shown["results"]
    assert refused.returncode == 2 and "seeds.choices" in refused.stderr


def test_the_command_with_builtin_is_the_same_twice_and_its_gate_holds(
    command: CommandLine, few: Path, sample_library: Path, tmp_path: Path
) -> None:
    first, second = (
        command.json("eval", "quiz", few, "--library", sample_library, "--run", tmp_path / name) for name in "ab"
    )
    for shown in (first, second):
        for question in shown["questions"]:
            question.pop("seconds")
    assert first["questions"] == second["questions"] and first["results"] == second["results"]
    found = first["summary"]["groups"][0]["scores"]["page_found"]["mean"]
    assert 0 < found < 1
    for bar, code in ((found - 0.01, 0), (found + 0.01, 1)):
        words = ("--run", tmp_path / f"gate{code}", "--fail-under", f"page_found={bar}")
        assert command("eval", "quiz", few, "--library", sample_library, *words).returncode == code


def test_the_command_refuses_a_set_without_choices(command: CommandLine, sample_library: Path) -> None:
    result = command("eval", "quiz", ROOT / "data" / "questions" / "demo.jsonl", "--library", sample_library)
    assert result.returncode == 1 and "No question has choices" in result.stderr
