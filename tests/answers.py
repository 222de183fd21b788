"""Answers made by hand, for tests of what shows them."""

from __future__ import annotations

from rag_app.answering.answer import Answer, Evidence
from rag_app.citations import Citation

DOCUMENT_ID = "ab" * 32


def english_answer() -> Answer:
    """One statement from a table with a crop."""
    citation = Citation(
        n=1,
        document="paper.pdf",
        document_id=DOCUMENT_ID,
        title="A Paper",
        page=1,
        bbox=(10, 20, 110, 70),
        places=((1, (10, 20, 110, 70)),),
        kind="table",
        label="Table 2",
        quote="| big | 28.4 |",
        node_id="n1",
        image="table.png",
    )
    evidence = Evidence(
        "n1", "paper.pdf", 1, (10, 20, 110, 70), "table", "Table 2", 0.9, ("dense", "lexical"), "big | 28.4"
    )
    return Answer(
        question="How good is big?",
        answer="The big model reaches 28.4 [1]",
        refused=False,
        citations=(citation,),
        evidence=(evidence,),
        models={"answer": "builtin"},
        seconds={"retrieve": 0.1, "total": 0.3},
        confidence=0.8,
        language="en",
    )


def persian_answer() -> Answer:
    """One statement from text that runs over two pages, no crop."""
    citation = Citation(
        n=1,
        document="fa.pdf",
        document_id=DOCUMENT_ID,
        title="مقاله",
        page=1,
        bbox=(10, 20, 110, 70),
        places=((1, (10, 20, 110, 70)), (2, (10, 10, 110, 30))),
        kind="text",
        label=None,
        quote="دقت مدل ۷۲ درصد است.",
        node_id="n1",
        image=None,
    )
    return Answer(
        question="دقت مدل چقدر است؟",
        answer="دقت مدل ۷۲ درصد است. [1]",
        refused=False,
        citations=(citation,),
        evidence=(),
        models={"answer": "builtin"},
        seconds={"total": 0.2},
        confidence=0.7,
        language="fa",
    )
