"""Measuring: question sets, retrieval, answers and their citations, extraction against a known truth.

Each part has `run(...)`, which gives a report with `to_dict()` for JSON and `table()` for people. Nothing here is
tuned; what is scored and what failed always add up to the total.
"""
