"""What Ragas 0.4.3 was measured to make of a judge's replies, one class a trap: none of it reaches a user here.

The other traps are in test_traps.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding

from adapters.names import load_model, parse_model_name
from eval.judging import Judge
from tests.judging.models import Body, form_of, judge, reply, row, scripted, settings_for
from tests.ollama_server import Fault, OllamaServer

FAITHFULNESS = "ragas_faithfulness"


class TestBadReplies:
    """5: a bad reply raises after three or four tries or becomes NaN; a timeout is three times as long as said."""

    @pytest.mark.parametrize("fault", [Fault.NOT_JSON, Fault.WRONG_SHAPE, Fault.CUT, Fault.NO_DONE, Fault.LENGTH])
    def test_asked_again(self, judge_of: Callable[..., Judge], server: OllamaServer, fault: Fault) -> None:
        server.fail(fault)
        made = judge_of()
        assert made.judge([row("a")])[0].scores == {FAITHFULNESS: 0.5}
        assert made.cost.failed == 0

    def test_what_was_wrong_is_said_to_the_judge(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        server.fail(Fault.WRONG_SHAPE)
        judge_of().judge([row("a")])
        assert "could not be used: statements: Field required" in server.writing()[1].prompt

    @pytest.mark.parametrize("fault", [Fault.NOT_JSON, Fault.WRONG_SHAPE])
    def test_never_a_good_reply(self, judge_of: Callable[..., Judge], server: OllamaServer, fault: Fault) -> None:
        server.fail(fault, times=99)
        made = judge_of()
        [judged] = made.judge([row("a")])
        assert judged.scores == {}
        assert "ollama:judge did not give what was asked for in 3 tries" in judged.unscored[FAITHFULNESS]
        assert len(server.writing()) <= 6 and (made.cost.questions, made.cost.failed) == (1, 1)

    def test_repaired_without_asking_again(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        server.models[0].replies = lambda body, images: f"```json\n{judge(body, images)}\n```"
        assert judge_of().judge([row("a")])[0].scores == {FAITHFULNESS: 0.5}
        assert len(server.writing()) == 2

    def test_a_bare_list_is_taken(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        server.models[0].replies = lambda body, images: json.dumps(reply(body, images)["statements"])
        assert judge_of().judge([row("a")])[0].scores == {FAITHFULNESS: 0.5}
        assert len(server.writing()) == 2

    def test_the_time_for_a_question_is_the_time_said(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        judge_of().judge([row("warm")])  # Ragas is loaded
        server.fail(Fault.SILENT, where=lambda request: "slow?" in request.prompt)
        started = time.perf_counter()
        slow, fast = judge_of(timeout_s=0.5).judge([row("slow", question="slow?"), row("fast", question="fast?")])
        assert 0.5 <= time.perf_counter() - started < 1.4
        assert "did not answer a question of the judge within 0.5 s" in slow.unscored[FAITHFULNESS]
        assert fast.scores == {FAITHFULNESS: 0.5}

    def test_a_server_that_is_gone_is_not_asked_for_ever(
        self, judge_of: Callable[..., Judge], server: OllamaServer, tmp_path: Path
    ) -> None:
        kept = row("kept", question="Kept?", contexts=["Kept."])
        judge_of().judge([kept])
        model = load_model("judge", parse_model_name("judge"), settings_for(server, retries=0))
        made = Judge(model, None, metrics=["faithfulness"], cache=tmp_path / "cache")
        server.close()
        judged = made.judge([*(row(f"r{i}", question=f"{i}?") for i in range(20)), kept])
        assert made.cost.requests == 3
        assert "No Ollama answers" in judged[2].unscored[FAITHFULNESS]
        assert "not asked: it could not be reached 3 times in a row" in judged[19].unscored[FAITHFULNESS]
        assert judged[20].scores == {FAITHFULNESS: 0.0}  # from the disk


class TestSchema:
    """6: the judge is told only "JSON", with 1,024 tokens for the reply."""

    def test_every_question_carries_its_schema_and_room_for_the_reply(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        judge_of("faithfulness", "context_recall").judge([row("a")])
        for request in server.writing():
            assert request.body["format"]["type"] == "object" and request.body["format"]["required"]
            assert request.options["num_predict"] == 4096 and request.options["temperature"] == 0.0
            assert request.options["num_ctx"] >= 4096 + len(request.prompt) // 8
        verdict = server.writing()[1].body["format"]["$defs"]["StatementFaithfulnessAnswer"]["properties"]["verdict"]
        assert verdict["enum"] == [0, 1]

    @pytest.mark.parametrize("verdict", [2, -1, 7])
    def test_a_verdict_that_is_none_is_not_taken(
        self, judge_of: Callable[..., Judge], server: OllamaServer, verdict: int
    ) -> None:
        """Ragas takes 2 for "held", and for two passages that help."""

        def change(body: Body, said: Body) -> None:
            if form_of(body) == "ContextPrecisionOutput":
                said["verdict"] = verdict

        scripted(server, change)
        [judged] = judge_of("context_precision").judge([row("a")])
        assert f"verdict is {verdict}, neither 0 nor 1" in judged.unscored["ragas_context_precision"]


class ZeroEmbedding(BaseEmbedding):
    """Every text is the zero vector."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [0.0, 0.0]

    def _get_query_embedding(self, query: str) -> list[float]:
        return [0.0, 0.0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return [0.0, 0.0]


class TestNothingIsHidden:
    """9: NaN, `raise_exceptions=False`, and replies that say nothing hide failures: they become NaN, 0, or 1."""

    def test_not_a_number_is_not_scored(self, judge_of: Callable[..., Judge]) -> None:
        with pytest.warns(RuntimeWarning, match="invalid value"):
            [judged] = judge_of("response_relevancy", embedding=ZeroEmbedding()).judge([row("a")])
        assert judged.unscored == {"ragas_response_relevancy": "Ragas gives no value (nan)."}

    @pytest.mark.parametrize(
        ("metric", "form", "field"),
        [
            ("faithfulness", "StatementGeneratorOutput", "statements"),  # Ragas: NaN
            ("faithfulness", "NLIStatementOutput", "statements"),  # NaN
            ("context_recall", "ContextRecallOutput", "classifications"),  # NaN
            ("factual_correctness", "ClaimDecompositionOutput", "claims"),  # 0
            ("factual_correctness", "NLIStatementOutput", "statements"),  # 0
            ("answer_correctness", "StatementGeneratorOutput", "statements"),  # facts count as a perfect match
        ],
    )
    def test_an_empty_list_is_no_reply(
        self, judge_of: Callable[..., Judge], server: OllamaServer, metric: str, form: str, field: str
    ) -> None:
        def change(body: Body, said: Body) -> None:
            if form_of(body) == form:
                said[field] = []

        scripted(server, change)
        embedding = load_model("text_embedding", parse_model_name("builtin"))
        [judged] = judge_of(metric, embedding=embedding).judge([row("a")])
        assert judged.scores == {}
        assert f"{field} holds nothing" in judged.unscored[f"ragas_{metric}"]

    def test_missing_verdicts_are_missed(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        """Ragas takes the share of the verdicts that came: 1.0 for a judge that leaves out what is not held."""

        def change(body: Body, said: Body) -> None:
            if form_of(body) == "NLIStatementOutput":
                said["statements"] = [one for one in said["statements"] if one["verdict"]]

        scripted(server, change)
        [judged] = judge_of().judge([row("a")])
        assert "there are 1 verdicts on 2 statements" in judged.unscored[FAITHFULNESS]

    def test_a_question_that_was_not_made_is_no_zero(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        scripted(server, lambda body, said: said.update(question=" "))
        embedding = load_model("text_embedding", parse_model_name("builtin"))
        [judged] = judge_of("response_relevancy", embedding=embedding).judge([row("a")])
        assert "question is empty" in judged.unscored["ragas_response_relevancy"]

    def test_a_failure_inside_ragas_is_that_rows_alone(self, judge_of: Callable[..., Judge]) -> None:
        class Odd(ZeroEmbedding):
            async def _aget_text_embedding(self, text: str) -> list[float]:
                return [1.0] * (3 if "odd" in text else 2)

        rows = [row("odd", question="odd?"), row("even", question="even?")]
        odd, even = judge_of("response_relevancy", embedding=Odd()).judge(rows)
        assert "Ragas failed on it (ValueError" in odd.unscored["ragas_response_relevancy"]
        assert even.scores == {"ragas_response_relevancy": pytest.approx(1.0)}
