"""Persian and Arabic in a terminal: which terminals order the letters themselves, and doing it for the others."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arabic_reshaper import ArabicReshaper

# Terminals that order and join the letters themselves, by what they put in the environment.
_SELF_ORDERING_PROGRAMS = ("Apple_Terminal", "iTerm.app", "mintty", "mlterm")
_VTE_WITH_BIDI = 5800  # VTE 0.58, September 2019: GNOME Terminal, Tilix, Xfce Terminal


def is_right_to_left(text: str) -> bool:
    """Whether the first letter with a direction is Arabic or Hebrew: Unicode's rule P2 for a paragraph."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("R", "AL"):
            return True
        if direction == "L":
            return False
    return False


def reads_right_to_left(text: str) -> bool:
    """Whether a paragraph is one of a right-to-left language: it begins so, or most of its letters run so.

    A Persian sentence may begin with a Latin name: «CLIP یک مدل است».
    """
    directions = [unicodedata.bidirectional(character) for character in text]
    right = sum(direction in ("R", "AL") for direction in directions)
    return is_right_to_left(text) or right > directions.count("L")


def has_right_to_left(text: str) -> bool:
    """Whether any letter of `text` runs right to left."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def terminal_orders_itself(environ: Mapping[str, str]) -> bool:
    """Whether the terminal described by these environment variables shows right-to-left text right by itself."""
    if environ.get("TERM_PROGRAM") in _SELF_ORDERING_PROGRAMS or environ.get("TERM", "").startswith("mlterm"):
        return True
    if "KONSOLE_VERSION" in environ:
        return True
    version = environ.get("VTE_VERSION", "")
    return version.isdigit() and int(version) >= _VTE_WITH_BIDI


def visual_line(line: str, *, right_to_left: bool) -> str:
    """`line` with its letters joined and in the order of the eye, for a terminal that prints from left to right.

    One line at a time: wrapping comes before, since reordering is a matter of lines (UAX #9, L2). `right_to_left` is
    the direction of the paragraph the line is from.
    """
    if not has_right_to_left(line):
        return line
    return reordered(joined_letters(line), right_to_left=right_to_left)[0]


def joined_letters(line: str) -> str:
    """`line` in logical order with the shapes its letters have beside one another, without the joiners."""
    return _reshaper().reshape(line).replace("\u200c", "").replace("\u200d", "")


def reordered(text: str, *, right_to_left: bool) -> tuple[str, list[int]]:
    """`text` as drawn, and for each drawn character its index in `text`: python-bidi's get_display, places kept."""
    from bidi import algorithm

    storage = algorithm.get_empty_storage()
    storage["base_level"] = int(right_to_left)
    storage["base_dir"] = "R" if right_to_left else "L"
    algorithm.get_embedding_levels(text, storage)
    for index, character in enumerate(storage["chars"]):
        character["index"] = index
        if not character["type"]:  # an unassigned code point, on which python-bidi stops; such run from left to right
            character["type"] = character["orig"] = "L"
    for step in (
        algorithm.explicit_embed_and_overrides,
        algorithm.resolve_weak_types,
        algorithm.resolve_neutral_types,
        algorithm.resolve_implicit_levels,
        algorithm.reorder_resolved_levels,
        algorithm.apply_mirroring,
    ):
        step(storage, False)
    characters = storage["chars"]
    return "".join(one["ch"] for one in characters), [one["index"] for one in characters]


@cache
def _reshaper() -> ArabicReshaper:
    from arabic_reshaper import ArabicReshaper

    return ArabicReshaper({"delete_harakat": False, "support_ligatures": False})
