"""Answers judged by a language model, through Ragas: the only folder that knows that library.

    judge = Judge.by_name("ollama:qwen2.5:7b", settings=settings, cache=Path("judge-cache"))
    for judged in judge.judge(run.rows()):
        ...

judge     rows in, scores and reasons out; nothing is lost or averaged away
metrics   which metrics there are, what each needs, to which row it applies
samples   a row of a run as Ragas takes it
calls     one question to the judge: from the disk, or asked, bounded, repaired, asked again
bridge    Ragas itself, behind the class that its metrics take for a model; imported at first use

Names are resolved at first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eval.judging.judge import Cost, Judge, Judgement
    from eval.judging.metrics import METRICS, TEXT_METRICS, read_metrics

_HOME = {
    "Cost": "eval.judging.judge",
    "Judge": "eval.judging.judge",
    "Judgement": "eval.judging.judge",
    "METRICS": "eval.judging.metrics",
    "TEXT_METRICS": "eval.judging.metrics",
    "read_metrics": "eval.judging.metrics",
}
__all__ = ["METRICS", "TEXT_METRICS", "Cost", "Judge", "Judgement", "read_metrics"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'eval.judging' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
