"""Metrics that need no model: pure functions from what was found and what is true to a number.

A function returns None where its metric does not apply to the case (no gold answer, no citation): never 0, never NaN.
Shares and grades are 0 to 1, higher is better, unless its docstring says otherwise. docs/metrics.md defines each.
"""
