"""Errors and free spellings in what is said of a figure.

Not planted: a wrong estimate between two ticks and a wrong trend. Nothing in the PDF's text tells them from right ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from eval.planted import digits
from ingestion.describe.schemas import Axis, FigureReading, NumberRead

Change = Callable[[FigureReading, random.Random], FigureReading | None]
_SERIES = ("ResNet-50", "Random forest", "Validation loss", "Human baseline", "GPT-4", "آزمون شاهد")
_AXES = ("Perplexity", "Learning rate", "Epochs", "Wavelength in metres", "زمان پاسخ")
_PRINTED = re.compile(r"[0-9۰-۹]+(?:[.٫][0-9۰-۹]+)?")


def _in_printed(change: Callable[[str, random.Random], str | None]) -> Change:
    """A change to one number that is said to be printed."""

    def changed(reading: FigureReading, rng: random.Random) -> FigureReading | None:
        places = [i for i, number in enumerate(reading.numbers) if not number.approximate]
        rng.shuffle(places)
        for i in places:
            value = change(reading.numbers[i].value, rng)
            if value is not None and value != reading.numbers[i].value:
                return _number(reading, i, value)
        return None

    return changed


def _number(reading: FigureReading, i: int, value: str) -> FigureReading:
    numbers = list(reading.numbers)
    numbers[i] = numbers[i].model_copy(update={"value": value})
    return reading.model_copy(update={"numbers": numbers})


def _invented(reading: FigureReading, rng: random.Random) -> FigureReading:
    number = NumberRead(value=f"{rng.randrange(105, 990)}.{rng.randrange(1, 9)}", of="the best run", approximate=False)
    return reading.model_copy(update={"numbers": [*reading.numbers, number]})


def _outside(reading: FigureReading, rng: random.Random) -> FigureReading:
    number = NumberRead(value=str(rng.randrange(40_000, 90_000)), of="the peak", approximate=True)
    return reading.model_copy(update={"numbers": [*reading.numbers, number]})


def _series(reading: FigureReading, rng: random.Random) -> FigureReading:
    return reading.model_copy(update={"series": [*reading.series, rng.choice(_SERIES)]})


def _axis(reading: FigureReading, rng: random.Random) -> FigureReading:
    axis = Axis(panel="", name=rng.choice(_AXES), unit="", low="", high="", scale="linear")
    return reading.model_copy(update={"axes": [*reading.axes[1:], axis]})


def _tick(reading: FigureReading, rng: random.Random) -> FigureReading | None:
    places = [i for i, axis in enumerate(reading.axes) if _PRINTED.search(axis.high)]
    if not places:
        return None
    axes = list(reading.axes)
    i = rng.choice(places)
    axes[i] = axes[i].model_copy(update={"high": axes[i].high + rng.choice(["50", "7", "25"])})
    return reading.model_copy(update={"axes": axes})


def _prose(reading: FigureReading, rng: random.Random) -> FigureReading:
    number = f"{rng.randrange(21, 98)}.{rng.randrange(11, 99)}"
    said = rng.choice(
        [f" The highest value is {number}.", f" The gain is {number} %.", f" بیشترین مقدار {number} است."]
    )
    return reading.model_copy(update={"description": reading.description + said})


def _prose_number(reading: FigureReading, rng: random.Random) -> FigureReading | None:
    """A number of the description with exchanged or changed digits; counts and estimates stay."""
    places = [
        m
        for m in _PRINTED.finditer(reading.description)
        if len(m[0]) > 2 and not re.search(r"(?:about|near|حدود)\s*$", reading.description[: m.start()])
    ]
    if not places:
        return None
    match = rng.choice(places)
    number = digits.swapped(match[0], rng) or digits.changed(match[0], rng)
    done = reading.description[: match.start()] + str(number) + reading.description[match.end() :]
    return reading.model_copy(update={"description": done})


def _visible_number(reading: FigureReading, rng: random.Random) -> FigureReading:
    return reading.model_copy(update={"visible_text": [*reading.visible_text, f"n = {rng.randrange(2000, 9000)}"]})


def _title(reading: FigureReading, rng: random.Random) -> FigureReading:
    return reading.model_copy(update={"title": rng.choice(["Quarterly revenue by region", "نرخ تورم در ده سال گذشته"])})


def _visible(reading: FigureReading, rng: random.Random) -> FigureReading:
    """Another figure's text."""
    words = ["Adam optimiser", "Dropout", "Layer norm", "Softmax", "Residual", "Output head", "Loss", "Kernel"]
    return reading.model_copy(update={"visible_text": words})


FIGURE_ERRORS: dict[str, Change] = {
    "digits swapped": _in_printed(digits.swapped),
    "digit changed": _in_printed(digits.changed),
    "point moved": _in_printed(digits.moved_point),
    "wrong sign": _in_printed(digits.other_sign),
    "number invented": _invented,
    "estimate outside the axes": _outside,
    "series invented": _series,
    "axis invented": _axis,
    "wrong tick": _tick,
    "number invented in the prose": _prose,
    "number of the prose wrong": _prose_number,
    "visible number invented": _visible_number,
    "title invented": _title,
    "another figure's text": _visible,
}


def _each_number(change: Callable[[str], str]) -> Change:
    def changed(reading: FigureReading, rng: random.Random) -> FigureReading:
        numbers = [n.model_copy(update={"value": change(n.value)}) for n in reading.numbers]
        return reading.model_copy(update={"numbers": numbers})

    return changed


def _rounded(reading: FigureReading, rng: random.Random) -> FigureReading | None:
    """One printed number rounded, and said to be about so much."""
    places = [i for i, n in enumerate(reading.numbers) if re.fullmatch(r"\d+\.\d", n.value)]
    if not places:
        return None
    i = rng.choice(places)
    numbers = list(reading.numbers)
    value = f"{rng.choice(['about ', '~', ''])}{round(float(numbers[i].value))}"
    numbers[i] = numbers[i].model_copy(update={"value": value, "approximate": True})
    return reading.model_copy(update={"numbers": numbers})


def _fewer(reading: FigureReading, rng: random.Random) -> FigureReading:
    def half(values: list[str]) -> list[str]:
        return rng.sample(values, k=(len(values) + 1) // 2)

    return reading.model_copy(update={"visible_text": half(reading.visible_text), "series": half(reading.series)})


def _capitals(reading: FigureReading, rng: random.Random) -> FigureReading:
    axes = [axis.model_copy(update={"name": axis.name.upper()}) for axis in reading.axes]
    return reading.model_copy(update={"axes": axes, "series": [name.title() for name in reading.series]})


def _counts(reading: FigureReading, rng: random.Random) -> FigureReading:
    said = rng.choice([" It has 2 colours and 3 parts.", " There are about 5 shapes.", " در آن ۳ بخش دیده می‌شود."])
    return reading.model_copy(update={"description": reading.description + said})


def _order(reading: FigureReading, rng: random.Random) -> FigureReading:
    def mixed(values: list[NumberRead]) -> list[NumberRead]:
        return rng.sample(values, k=len(values))

    return reading.model_copy(update={"numbers": mixed(reading.numbers), "visible_text": reading.visible_text[::-1]})


def _no_numbers(reading: FigureReading, rng: random.Random) -> FigureReading:
    return reading.model_copy(update={"numbers": [], "trends": []})


def _joined(reading: FigureReading, rng: random.Random) -> FigureReading:
    return reading.model_copy(update={"visible_text": [text.replace("\u200c", " ") for text in reading.visible_text]})


FIGURE_VARIANTS: dict[str, Change] = {
    "latin digits": _each_number(lambda value: value.translate(digits.TO_ASCII)),
    "percent signs": _each_number(lambda value: value if "%" in value else f"{value}%"),
    "zeros": _each_number(lambda value: f"{value}0" if re.fullmatch(r"\d+\.\d", value) else value),
    "rounded, said to be about": _rounded,
    "less said": _fewer,
    "capitals": _capitals,
    "counts": _counts,
    "another order": _order,
    "no numbers": _no_numbers,
    "blank for joiner": _joined,
}
