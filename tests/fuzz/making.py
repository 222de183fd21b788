"""Strategies: hostile text, and JSON that is nearly what a reader expects."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

Json = Any  # JSON values

characters = st.characters(codec=None, categories=None)  # every code point, halves and control characters too
whole_characters = st.characters(codec="utf-8", categories=None)  # what a UTF-8 file can hold

_PIECES = (
    "[1]", "[²]", "［١］", "[1, 2-9]", "[[1]1]", "[10^5]", "⟦1⟧", "<script>alert(1)</script>", "<img src=x onerror=y>",
    "[a](javascript:x)", "![x](http://127.0.0.1/)", "</piece 1>", "```json", "```", "<think>", "</think>", "| a | b |",
    "|---|---|", "$x_{1}$", "\\frac{1}{", "\\begin{array}", "\x1b[31m", "\x07", "\x00", "\u202e", "\u200f", "\u2028",
    "\ue000", "\r\n", "\n\n", "\\", '"', "'", "{", "}", "{{ 7 * 7 }}", "%s", "../", "CON", "Table 3", "جدول ۲",
    "it", "why?", "و چرا؟", "سلام", "۲۸/۴", "28.4 %", "1,000 million", "9" * 31 + ".4", "9" * 31, "1e999", "٣", "²",
    "①",     "e.g. ", "Fig. ", "ﷺ", "ß", "İ", "\u0301", "👩‍👩‍👧", "\ufeff", "\udcff",
)  # fmt: skip


def texts(alphabet: st.SearchStrategy[str] = characters, most: int = 40) -> st.SearchStrategy[str]:
    """Texts of odd pieces and of any characters; `most` pieces at most."""
    pieces = [piece for piece in _PIECES if alphabet is characters or piece.isprintable() or piece.isascii()]
    piece = st.one_of(st.sampled_from(pieces), st.text(alphabet, max_size=12), st.sampled_from(" .,;:-_*#>|[]()<>"))
    long = st.builds(lambda text, n: text * n, st.sampled_from(pieces), st.integers(1, 3000))
    return st.one_of(st.lists(piece, max_size=most).map("".join), st.text(alphabet, max_size=60), long)


def _values(text: st.SearchStrategy[str]) -> st.SearchStrategy[Json]:
    number = st.one_of(
        st.integers(), st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 10**400, -(10**400)]), st.floats()
    )
    leaf = st.one_of(st.none(), st.booleans(), number, text)
    return st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=8
    )


values = _values(texts(most=6))


@st.composite
def nearly(draw: st.DrawFn, *forms: Json, strangers: st.SearchStrategy[Json] = values) -> Json:
    """One of `forms` with up to three places of it changed, taken away or doubled."""
    made = copy.deepcopy(draw(st.sampled_from(forms)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from([(), *_places(made)]))
        if not place:
            if draw(st.integers(0, 9)) == 0:
                return draw(strangers)
            continue
        inside = made
        for key in place[:-1]:
            inside = inside[key]
        match draw(st.sampled_from(("change", "text", "take", "add"))):
            case "change":
                inside[place[-1]] = draw(strangers)
            case "text" if isinstance(inside[place[-1]], str):
                inside[place[-1]] = draw(st.sampled_from(("", inside[place[-1]]))) + draw(texts(most=8))
            case "take":
                del inside[place[-1]]
            case "add" if isinstance(inside, dict):
                inside[draw(texts(most=3))] = draw(strangers)
            case _ if isinstance(inside, list):
                inside.insert(draw(st.integers(0, len(inside))), copy.deepcopy(draw(st.sampled_from(inside))))
            case _:
                pass
    return made


def _places(value: Json, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # Any: keys and indices
    below: Sequence[tuple[Any, Json]] = ()
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list):
        below = list(enumerate(value))
    return [place for key, inner in below for place in ((*at, key), *_places(inner, (*at, key)))]


_DEEP = ("[" * 5000, '{"a":' * 5000, "[" * 5000 + "]" * 5000, '{"statements":' + "[" * 100_000, "9" * 5000)


@st.composite
def written(draw: st.DrawFn, made: st.SearchStrategy[Json]) -> str:
    """JSON text of what `made` gives, as it may arrive: whole, fenced, cut, spliced, with words around it, or deep."""
    text = json.dumps(draw(made), ensure_ascii=draw(st.booleans()))
    match draw(st.integers(0, 11)):
        case 0:
            return text[: draw(st.integers(0, len(text)))]
        case 1:
            at = draw(st.integers(0, len(text)))
            return text[:at] + draw(texts(most=5)) + text[at:]
        case 2:
            return draw(texts(most=5)) + text + draw(texts(most=5))
        case 3:
            return f"```json\n{text}\n```"
        case 4:
            return f"<think>{draw(texts(most=5))}</think>{text}"
        case 5:
            return draw(st.sampled_from(_DEEP))
        case 6:
            at = draw(st.integers(0, len(text)))
            return text[:at] + draw(st.sampled_from(_DEEP)) + text[at:]
        case 7:
            return draw(texts())
        case _:
            return text


def files(made: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """The texts as a file: in UTF-8, with a mark of its order, in UTF-16, or with bytes that are no text."""
    return st.one_of(
        made.map(lambda text: text.encode("utf-8", "surrogatepass")),
        made.map(lambda text: text.encode("utf-8", "replace")),
        made.map(lambda text: text.encode("utf-8-sig", "replace")),
        made.map(lambda text: text.encode("utf-16", "replace")),
        st.tuples(made, st.binary(max_size=20)).map(lambda two: two[0].encode("utf-8", "replace") + two[1]),
    )


def lines(*forms: Json, most: int = 4) -> st.SearchStrategy[bytes]:
    """A JSON Lines file of nearly these forms."""
    line = st.one_of(written(nearly(*forms)), st.sampled_from(["", " ", "{}", "[]", "null", "0", '""', "NaN"]))
    return files(st.lists(line, max_size=most).map("\n".join))
