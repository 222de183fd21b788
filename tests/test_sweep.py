"""The sweep: splits that keep papers whole, choices made on tuning questions alone, advice that says what held."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.questions import Question
from eval.runs import Manifest, Row, Run
from eval.sweep import CORRECT, split_questions, sweep, with_correct
from eval.sweep_records import Choice
from rag_app.errors import UsageError
from rag_app.settings import Settings
from tests.commands import CommandLine
from tests.conftest import SAMPLE_PAPERS

DEFAULT = Choice.of(Settings(), k=8)
QUESTIONS = SAMPLE_PAPERS.parent / "questions" / "sample.jsonl"


def question(id: str, document: str | None) -> Question:
    if document is None:
        return Question(id, "?", "en", "unanswerable", None, (), ())
    return Question(id, "?", "en", "text", document, ("x",), (1,))


def many(papers: int, each: int) -> list[Question]:
    return [question(f"{p}-{i}", f"{p}.pdf") for p in range(papers) for i in range(each)]


def new_run(folder: Path) -> Run:
    return Run.resume(folder, Manifest("sweep", 0))


Measure = Callable[[Choice], Callable[[Question], Row]]


def scoring(value: Callable[[Choice, Question], float], asked: list[tuple[str, str]] | None = None) -> Measure:
    """Measures by a formula; notes (choice, question) in `asked`."""

    def measure(choice: Choice) -> Callable[[Question], Row]:
        def work(one: Question) -> Row:
            if asked is not None:
                asked.append((choice.called(DEFAULT), one.id))
            return Row(one.id, {"language": "en"}, {CORRECT: value(choice, one)})

        return work

    return measure


# --- splitting ------------------------------------------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(1, 8), min_size=2, max_size=8),
    without=st.integers(0, 10),
    share=st.floats(0.1, 0.9),
    seed=st.integers(0, 50),
)
def test_a_paper_is_on_one_side(sizes: list[int], without: int, share: float, seed: int) -> None:
    asked = [question(f"{p}-{i}", f"{p}.pdf") for p, size in enumerate(sizes) for i in range(size)]
    asked += [question(f"none-{i}", None) for i in range(without)]
    split = split_questions(asked, share=share, seed=seed, by="paper")
    assert sorted(one.id for one in (*split.tuning, *split.held_out)) == sorted(one.id for one in asked)
    sides = ({one.document for one in side if one.document} for side in (split.tuning, split.held_out))
    tuning, held_out = sides
    assert tuning and held_out and not tuning & held_out
    assert split == split_questions(asked, share=share, seed=seed, by="paper")


def test_the_share_and_the_seed_decide() -> None:
    asked = many(10, 4)
    split = split_questions(asked, share=0.4, seed=0, by="paper")
    assert len(split.held_out) == 16
    assert split.held_out != split_questions(asked, share=0.4, seed=1, by="paper").held_out
    assert len(split_questions(asked, share=0.25, seed=0, by="question").held_out) == 10


def test_what_cannot_be_split_is_told() -> None:
    with pytest.raises(UsageError, match="--split question"):
        split_questions(many(1, 5), share=0.4, seed=0, by="paper")
    with pytest.raises(UsageError, match="too few"):
        split_questions(many(1, 1), share=0.4, seed=0, by="question")


# --- choosing -------------------------------------------------------------------------------------------------------


def test_the_best_value_is_chosen_and_checked_on_what_was_held_out(tmp_path: Path) -> None:
    """k 12 answers all, k 8 half, everything else nothing more; the weights do not matter."""
    split = split_questions(many(10, 8), share=0.5, seed=0, by="paper")
    half = {one.id for one in (*split.tuning[::2], *split.held_out[::2])}
    asked: list[tuple[str, str]] = []
    value = scoring(lambda choice, one: float(choice.k == 12 or (choice.k == 8 and one.id in half)), asked)
    with new_run(tmp_path) as run:
        found = sweep(run, split, DEFAULT, {"k": (4, 8, 12), "dense": (0.5,)}, value, metric=CORRECT)
    assert found.best == dataclasses.replace(DEFAULT, k=12)
    assert [(one.name, one.score.mean.value, one.kept) for one in found.tried] == [
        ("default", 0.5, True),
        ("dense 0.5", 0.5, False),
        ("k 4", 0.0, False),
        ("k 12", 1.0, True),
    ]
    (step,) = found.steps
    assert (step.factor, step.old, step.new, step.before, step.after) == ("k", 8, 12, 0.5, 1.0)
    assert (step.held_out.before, step.held_out.after, step.held_out.n) == (0.5, 1.0, 40)
    held = {one.id for one in split.held_out}
    assert {name for name, id in asked if id in held} == {"default", "k 12"}, (
        "only what was chosen sees what is held out"
    )
    weights, passages, together = found.advice()
    assert weights.startswith("Leave search.dense at 1: on the 40 tuning questions none of 0.5 was better")
    assert passages.startswith("Set -k = 12 instead of 8 took correct from 0.500 to 1.000 on the 40 tuning questions")
    assert together.startswith("All changes together: correct 0.500 -> 1.000 on the 40 held-out questions, +0.500 [")


def test_a_gain_that_does_not_hold_is_said_to_be_none(tmp_path: Path) -> None:
    """Better on each tuning question, worse on each held-out one: the advice is to leave it."""
    split = split_questions(many(10, 4), share=0.5, seed=0, by="paper")
    held = {one.id for one in split.held_out}
    value = scoring(lambda choice, one: float((choice.k == 12) != (one.id in held)))
    with new_run(tmp_path) as run:
        found = sweep(run, split, DEFAULT, {"k": (12,)}, value, metric=CORRECT)
    advice, together = found.advice()
    assert advice.startswith("Leave -k at 8: -k = 12 instead of 8 took correct from 0.000 to 1.000")
    assert "1.000 -> 0.000" in together


def test_a_small_gain_is_not_certain(tmp_path: Path) -> None:
    split = split_questions(many(10, 4), share=0.5, seed=0, by="paper")
    lucky = {split.tuning[0].id, split.held_out[0].id}
    value = scoring(lambda choice, one: float(choice.k == 12 and one.id in lucky))
    with new_run(tmp_path) as run:
        found = sweep(run, split, DEFAULT, {"k": (12,)}, value, metric=CORRECT)
    assert found.advice()[0].startswith("Not certain: -k = 12") and "chance may explain" in found.advice()[0]


def test_the_best_of_one_factor_stays_for_the_next(tmp_path: Path) -> None:
    split = split_questions(many(4, 4), share=0.5, seed=0, by="paper")
    value = scoring(lambda choice, one: 0.4 * (choice.dense == 2) + 0.4 * (choice.dense == 2 and choice.k == 12))
    with new_run(tmp_path) as run:
        found = sweep(run, split, DEFAULT, {"k": (12,), "dense": (2.0,)}, value, metric=CORRECT)
    assert [one.name for one in found.tried] == ["default", "dense 2", "dense 2, k 12"]
    assert found.best == dataclasses.replace(DEFAULT, dense=2.0, k=12)
    assert found.to_dict()["best"]["k"] == 12
    assert "dense 2, k 12" in found.table()


def test_failures_count_against_a_choice(tmp_path: Path) -> None:
    """A model that answers two questions rightly and fails at the others is not the best."""
    split = split_questions(many(4, 4), share=0.5, seed=0, by="paper")
    few = {one.id for one in split.tuning[:2]}

    def measure(choice: Choice) -> Callable[[Question], Row]:
        def work(one: Question) -> Row:
            if choice.answer == "ollama:weak":
                return Row(one.id, {}, {CORRECT: 1.0}) if one.id in few else Row(one.id, error="it broke down")
            return Row(one.id, {}, {CORRECT: 0.75})

        return work

    with new_run(tmp_path) as run:
        found = sweep(run, split, DEFAULT, {"answer": ("ollama:weak",)}, measure, metric=CORRECT)
    assert found.best == DEFAULT and found.together is None
    assert (found.tried[1].score.mean.value, found.tried[1].score.failed) == (1.0, 6)


def test_a_sweep_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    split = split_questions(many(4, 4), share=0.5, seed=0, by="paper")
    first: list[tuple[str, str]] = []

    def value(choice: Choice, one: Question) -> float:
        if len(first) == 12:
            raise KeyboardInterrupt
        return float(choice.k == 12)

    with new_run(tmp_path) as run, pytest.raises(KeyboardInterrupt):
        sweep(run, split, DEFAULT, {"k": (12,)}, scoring(value, first), metric=CORRECT)
    second: list[tuple[str, str]] = []
    with new_run(tmp_path) as run:
        found = sweep(run, split, DEFAULT, {"k": (12,)}, scoring(lambda c, _: float(c.k == 12), second), metric=CORRECT)
    assert found.best.k == 12
    assert first[-1] == second[0], "the one that was cut off is asked again"
    assert len(set(first) | set(second)) == len(first) + len(second) - 1 == 8 + 8 + 16


def test_an_unknown_metric_is_told(tmp_path: Path) -> None:
    split = split_questions(many(4, 4), share=0.5, seed=0, by="paper")
    with new_run(tmp_path) as run, pytest.raises(UsageError, match="No tuning question has the metric 'rigth'"):
        sweep(run, split, DEFAULT, {"k": (12,)}, scoring(lambda *_: 1.0), metric="rigth")


def test_correct_is_right_or_rightly_refused() -> None:
    assert with_correct(Row("1", {}, {"right": 0.0, "answered": 1.0})).scores[CORRECT] == 0.0
    assert with_correct(Row("2", {}, {"refusal_recall": 1.0})).scores[CORRECT] == 1.0
    assert with_correct(Row("3", error="gone")).scores == {}


def test_a_choice_goes_into_the_settings() -> None:
    choice = dataclasses.replace(DEFAULT, chunk_tokens=90, dense=0.0, answer="ollama:x", text_embedding="ollama:y")
    made = choice.settings(Settings())
    assert Choice.of(made, k=8) == choice and made.ollama == Settings().ollama
    assert choice.called(DEFAULT) == "text_embedding ollama:y, chunk_tokens 90, dense 0, answer ollama:x"


# --- on the command line --------------------------------------------------------------------------------------------


def test_a_sweep_of_a_library(sample_library: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Passages made anew, weights and the search's own metric; the library stays as it is."""
    rag_app = CommandLine(capfd)
    library = Path(shutil.copytree(sample_library, tmp_path / "library"))
    before = (library / "library.sqlite").read_bytes()
    command = ("eval", "sweep", QUESTIONS, "--library", library, "--run", tmp_path / "run", "--metric", "ndcg@5")
    values = ("--chunk-tokens", "60,180", "--dense", "0,1")
    shown = rag_app.json(*command, *values)
    assert shown["split"]["by"] == "paper" and len(shown["split"]["held_out_papers"]) == 1
    assert [one["name"] for one in shown["tried"]][:2] == ["default", "chunk_tokens 60"]
    assert len(shown["tried"]) == 3 and shown["advice"]
    assert {one["score"]["failed"] for one in shown["tried"]} == {0}
    assert (library / "library.sqlite").read_bytes() == before
    again = rag_app.json(*command, *values, "--resume")
    assert {**again, "summary": None, "written": None} == {**shown, "summary": None, "written": None}
    assert Run.open(tmp_path / "run").kept("sweep")["advice"] == shown["advice"]


def test_what_does_not_go_together_is_told(sample_library: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rag_app = CommandLine(capfd)
    result = rag_app("eval", "sweep", QUESTIONS, "--library", sample_library, "--metric", "ndcg@5", "-k", "4,8")
    assert result.returncode == 2 and "ndcg@5 is of the search" in result.stderr
    result = rag_app("eval", "sweep", QUESTIONS, "--library", sample_library, "--dense", "much")
    assert result.returncode == 2 and "no list of numbers" in result.stderr
    result = rag_app("eval", "sweep", QUESTIONS, "--library", sample_library, "--chunk-tokens", "8")
    assert result.returncode == 2 and "8 is less than 32" in result.stderr
