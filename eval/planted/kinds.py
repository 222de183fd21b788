"""Which errors can be planted in a reading, and which spellings it may have, by its form.

A kind is a function of a reading and a random source; it gives None where it does not apply.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TypeVar

from eval.planted.figures import FIGURE_ERRORS, FIGURE_VARIANTS
from eval.planted.formulas import LATEX_ERRORS
from eval.planted.spellings import LATEX_VARIANTS
from eval.planted.table_spellings import TABLE_VARIANTS
from eval.planted.tables import TABLE_ERRORS
from ingestion.describe.schemas import FigureReading, FormulaReading, Reading, TableReading

Change = Callable[[Reading, random.Random], Reading | None]
R = TypeVar("R", TableReading, FigureReading)


def errors_of(reading: Reading) -> dict[str, Change]:
    """The kinds of errors that can be planted in a reading of this form, by name."""
    return _of(reading, LATEX_ERRORS, TABLE_ERRORS, FIGURE_ERRORS)


def variants_of(reading: Reading) -> dict[str, Change]:
    """The ways in which a right reading of this form may be written, by name."""
    return _of(reading, LATEX_VARIANTS, TABLE_VARIANTS, FIGURE_VARIANTS)


def _of(
    reading: Reading,
    formulas: Mapping[str, Callable[[str, random.Random], str | None]],
    tables: Mapping[str, Callable[[TableReading, random.Random], TableReading | None]],
    figures: Mapping[str, Callable[[FigureReading, random.Random], FigureReading | None]],
) -> dict[str, Change]:
    match reading:
        case FormulaReading():
            return {kind: _on_latex(change) for kind, change in formulas.items()}
        case TableReading():
            return {kind: _on(TableReading, change) for kind, change in tables.items()}
        case FigureReading():
            return {kind: _on(FigureReading, change) for kind, change in figures.items()}


def _on_latex(change: Callable[[str, random.Random], str | None]) -> Change:
    def applied(reading: Reading, rng: random.Random) -> Reading | None:
        assert isinstance(reading, FormulaReading)
        done = change(reading.latex, rng)
        return None if done is None or done == reading.latex else reading.model_copy(update={"latex": done})

    return applied


def _on(form: type[R], change: Callable[[R, random.Random], R | None]) -> Change:
    def applied(reading: Reading, rng: random.Random) -> Reading | None:
        assert isinstance(reading, form)
        done = change(reading, rng)
        return None if done is None or done == reading else done

    return applied
