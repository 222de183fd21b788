"""Numbers of an answer against numbers of its evidence: what is in no evidence is shown to the user as such."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

_FORMS = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩０１２３４５６７８９٫٬", "0123456789" * 3 + ".,")  # one character for one
_SLASHED = re.compile(r"(?<=[۰-۹])/(?=[۰-۹])")  # «۲۸/۴» is 28.4
_SCALES = {
    "hundred": 2, "thousand": 3, "k": 3, "million": 6, "m": 6, "billion": 9, "bn": 9, "b": 9, "trillion": 12,
    "هزار": 3, "میلیون": 6, "میلیارد": 9, "تریلیون": 12,
}  # fmt: skip
_VALUE = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_AFTER = (
    rf"(?:[\s\u200c-]*(?P<scale>{'|'.join(sorted(_SCALES, key=len, reverse=True))})(?![A-Za-z]))?"
    r"(?P<percent>[\s\u200c]*(?:%|٪|per\s?cent|درصد))?"
)
_ANY = re.compile(rf"(?<![\d.])(?P<value>{_VALUE}){_AFTER}", re.IGNORECASE)
# Not the digits of a name ("GPT-4", "ResNet50", "ViT-B/32"), of "1." before an item, of a page that is pointed at.
_CLAIMED = re.compile(
    rf"(?<![\w.])(?<![A-Za-z][-/‑–_])(?<!page )(?<!صفحهٔ )(?<!صفحه )(?P<value>{_VALUE}){_AFTER}", re.IGNORECASE
)
_ITEM = re.compile(r"(?m)^\s*\d{1,2}[.)]\s")
_WORDS = {
    word: value
    for words in (
        "zero one two three four five six seven eight nine ten eleven twelve",
        "صفر یک دو سه چهار پنج شش هفت هشت نه ده یازده دوازده",
    )
    for value, word in enumerate(words.split())
}
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a text. written: as it stands there; value: in digits; scale: its "million" as a power of ten."""

    written: str
    value: Decimal
    scale: int = 0
    percent: bool = False

    @property
    def whole(self) -> Decimal:
        return self.value.scaleb(self.scale)

    @property
    def places(self) -> int:
        """Decimal places as written."""
        exponent = self.value.as_tuple().exponent
        return -exponent if isinstance(exponent, int) else 0

    @property
    def telling(self) -> bool:
        """Written with two digits or more that count: "28", "0.71"; not "7", "0.7", "30"."""
        return len("".join(map(str, self.value.as_tuple().digits)).strip("0")) >= 2


def claimed(text: str) -> list[Number]:
    """The numbers that `text` states, in any script; not those of names, list items, pages, nor written in words.

    Signs are not looked at: a hyphen and a minus cannot be told apart.
    """
    return list(_numbers(_CLAIMED, _ITEM.sub(lambda match: " " * len(match[0]), text)))


def holding(texts: Iterable[str]) -> Held:
    """All numbers of `texts`, those of names and small ones written in words too."""
    found: list[Number] = []
    for text in texts:
        found.extend(_numbers(_ANY, text))
        found.extend(
            Number(word, Decimal(_WORDS[word.lower()])) for word in _LETTERS.findall(text) if word.lower() in _WORDS
        )
    return Held(found)


class Held:
    """The numbers that the evidence holds."""

    def __init__(self, numbers: Iterable[Number]) -> None:
        numbers = list(numbers)
        self._wholes = {number.whole for number in numbers}
        self._bare = {number.value for number in numbers if not number.scale}
        self._written = {number.value for number in numbers}
        self._percents = {number.value for number in numbers if number.percent}

    def __contains__(self, number: Number) -> bool:
        """The same value; "0.4 billion" for "400 million"; "76.2 %" for 0.762; rightly rounded to two digits or more.

        "400 million" is in a table's 400, whose unit is in its heading, but not in "400 billion". "28" is in 28.4 and
        "29" is not; "7" is not in 7.1, since most numbers would be in one of one digit.
        """
        if number.whole in self._wholes or (number.value in (self._bare if number.scale else self._written)):
            return True
        if number.percent and number.value.scaleb(-2) in self._bare:
            return True
        if number.value.scaleb(2) in self._percents:
            return True
        return number.telling and any(self._rounded(number, held) for held in self._wholes)

    @staticmethod
    def _rounded(number: Number, held: Decimal) -> bool:
        step = Decimal(1).scaleb(number.scale - number.places)
        near = abs(held - number.whole) * 2 <= step
        return near and Fraction(held) % Fraction(step) != 0  # Decimal refuses this of more than 28 digits


def unsupported(text: str, sources: Iterable[str]) -> tuple[str, ...]:
    """The numbers that `text` states and none of `sources` holds, each once, as written."""
    stated = claimed(text)
    if not stated:
        return ()
    held = holding(sources)
    return tuple(dict.fromkeys(number.written for number in stated if number not in held))


def _numbers(pattern: re.Pattern[str], text: str) -> Iterator[Number]:
    plain = _SLASHED.sub(".", text).translate(_FORMS)  # as long as `text`, so that places agree
    for match in pattern.finditer(plain):
        scale = match["scale"]
        yield Number(
            text[match.start() : match.end()].strip(),
            Decimal(match["value"].replace(",", "")),
            _SCALES[scale.lower()] if scale else 0,
            bool(match["percent"]),
        )
