"""Measuring: question sets, retrieval, answers and their citations, extraction against a known truth, captions.

An evaluation gives `eval.runs.Row`s, one an item, which a run folder keeps and a summary counts; docs/metrics.md says
what each score means. Nothing here is tuned; what is scored and what failed always add up to the total.
"""
