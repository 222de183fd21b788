"""What Ragas 0.4.3 was measured to do wrong in how it asks and keeps, one class a trap: none of it reaches a user here.

The traps in what it makes of replies, 5, 6 and 9, are in test_replies.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding

from adapters.names import load_model, parse_model_name
from eval.judging import Judge
from tests.judging.models import Body, form_of, reply, row, settings_for
from tests.ollama_server import Fault, Model, OllamaServer

FAITHFULNESS = "ragas_faithfulness"


class TestOneLoop:
    """1: a judge with a sync client raises TypeError even in `.score()`. 2: each `.score()` has a new loop, in which an
    async client of the one before breaks ("Connection error")."""

    def test_plain_code_judges_again_and_again(self, judge_of: Callable[..., Judge]) -> None:
        made = judge_of()
        for turn in range(6):
            [judged] = made.judge([row("a", question=f"Question {turn}?")])
            assert judged.scores == {FAITHFULNESS: 0.5} and not judged.unscored
        assert made.cost.failed == 0

    def test_two_threads_judge_at_once(self, judge_of: Callable[..., Judge]) -> None:
        made, came = judge_of(), list[Any]()

        def work(name: str) -> None:
            came.extend(made.judge([row(f"{name}{i}", question=f"{name} {i}?") for i in range(5)]))

        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(came) == 10 and all(one.scores == {FAITHFULNESS: 0.5} for one in came)

    def test_inside_a_running_loop(self, judge_of: Callable[..., Judge]) -> None:
        import asyncio

        async def notebook() -> None:
            [judged] = await judge_of().ajudge([row("a")])
            assert judged.scores == {FAITHFULNESS: 0.5}

        asyncio.run(notebook())


class TestBoundedBatches:
    """3: `abatch_score` sends everything at once, and one bad row raises for the whole batch."""

    @pytest.mark.parametrize("parallel", [1, 3])
    def test_never_more_in_flight_than_said(
        self, judge_of: Callable[..., Judge], server: OllamaServer, parallel: int
    ) -> None:
        server.models[0].latency_s = 0.1
        rows = [row(f"r{i}", question=f"{i}?", contexts=[f"Context {i}."]) for i in range(9)]
        judged = judge_of(parallel=parallel).judge(rows)
        assert min(parallel, 2) <= server.scheduler.peak <= parallel
        assert [one.id for one in judged] == [one.id for one in rows]

    def test_one_bad_row_leaves_the_others(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        server.fail(Fault.CONTEXT_EXCEEDED, times=99, where=lambda request: "question 3?" in request.prompt)
        judged = judge_of().judge([row(f"r{i}", question=f"question {i}?") for i in range(6)])
        assert [bool(one.scores) for one in judged] == [True, True, True, False, True, True]
        assert "does not fit" in judged[3].unscored[FAITHFULNESS]


class TestCacheKnowsItsJudge:
    """4: the key of DiskCacheBackend has no model and no temperature, so that judge B gets judge A's verdicts; its
    values are pickles; what is asked with pictures is not kept at all."""

    def test_another_judge_is_asked(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        def kind(body: Body, images: list[bytes]) -> str:
            said = reply(body, images)
            for one in said["statements"] if form_of(body) == "NLIStatementOutput" else ():
                one["verdict"] = 1
            return json.dumps(said)

        server.models.append(Model("kind", {"completion"}, replies=kind))
        scores = [judge_of(name=name).judge([row("a")])[0].scores for name in ("judge", "kind", "judge")]
        assert scores == [{FAITHFULNESS: 0.5}, {FAITHFULNESS: 1.0}, {FAITHFULNESS: 0.5}]
        assert [request.model for request in server.writing()] == ["judge", "judge", "kind", "kind"]

    def test_other_weights_under_the_name_are_asked(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        for digest, requests in (("one", 2), ("two", 4), ("one", 4)):
            judge_of(digest=digest).judge([row("a")])
            assert len(server.writing()) == requests

    def test_the_three_questions_of_response_relevancy_are_three_samples(
        self, judge_of: Callable[..., Judge], server: OllamaServer
    ) -> None:
        """One prompt, put three times: the second and third must not come from the disk."""
        embedding = load_model("text_embedding", parse_model_name("builtin"))
        made = judge_of("response_relevancy", embedding=embedding)
        made.judge([row("a")])
        sent = [(request.options["seed"], request.options["temperature"]) for request in server.writing()]
        assert sent == [(0, 0.0), (3, 0.3), (6, 0.3)]
        made.judge([row("a")])
        assert len(server.writing()) == 3

    def test_pictures_are_part_of_the_key(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        from tests.judging.test_scores import png

        for colour, requests in (("red", 1), ("blue", 2), ("red", 2)):
            pictures = {"n0": png(colour)}
            judge_of("multimodal_relevance").judge([row("a", pictured=[0])], pictures=pictures.get)
            assert len(server.writing()) == requests

    def test_it_is_json_and_a_damaged_file_is_asked_anew(
        self, judge_of: Callable[..., Judge], server: OllamaServer, tmp_path: Path
    ) -> None:
        judge_of().judge([row("a")])
        files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
        assert len(files) == 2 and all(json.loads(path.read_text())["judge"] == "ollama:judge" for path in files)
        for path, damage in zip(files, (b"", b'{"reply": {"statements": [7]}}'), strict=True):
            path.write_bytes(damage)
        assert judge_of().judge([row("a")])[0].scores == {FAITHFULNESS: 0.5}
        assert len(server.writing()) == 4


class TestTelemetry:
    """7: it posts what it is used for and writes an id into the user's folder; RAGAS_DO_NOT_TRACK=1 changes nothing."""

    def test_nothing_is_sent_or_written_but_to_judge_and_cache(self, server: OllamaServer, tmp_path: Path) -> None:
        home, cache, temporary = tmp_path / "home", tmp_path / "cache", tmp_path / "temporary"
        home.mkdir()
        temporary.mkdir()
        program = f"""
            import os, sys
            reached, written = set(), set()
            def watch(event, values):
                if event == "socket.connect" and isinstance(values[1], tuple):
                    reached.add(values[1][:2])
                elif event == "socket.getaddrinfo":
                    reached.add((values[0], values[1]))
                elif event == "open" and isinstance(values[0], str) and values[2] & (os.O_WRONLY | os.O_RDWR):
                    written.add(values[0])
                elif event in ("os.mkdir", "os.rename"):
                    written.add(str(values[0]))
            sys.addaudithook(watch)
            {{before}}
            from pathlib import Path
            from eval.judging import Judge
            from rag_app.settings import Ollama, Settings
            from tests.judging.models import row
            settings = Settings(ollama=Ollama(host={server.url!r}))
            [judged] = Judge.by_name("judge", settings=settings, cache=Path({str(cache)!r})).judge([row("a")])
            assert len(judged.scores) == 6, judged
            from ragas._analytics import do_not_track
            assert do_not_track()
            allowed = ({str(cache)!r}, {str(temporary)!r}, os.devnull)
            print([port for _, port in reached])
            print([name for name in written if not name.startswith(allowed)])
        """
        for before in ("", "from ragas._analytics import do_not_track; assert not do_not_track()"):
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(program).replace("{before}", before)],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                env={
                    "HOME": str(home),
                    "TMPDIR": str(temporary),
                    "PATH": "/usr/bin:/bin",
                    "RAGAS_DO_NOT_TRACK": "1",
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONPATH": str(Path(__file__).parent.parent),
                },
            )
            assert done.returncode == 0, done.stderr
            reached, written = done.stdout.splitlines()
            assert set(json.loads(reached)) == {int(server.url.rsplit(":", 1)[1])}
            assert written == "[]"
            assert [*home.rglob("*"), *temporary.rglob("*")] == []


class TestModelsByOurAdapters:
    """8: its metrics refuse LlamaIndex models and embeddings, and wrappers of them."""

    def test_ragas_refuses_what_we_judge_with(self, judge_of: Callable[..., Judge], server: OllamaServer) -> None:
        model = load_model("judge", parse_model_name("judge"), settings_for(server))
        embedding = load_model("text_embedding", parse_model_name("builtin"))
        judge_of().judge([row("a")])  # loads Ragas as it is loaded here
        from ragas.metrics.collections import AnswerRelevancy, Faithfulness

        with pytest.raises(ValueError, match="only support modern"):
            Faithfulness(llm=model)
        with pytest.raises(ValueError, match="only support modern"):
            AnswerRelevancy(llm=model, embeddings=embedding)
        assert isinstance(embedding, BaseEmbedding)
        [judged] = judge_of("response_relevancy", embedding=embedding).judge([row("a")])
        assert set(judged.scores) == {"ragas_response_relevancy"}


class TestContextsAreTexts:
    """Found while reading its source: the multimodal metrics fetch a passage that is an address, and read one that is
    the path of a file."""

    def test_no_passage_is_opened(
        self, judge_of: Callable[..., Judge], server: OllamaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tests.judging.test_scores import png

        (tmp_path / "secret.png").write_bytes(png("black"))
        monkeypatch.chdir(tmp_path)
        address = f"{server.url}/api/tags"
        contexts = [address, str(tmp_path / "secret.png"), "secret.png", "A figure."]
        judge_of("multimodal_faithfulness").judge(
            [row("a", contexts=contexts, pictured=[3])], pictures=lambda node: png("red")
        )
        [asked] = server.writing()
        assert len(asked.images) == 1
        assert all(context in asked.prompt for context in contexts)
        assert [request.path for request in server.requests if request.path == "/api/tags"] == []
