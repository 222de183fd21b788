"""A right-to-left line while it is being written, for a terminal that does not order the letters itself.

The line is kept in logical order; only what is drawn is in the order of the eye, with the cursor where the next letter
goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from rag_app.render.rtl import has_right_to_left, is_right_to_left, joined_letters, reordered

_JOINERS = "\u200c\u200d"


@dataclass(frozen=True, slots=True)
class Drawn:
    """text: what is drawn; place: for each index of the line, its end included, the index in `text`."""

    text: str
    place: tuple[int, ...]


def drawn(line: str) -> Drawn:
    """`line` in the order of the eye; as it is where nothing in it runs from right to left."""
    as_is = Drawn(line, tuple(range(len(line) + 1)))
    if not has_right_to_left(line):
        return as_is
    kept = [i for i, character in enumerate(line) if character not in _JOINERS]
    shapes = joined_letters(line)
    if len(shapes) != len(kept):  # letters were joined into one: there is no place for each
        return as_is
    right_to_left = is_right_to_left(line)
    shown, order = reordered(shapes, right_to_left=right_to_left)
    if len(order) != len(kept):  # the line has characters that the algorithm takes out
        return as_is
    lead = " " if right_to_left else ""  # the cursor's cell, left of the last letter
    at = {kept[index]: position + len(lead) for position, index in enumerate(order)}
    end = 0 if right_to_left else len(shown)
    place = [end] * (len(line) + 1)
    for index in range(len(line) - 1, -1, -1):  # a joiner is not drawn: the cursor stands at what follows it
        place[index] = at.get(index, place[index + 1])
    return Drawn(lead + shown, tuple(place))
