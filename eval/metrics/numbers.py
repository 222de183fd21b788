"""Numbers with their units: does an answer state the gold quantity, in whatever unit and script it is written?"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Powers of ten that are said in words or letters; M and B only as capitals, m being a metre and b a bit.
_SCALES = {
    "thousand": 1e3, "k": 1e3, "K": 1e3, "million": 1e6, "M": 1e6, "billion": 1e9, "B": 1e9, "trillion": 1e12,
    "هزار": 1e3, "میلیون": 1e6, "میلیارد": 1e9, "تریلیون": 1e12,
}  # fmt: skip
# Unit -> what it measures, and how many of its base unit it is.
_UNITS = {
    "%": ("share", 0.01), "٪": ("share", 0.01), "percent": ("share", 0.01), "per cent": ("share", 0.01),
    "درصد": ("share", 0.01),
    "ns": ("time", 1e-9), "µs": ("time", 1e-6), "ms": ("time", 1e-3), "s": ("time", 1.0), "sec": ("time", 1.0),
    "second": ("time", 1.0), "min": ("time", 60.0), "minute": ("time", 60.0), "h": ("time", 3600.0),
    "hour": ("time", 3600.0), "day": ("time", 86400.0), "week": ("time", 604800.0), "millisecond": ("time", 1e-3),
    "میلی ثانیه": ("time", 1e-3), "ثانیه": ("time", 1.0), "دقیقه": ("time", 60.0), "ساعت": ("time", 3600.0),
    "روز": ("time", 86400.0), "هفته": ("time", 604800.0),
    "nm": ("length", 1e-9), "µm": ("length", 1e-6), "mm": ("length", 1e-3), "cm": ("length", 1e-2),
    "m": ("length", 1.0), "km": ("length", 1e3), "meter": ("length", 1.0), "metre": ("length", 1.0),
    "kilometer": ("length", 1e3), "kilometre": ("length", 1e3), "میلی متر": ("length", 1e-3),
    "سانتی متر": ("length", 1e-2), "متر": ("length", 1.0), "کیلومتر": ("length", 1e3),
    "mg": ("mass", 1e-6), "g": ("mass", 1e-3), "kg": ("mass", 1.0), "گرم": ("mass", 1e-3), "کیلوگرم": ("mass", 1.0),
    "KB": ("bytes", 1e3), "kB": ("bytes", 1e3), "MB": ("bytes", 1e6), "GB": ("bytes", 1e9), "TB": ("bytes", 1e12),
    "KiB": ("bytes", 2.0**10), "MiB": ("bytes", 2.0**20), "GiB": ("bytes", 2.0**30),
    "Hz": ("frequency", 1.0), "kHz": ("frequency", 1e3), "MHz": ("frequency", 1e6), "GHz": ("frequency", 1e9),
}  # fmt: skip


def _any_of(names: dict[str, float] | dict[str, tuple[str, float]]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


_VALUE = r"\d+(?:,\d{3})*(?:\.\d+)?"
_QUANTITY = re.compile(
    rf"(?<![\w.])(?P<value>-?{_VALUE})(?:e(?P<e>[-+]?\d{{1,3}})|\s?[x×·*]\s?10\s?\^\s?\{{?(?P<power>[-+]?\d{{1,3}})\}}?)?"
    rf"(?:[\s-]?(?P<scale>{_any_of(_SCALES)})(?![^\W\d_]))?"
    rf"(?:[\s-]?(?P<unit>{_any_of(_UNITS)})s?(?![^\W\d_]))?"
    r"(?![^\W_]|\.\d)"
)
_MARK = re.compile(r"\[\d{1,3}\]")  # citation marks are no numbers of the answer
_RAISED = re.compile(r"[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_FORMS = str.maketrans({"٫": ".", "٬": ",", "−": "-", "–": "-", "\u200c": " ", "ي": "ی", "ك": "ک", "μ": "µ"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as written, its scale word ("million" is 1e6), and its unit, None where there is none.

    measures  "share", "time", "length", "mass", "bytes" or "frequency"
    factor    base units in one of its unit
    """

    value: float
    scale: float = 1.0
    measures: str | None = None
    factor: float = 1.0


def quantities(text: str) -> Iterator[Quantity]:
    """The numbers of `text` in order, with their units; digits of any script; not those inside names ("ResNet50")."""
    for match in _QUANTITY.finditer(_plain(text)):
        exponent = int(match["e"] or match["power"] or 0)
        value = float(f"{match['value'].replace(',', '')}e{exponent}")
        if not math.isfinite(value):
            continue  # a row of digits or an exponent that no measured number has
        measures, factor = _UNITS.get(match["unit"], (None, 1.0))
        yield Quantity(value, _SCALES.get(match["scale"], 1.0), measures, factor)


def is_quantity(text: str) -> bool:
    """Whether `text` is a number, with its unit or without, and nothing else."""
    return _QUANTITY.fullmatch(_plain(text).strip()) is not None


def numeric_match(text: str, golds: Sequence[str], *, tolerance: float = 0.0) -> float | None:
    """1 when `text` states every number of one of the gold texts, else 0; None where no gold text holds a number.

    Where both have a unit, 2 min is 120 s and never 2 %. A number without a unit is compared as it is written, since a
    table has its units in its head; so is a gold number without "million" and the like. tolerance: how far off it may
    be, in the unit of the gold text.
    """
    wanted = [list(quantities(gold)) for gold in golds]
    if not any(wanted):
        return None
    found = list(quantities(text))
    return float(any(of and all(any(_same(f, one, tolerance) for f in found) for one in of) for of in wanted))


def _same(found: Quantity, gold: Quantity, tolerance: float) -> bool:
    if found.measures and gold.measures and found.measures != gold.measures:
        return False
    both = found.measures is not None and gold.measures is not None
    said = found.value * (found.factor / gold.factor if both else 1.0)
    # "400" asked for in millions is answered by "400 million".
    candidates = [said * found.scale] if gold.scale != 1.0 or found.scale == 1.0 else [said * found.scale, said]
    wanted = gold.value * gold.scale
    return any(abs(one - wanted) <= tolerance + 1e-9 * max(1.0, abs(wanted)) for one in candidates)


def _plain(text: str) -> str:
    text = _MARK.sub(" ", text.replace("µ", "μ"))
    text = _RAISED.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), text)
    text = unicodedata.normalize("NFKC", text).translate(_FORMS)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
