"""Rows judged through Ragas by a scripted judge on a real socket: every score worked out by hand, every row counted."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from eval.judging import METRICS, TEXT_METRICS, Judge, Judgement, loading, read_metrics
from eval.runs import Row
from rag_app.errors import ModelNotInstalled, ModelUnsuitable, UnknownName, UsageError
from tests.judging.models import NAME, judge, row, settings_for
from tests.ollama_server import Model, OllamaServer

MULTIMODAL = ("multimodal_faithfulness", "multimodal_relevance")


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    models = [
        Model("judge", {"completion", "vision"}, replies=judge),
        Model("blind", {"completion"}, replies=judge),
        Model("embed", {"embedding"}),
    ]
    with OllamaServer(models) as running:
        yield running


@pytest.fixture
def judge_of(server: OllamaServer, tmp_path: Path) -> Callable[..., Judge]:
    def make(*metrics: str, name: str = NAME, embedding: str = "ollama:embed") -> Judge:
        return Judge.by_name(
            name,
            settings=settings_for(server),
            cache=tmp_path / "cache",
            metrics=metrics or TEXT_METRICS,
            embedding=embedding,
        )

    return make


def png(colour: str = "red") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(written, "PNG")
    return written.getvalue()


class TestScoresByHand:
    """The judge of tests.judging.models judges by the letter."""

    def test_faithfulness_is_the_share_of_statements_held(self, judge_of: Callable[..., Judge]) -> None:
        answer = "The model starts at 0.07. It ends at 9. Cats sleep. Dogs bark."
        [judged] = judge_of("faithfulness").judge([row("a", answer=answer)])
        assert judged == Judgement("a", {"ragas_faithfulness": 2 / 4}, {}, judged.seconds)

    def test_context_precision_is_average_precision(self, judge_of: Callable[..., Judge]) -> None:
        held, other = "It says: the model starts at 0.07.", "Cats sleep."
        [judged] = judge_of("context_precision").judge([row("a", contexts=[other, held, other, held])])
        assert judged.scores["ragas_context_precision"] == pytest.approx((1 / 2 + 2 / 4) / 2, abs=1e-9)

    def test_context_recall_is_the_share_of_the_gold_answer(self, judge_of: Callable[..., Judge]) -> None:
        gold = "The model starts at 0.07. It ends at 9. It rests at 3."
        [judged] = judge_of("context_recall").judge([row("a", gold=[gold])])
        assert judged.scores["ragas_context_recall"] == pytest.approx(1 / 3)

    def test_factual_correctness_is_f1_of_both_directions(self, judge_of: Callable[..., Judge]) -> None:
        # Of the answer's 3 claims 1 is in the gold answer: TP 1, FP 2. Of the gold's 2 claims 1 is not in it: FN 1.
        answer, gold = "A rose is red. Cats sleep. Dogs bark.", "A rose is red. The sky is blue."
        [judged] = judge_of("factual_correctness").judge([row("a", answer=answer, gold=[gold])])
        precision, recall = 1 / 3, 1 / 2
        f1 = 2 * precision * recall / (precision + recall)
        assert judged.scores["ragas_factual_correctness"] == pytest.approx(round(f1, 2))

    def test_answer_correctness_is_f1_and_similarity(self, judge_of: Callable[..., Judge]) -> None:
        answer, gold = "A rose is red. Cats sleep. Dogs bark.", "A rose is red. The sky is blue."
        made = judge_of("answer_correctness")
        [judged] = made.judge([row("a", answer=answer, gold=[gold])])
        f1 = 2 * 1 / (2 * 1 + 2 + 1)  # TP 1, FP 2, FN 1
        assert judged.scores["ragas_answer_correctness"] == pytest.approx(0.75 * f1 + 0.25 * cosine(made, answer, gold))

    def test_response_relevancy_is_the_cosine_to_questions_made_from_the_answer(
        self, judge_of: Callable[..., Judge]
    ) -> None:
        made = judge_of("response_relevancy")
        question, answer = "Where does the model start?", "The model starts at 0.07."
        same, near, evasive = made.judge(
            [
                row("same", question=answer, answer=answer),
                row("near", question=question, answer=answer),
                row("evasive", question=question, answer="It perhaps starts somewhere."),
            ]
        )
        assert same.scores["ragas_response_relevancy"] == pytest.approx(1.0)
        assert near.scores["ragas_response_relevancy"] == pytest.approx(max(0.0, cosine(made, question, answer)))
        assert evasive.scores["ragas_response_relevancy"] == 0.0

    def test_pictures_are_seen_by_the_multimodal_metrics(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        one = row("one", pictured=[1])
        two = row("two", pictured=[0, 1], question="And two?", answer="Two things.")
        none = row("none")
        judged = judge_of(*MULTIMODAL).judge([one, two, none], pictures=lambda node: png())
        assert [each.scores for each in judged] == [
            {"ragas_multimodal_faithfulness": 1.0, "ragas_multimodal_relevance": 1.0},
            {"ragas_multimodal_faithfulness": 0.0, "ragas_multimodal_relevance": 0.0},
            {},
        ]
        assert not any(each.unscored for each in judged)  # without a picture they do not apply
        asked = server.writing()[0]
        [picture] = asked.images
        with Image.open(io.BytesIO(picture)) as seen:
            assert seen.size == (64, 64) and seen.getpixel((9, 9)) == (255, 0, 0)
        text = asked.prompt
        assert text.index("the model starts") < text.index("Cats sleep.") < text.index("[Image context 3]")

    def test_four_pictures_are_shown_at_most(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        asked = row("a", contexts=[f"Figure {i}." for i in range(6)], pictured=range(6))
        judge_of("multimodal_relevance").judge([asked], pictures=lambda node: png())
        assert len(server.writing()[0].images) == 4

    def test_a_picture_in_a_format_ragas_does_not_know_is_still_a_picture(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        written = io.BytesIO()
        Image.new("RGB", (64, 64), "blue").save(written, "TIFF")
        judge_of("multimodal_relevance").judge([row("a", pictured=[0])], pictures=lambda node: written.getvalue())
        [asked] = server.writing()
        assert len(asked.images) == 1
        assert base64.b64encode(written.getvalue()).decode() not in asked.prompt


def cosine(made: Judge, one: str, other: str) -> float:
    import numpy as np

    embedding = made._embedding  # the very one that judged
    assert embedding is not None
    first, second = (np.array(embedding.get_text_embedding(text)) for text in (one, other))
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


class TestWhatIsJudged:
    def test_persian(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        asked = row(
            "fa",
            question="دمای آغازین مدل چند است؟",
            answer="دمای آغازین مدل ۰٫۰۷ است [1]. گربه‌ها می‌خوابند [2].",
            gold=["دمای آغازین مدل ۰٫۰۷ است."],
            contexts=["می‌دانیم که دمای آغازین مدل ۰٫۰۷ است."],
            language="fa",
        )
        made = judge_of()
        [judged] = made.judge([asked])
        assert not judged.unscored
        assert judged.scores["ragas_faithfulness"] == 1 / 2
        assert judged.scores["ragas_context_recall"] == 1.0
        assert judged.scores["ragas_factual_correctness"] == pytest.approx(0.67)
        prompts = [request.prompt for request in server.writing()]
        assert all("\\u06" not in prompt for prompt in prompts)
        assert all("not in English" in request.body["messages"][0]["content"] for request in server.writing())

    def test_an_embedding_without_persian_judges_no_persian(self, judge_of: Callable[..., Judge]) -> None:
        asked = row("fa", question="چند؟", answer="هفت.", gold=["هفت."], contexts=["هفت."], language="fa")
        [judged] = judge_of("answer_correctness", "faithfulness", embedding="builtin").judge([asked])
        assert judged.scores == {"ragas_faithfulness": 1.0}
        assert "knows en and not fa" in judged.unscored["ragas_answer_correctness"]

    def test_english_is_asked_with_ragas_own_words_only(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        judge_of("faithfulness").judge([row("a")])
        assert [len(request.body["messages"]) for request in server.writing()] == [1, 1]

    def test_citation_marks_are_no_part_of_the_answer(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        judge_of("faithfulness").judge([row("a", answer="The model starts at 0.07 [1][12]. Cats sleep [2].")])
        assert "The model starts at 0.07. Cats sleep." in server.writing()[0].prompt

    def test_refusals(self, judge_of: Callable[..., Judge]) -> None:
        wrongly = row("wrongly", answer="The papers do not say.", refused=True)
        rightly = row("rightly", answer="The papers do not say.", refused=True, gold=(), kind="unanswerable")
        first, second = judge_of().judge([wrongly, rightly])
        assert set(first.scores) == {"ragas_context_precision", "ragas_context_recall"}
        assert set(first.unscored) == {
            "ragas_faithfulness",
            "ragas_response_relevancy",
            "ragas_factual_correctness",
            "ragas_answer_correctness",
        }
        assert all("refusal" in reason for reason in first.unscored.values())
        assert (second.scores, second.unscored) == ({}, {})

    def test_an_answer_to_what_has_none_is_judged_without_gold(self, judge_of: Callable[..., Judge]) -> None:
        [judged] = judge_of().judge([row("a", gold=(), kind="unanswerable")])
        assert set(judged.scores) == {"ragas_faithfulness", "ragas_response_relevancy"}
        assert not judged.unscored

    def test_rows_of_retrieval(self, judge_of: Callable[..., Judge]) -> None:
        [judged] = judge_of().judge([row("a", answer=None)])
        assert set(judged.scores) == {"ragas_context_precision", "ragas_context_recall"}
        assert not judged.unscored

    def test_a_failed_row_and_another_kind_of_row_are_left_alone(self, judge_of: Callable[..., Judge]) -> None:
        failed, other = Row("failed", error="It broke."), Row("quiz", record={"question": {"id": "quiz"}})
        assert [(one.scores, one.unscored) for one in judge_of().judge([failed, other])] == [({}, {}), ({}, {})]

    def test_all_gold_answers_count_over_several_pages_and_one_elsewhere(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        golds = ["It starts at 0.07.", "It ends at 9."]
        rows = [row("one", gold=golds), row("all", gold=golds, kind="cross_page")]
        judge_of("context_recall").judge(rows)
        one, both = (request.prompt for request in server.writing())
        assert "It ends at 9." not in one.rsplit("input:", 1)[1]
        assert "It starts at 0.07.; It ends at 9." in both

    def test_judgements_fit_their_rows(self, judge_of: Callable[..., Judge]) -> None:
        rows = [row("a"), row("b", answer="", contexts=["The model starts at 0.07."])]
        for before, judged in zip(rows, judge_of().judge(rows), strict=True):
            after = before.with_scores(judged.scores, judged.unscored)
            assert len(after.scores) + len(after.unscored) == len(TEXT_METRICS)
        assert judged.unscored["ragas_faithfulness"] == "The answer is empty."


class TestCost:
    def test_questions_requests_and_tokens_are_counted(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        first = judge_of("faithfulness")
        first.judge([row("a"), row("b", question="Why?")])
        cost = first.cost
        # Two questions a row; whether the passages hold the statements is asked alike for both.
        assert (cost.questions, cost.cached, cost.failed, cost.requests) == (4, 1, 0, 3)
        assert cost.prompt_tokens > 1000 and cost.reply_tokens > 0 and cost.seconds > 0
        assert len(server.writing()) == 3

        again = judge_of("faithfulness")
        again.judge([row("a"), row("b", question="Why?")])
        assert (again.cost.questions, again.cost.cached, again.cost.requests) == (4, 4, 0)
        assert len(server.writing()) == 3

    def test_judgements_come_one_by_one(self, judge_of: Callable[..., Judge]) -> None:
        came: list[Judgement] = []
        judged = judge_of("faithfulness").judge([row("a"), row("b"), row("c")], on_row=came.append)
        assert came == judged and [one.id for one in came] == ["a", "b", "c"]


class TestNames:
    def test_metrics_by_name(self) -> None:
        assert read_metrics(["context_recall", " ragas_faithfulness", ""]) == ("faithfulness", "context_recall")
        with pytest.raises(UnknownName, match="Did you mean faithfulness"):
            read_metrics(["faithfullness"])
        assert set(TEXT_METRICS) | set(MULTIMODAL) == set(METRICS)

    def test_who_can_judge(self, judge_of: Callable[..., Judge]) -> None:
        with pytest.raises(UnknownName, match="role judge cannot be filled by builtin: this version knows hf, ollama"):
            judge_of(name="builtin")
        with pytest.raises(ModelNotInstalled, match="judge"):
            judge_of(name="ollama:juge")
        with pytest.raises(ModelUnsuitable, match="only embeds"):
            judge_of(name="ollama:embed")
        with pytest.raises(ModelUnsuitable, match="reads no pictures"):
            judge_of("multimodal_relevance", name="ollama:blind")
        with pytest.raises(ModelUnsuitable, match="makes no embeddings"):
            judge_of("answer_correctness", embedding="ollama:blind")

    def test_what_needs_an_embedding_says_so(self, judge_of: Callable[..., Judge], tmp_path: Path) -> None:
        model = judge_of()._model
        with pytest.raises(UsageError, match="need an embedding"):
            Judge(model, None, cache=tmp_path)
        assert Judge(model, None, metrics=["faithfulness"], cache=tmp_path).judge([row("a")])[0].scores

    def test_identity_names_what_decides_the_scores(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        alone = {
            "model": "ollama:judge",
            "digest": server.models[0].digest,
            "embedding": None,
            "metrics": ["faithfulness"],
            "ragas": "0.4.3",
        }
        assert judge_of("faithfulness").identity == alone
        both = ("answer_correctness", "faithfulness")
        more = {"embedding": "ollama:embed", "metrics": ["faithfulness", "answer_correctness"]}
        assert judge_of(*both).identity == {**alone, **more}


class TestWithoutRagas:
    def test_it_says_how_to_install_it(self, judge_of: Callable[..., Judge], monkeypatch: pytest.MonkeyPatch) -> None:
        def absent(name: str) -> str:
            raise loading.PackageNotFoundError(name)

        monkeypatch.setattr(loading, "version", absent)
        with pytest.raises(UsageError, match=r"ragas, which is not installed. Run: pip install 'rag-app\[eval\]'"):
            judge_of()
        monkeypatch.setattr(loading, "version", lambda name: "0.5.0")
        with pytest.raises(UsageError, match=r"needs ragas 0.4.3, and 0.5.0 is installed"):
            judge_of()

    def test_a_broken_installation_says_how_to_mend_it(self) -> None:
        program = (
            "import sys\n"
            "sys.modules['langchain_community.chat_models.vertexai'] = None  # as langchain-community 0.4 has it\n"
            "from eval.judging.loading import load_bridge\n"
            "from rag_app.errors import UsageError\n"
            "try: load_bridge()\n"
            "except UsageError as exc: print(exc)"
        )
        assert "cannot be loaded here" in run(program) and "pip install 'rag-app[eval]'" in run(program)

    def test_naming_a_judge_loads_no_ragas(self) -> None:
        program = "import sys, eval.judging\neval.judging.Judge, eval.judging.METRICS\nprint('ragas' in sys.modules)"
        assert run(program) == "False"


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
