"""Evaluation runs: folders that say what was measured, with what, item by item."""

from eval.runs.manifest import Manifest
from eval.runs.rows import Row
from eval.runs.run import Run
from eval.runs.summary import Group, Score, Summary, summarise

__all__ = ["Group", "Manifest", "Row", "Run", "Score", "Summary", "summarise"]
