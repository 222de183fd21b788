"""Evaluation runs: folders that say what was measured, with what, item by item."""
