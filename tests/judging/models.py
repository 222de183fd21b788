"""A scripted judge for the protocol server, so plain that its scores can be worked out by hand; and rows to judge."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from eval.runs import Row
from rag_app.settings import Ollama, Settings
from tests.ollama_server import OllamaServer

Body = dict[str, Any]  # Any: JSON
NAME = "ollama:judge"


def settings_for(server: OllamaServer, *, parallel: int = 1, retries: int = 3) -> Settings:
    return Settings(ollama=Ollama(host=server.url, parallel=parallel, retries=retries))


def form_of(body: Body) -> str:
    """The name of the form that Ragas asks for."""
    return body["format"]["title"]


def input_of(body: Body) -> Body:
    """What Ragas' prompt of text asks about."""
    prompt = body["messages"][-1]["content"]
    return json.loads(re.search(r"following input\ninput: (\{.*?\n\})\nOutput: ", prompt, re.DOTALL)[1])  # type: ignore[index]  # it is there


def sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.؟?!])\s+", text) if part.strip()]


def holds(context: str, statement: str) -> bool:
    return statement.rstrip(".").lower() in context.lower()


def judge(body: Body, images: list[bytes]) -> str:
    """Judges by the letter: a statement is held by a context that holds its words. Sentences are its statements.

    A question made from an answer is the answer itself; an answer with "perhaps" is evasive. Pictures are judged by
    their number: one is faithful, two are not.
    """
    return json.dumps(reply(body, images), ensure_ascii=False)


def reply(body: Body, images: list[bytes]) -> Body:
    form = form_of(body)
    if form.startswith("MultiModal"):
        key = "faithful" if "Faithfulness" in form else "relevant"
        return {key: len(images) == 1, "reason": f"{len(images)} pictures"}
    given = input_of(body)
    if form == "StatementGeneratorOutput":
        return {"statements": sentences(given["answer"])}
    if form == "ClaimDecompositionOutput":
        return {"claims": sentences(given["response"])}
    if form == "NLIStatementOutput":
        return {
            "statements": [
                {"statement": one, "reason": "by the letter", "verdict": int(holds(given["context"], one))}
                for one in given["statements"]
            ]
        }
    if form == "ContextPrecisionOutput":
        return {"reason": "by the letter", "verdict": int(holds(given["context"], given["answer"]))}
    if form == "ContextRecallOutput":
        return {
            "classifications": [
                {"statement": one, "reason": "by the letter", "attributed": int(holds(given["context"], one))}
                for one in sentences(given["answer"])
            ]
        }
    if form == "AnswerRelevanceOutput":
        return {"question": given["response"], "noncommittal": int("perhaps" in given["response"])}
    assert form == "ClassificationWithReason", form
    mine, gold = given["answer"], given["ground_truth"]
    sorted_out = {
        "TP": [one for one in mine if one in gold],
        "FP": [one for one in mine if one not in gold],
        "FN": [one for one in gold if one not in mine],
    }
    return {name: [{"statement": one, "reason": "-"} for one in listed] for name, listed in sorted_out.items()}


def row(
    identity: str,
    *,
    question: str = "Where does the model start?",
    answer: str | None = "The model starts at 0.07. It ends at 9.",
    gold: Sequence[str] = ("The model starts at 0.07.",),
    contexts: Sequence[str] = ("We say: the model starts at 0.07.", "Cats sleep."),
    language: str = "en",
    kind: str = "text",
    refused: bool = False,
    pictured: Sequence[int] = (),
    **more: Any,
) -> Row:
    """A row of a run of answers; of retrieval where `answer` is None."""
    passages = [
        {
            "node_id": f"n{place}",
            "document": "a.pdf",
            "text": text,
            "image": f"n{place}.png" if place in pictured else None,
        }
        for place, text in enumerate(contexts)
    ]
    asked = {"id": identity, "question": question, "language": language, "kind": kind, "answers": list(gold)}
    found = (
        {"hits": passages}
        if answer is None
        else {"answer": {"question": question, "answer": answer, "refused": refused, "evidence": passages}}
    )
    return Row(identity, {"language": language, "kind": kind}, record={"question": asked, **found}, **more)


def scripted(server: OllamaServer, change: Callable[[Body, Body], None]) -> None:
    """The judge's replies, changed by `change(body, reply)`."""

    def replies(body: Body, images: list[bytes]) -> str:
        said = reply(body, images)
        change(body, said)
        return json.dumps(said)

    server.models[0].replies = replies
