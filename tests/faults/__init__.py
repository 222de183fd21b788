"""Mishaps of the machine: after each of them nothing is lost and nothing is silently wrong.

`make test` runs a short form, `RAG_APP_FAULTS=full` (`make faults`) the full one. The judge is `oracle`: it compares a
library with an undisturbed one, node for node, and what it finds with a search written from the formula.
"""

import os

FULL = os.environ.get("RAG_APP_FAULTS") == "full"


def times(short: int, full: int) -> int:
    """How often to do something: `short` in `make test`, `full` in `make faults`."""
    return full if FULL else short
