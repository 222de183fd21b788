"""Numbers in text, whatever their spelling, as values that can be compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_DIGITS = str.maketrans(
    "۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩٫٬٪−–‒﹣－", "01234567890123456789.,%-----"
)  # a long dash is punctuation, never a sign
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RAISED_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_LATEX = (
    (re.compile(r"\\(?:cdot|times)(?![A-Za-z])\s*"), "×"),
    (re.compile(r"\{,\}|\\[,;:! ]|\\thinspace(?![A-Za-z])"), ""),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\^\s*\{\s*([-+]?\d+)\s*\}"), r"^\1"),
    (re.compile(r"\$"), ""),
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_NARROW = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")  # blanks that part thousands
_NUMBER = re.compile(
    r"""(?P<sign>(?<![\w.)\]}%])[-+])?
        (?P<body>(?<![\d.])(?:\d+(?:\.\d+)?|\.\d+))
        (?:[eE](?P<e>[-+]?\d{1,3})(?![\w.])|\s?[×·*x]\s?10\s?\^?(?P<ten>(?<=\^)[-+]?\d{1,3}|(?<=10)[-+]\d{1,3})|
           \^(?P<power>[-+]?\d{1,3}))?
        (?P<percent>\s?%)?
        (?P<suffix>\s?(?:[kKM]|thousand|million|billion|هزار|میلیون)(?![A-Za-z\u0600-\u06ff]))?""",
    re.VERBOSE,
)
_FACTORS = {
    "k": 1000, "m": 10**6, "thousand": 1000, "million": 10**6, "billion": 10**9, "هزار": 1000, "میلیون": 10**6
}  # fmt: skip
_ABOUT = re.compile(
    r"(?:about|approximately|approx\.?|around|roughly|nearly|almost|circa|ca\.|close to|near|"
    r"(?:just|slightly) (?:over|under|above|below)|≈|∼|~|حدود|حدوداً|تقریباً|تقریبا|نزدیک به|قریب)\s*(?:to|of|به)?\s*$",
    re.IGNORECASE,
)
_MOST_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written. decimals: digits after its point; about: the words before it say that it is an estimate.

    values: what it may stand for, the plain value first: "100K" is 100 (in a column of thousands) or 100,000.
    """

    text: str
    values: tuple[Decimal, ...]
    decimals: int = 0
    percent: bool = False
    about: bool = False

    @property
    def value(self) -> Decimal:
        return self.values[0]

    @property
    def plain_count(self) -> bool:
        """A whole number up to 20 without unit: in prose it counts things ("two panels", "3 lines")."""
        return len(self.values) == 1 and not self.decimals and not self.percent and 0 <= self.value <= 20

    def same(self, other: Number) -> bool:
        return any(a == b for a in self.values for b in other.values)

    def near(self, other: Number) -> bool:
        """Equal once the finer of the two is rounded to the digits of the coarser: 72 and 72.3, 0.9 and 0.876."""
        coarse, fine = sorted((self, other), key=lambda number: number.decimals)
        step = Decimal(10) ** -coarse.decimals
        return any(abs(a - b) <= step / 2 for a in coarse.values for b in fine.values)


def plain_digits(text: str) -> str:
    """`text` with ASCII digits, signs and points; raised digits after "^"; thousands without separators."""
    text = _RAISED_RUN.sub(lambda m: "^" + m[0].translate(_RAISED), text)
    text = unicodedata.normalize("NFKC", _NARROW.sub(",", text.translate(_DIGITS))) if not text.isascii() else text
    for pattern, by in _LATEX:
        text = pattern.sub(by, text)
    return _THOUSANDS.sub(lambda m: m[0].replace(",", ""), text)


def numbers_in(text: str) -> list[Number]:
    """The numbers of `text`, in order. Never raises; runs of more than 40 digits are left out."""
    plain = plain_digits(text)
    found: list[Number] = []
    for match in _NUMBER.finditer(plain):
        body = match["body"]
        if len(body) > _MOST_DIGITS:
            continue
        try:
            value = Decimal(body)
            if exponent := match["e"] or match["ten"]:
                value = value.scaleb(int(exponent))
            elif match["power"]:
                value = value ** int(match["power"])
        except (InvalidOperation, ArithmeticError):
            continue
        if not value.is_finite():
            continue
        if match["sign"] == "-":
            value = -value
        values = [value.normalize()]
        if match["suffix"]:
            values.append((value * _FACTORS[match["suffix"].strip().lower()]).normalize())
        found.append(
            Number(
                match[0].strip(),
                tuple(values),
                decimals=len(body.partition(".")[2]),
                percent=bool(match["percent"]),
                about=bool(_ABOUT.search(plain[: match.start()])),
            )
        )
    return found


def numbers_of(texts: Iterable[str]) -> list[Number]:
    return [number for text in texts for number in numbers_in(text)]
