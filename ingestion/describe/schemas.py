"""What a model has to fill in for a figure, a table or a formula.

Every field is required, so that a small model skips none, and every string and list is bounded. The bounds stay below
1,900: servers built on llama.cpp refuse a grammar that repeats anything 2,000 times (ggml-org/llama.cpp#27087). A
change here needs a new version in `ingestion.describe.prompts`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Word = Annotated[str, Field(max_length=80)]
Line = Annotated[str, Field(max_length=300)]
Cell = Annotated[str, Field(max_length=200)]

FigureKind = Literal[
    "line chart",
    "bar chart",
    "scatter plot",
    "histogram",
    "box plot",
    "heat map",
    "diagram",
    "flow chart",
    "photograph",
    "map",
    "screenshot",
    "several panels",
    "other",
]


class Form(BaseModel):
    """A reply: nothing but its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Axis(Form):
    """One axis. low and high: the first and last printed tick, as printed; "" where there is none."""

    panel: Word
    name: Word
    unit: Word
    low: Word
    high: Word
    scale: Literal["linear", "logarithmic", "categories", "unknown"]


class NumberRead(Form):
    """One number. value: as printed, or an estimate; approximate: it is printed nowhere and was read off a curve."""

    value: Word
    of: Cell
    approximate: bool


class FigureReading(Form):
    """A figure. series: names as printed; visible_text: words and labels as printed."""

    kind: FigureKind
    title: Line
    summary: Line
    axes: Annotated[list[Axis], Field(max_length=12)]
    series: Annotated[list[Word], Field(max_length=24)]
    trends: Annotated[list[Line], Field(max_length=12)]
    numbers: Annotated[list[NumberRead], Field(max_length=40)]
    visible_text: Annotated[list[Cell], Field(max_length=40)]
    description: Annotated[str, Field(max_length=1800)]


class TableReading(Form):
    """A table. units: one for each column, "" where there is none; a merged cell repeats its text in each place."""

    header_rows: Annotated[list[Annotated[list[Cell], Field(max_length=24)]], Field(max_length=6)]
    rows: Annotated[list[Annotated[list[Cell], Field(max_length=24)]], Field(max_length=100)]
    units: Annotated[list[Word], Field(max_length=24)]
    notes: Annotated[list[Line], Field(max_length=8)]
    summary: Line


class SymbolMeaning(Form):
    """What the text around a formula says one of its symbols is."""

    symbol: Word
    meaning: Cell


class FormulaReading(Form):
    """A display formula. latex: without delimiters and number."""

    latex: Annotated[str, Field(max_length=1800)]
    symbols: Annotated[list[SymbolMeaning], Field(max_length=30)]
    summary: Line


Reading = FigureReading | TableReading | FormulaReading
FORMS: dict[str, type[FigureReading | TableReading | FormulaReading]] = {
    "figure": FigureReading,
    "table": TableReading,
    "formula": FormulaReading,
}
