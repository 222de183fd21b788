"""Outside input of every kind, made up: it gives a value of the right type or one sentence, and nothing else.

`make test` runs a short form with the same examples each time, `RAG_APP_FAULTS=full` (`make faults`) a long one with
examples of its own. hypothesis and not atheris: almost all that is read here is text with a grammar (JSON, TOML, LaTeX,
Markdown, model names), for which strategies reach further than mutated bytes, and a failing example is made small.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

from tests.faults import FULL


def examples(short: int, full: int = 0) -> Callable[[Any], Any]:  # Any: a test function
    """How many examples a test tries: `short` in `make test`, `full` (else 20 times as many) in `make faults`."""
    return settings(
        max_examples=(full or 20 * short) if FULL else short,
        deadline=None,
        derandomize=not FULL,
        database=None,
        print_blob=FULL,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
            HealthCheck.function_scoped_fixture,
        ],
    )
