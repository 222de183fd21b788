"""Tables as trees: by hand, and equal to a public TEDS on random tables."""

from __future__ import annotations

import html
import random
from collections.abc import Sequence

import pytest
from table_recognition_metric import TEDS

from eval.comparing import Grid
from eval.metrics.tables import teds

TRUE = [["Model", "BLEU"], ["base", "27.3"], ["big", "28.4"]]


def test_by_hand() -> None:
    """The true tree has a table, three rows and six cells: ten nodes."""
    assert teds(TRUE, TRUE) == 1
    assert teds([["Model", "BLEU"], ["base", "27.3"], ["big", "28.5"]], TRUE) == pytest.approx(1 - 0.25 / 10)
    assert teds(TRUE[:2], TRUE) == pytest.approx(1 - 3 / 10)  # a row with its two cells is missing
    assert teds([["x", "y"], ["z", "u"], ["v", "w"]], TRUE, structure_only=True) == 1
    assert teds([], TRUE) == 0 and teds(TRUE, []) == 0 and teds([], []) == 1


def test_a_head_is_part_of_the_tree() -> None:
    """With head and body there are twelve nodes; a row on the wrong side of the line is taken out and put in."""
    assert teds(TRUE, TRUE, header_rows=(1, 1)) == 1
    assert teds(TRUE, TRUE, header_rows=(2, 1)) < 1
    assert teds(TRUE, TRUE, header_rows=(0, 1)) == 1  # a parser that knows no heads is not taken amiss


def as_html(grid: Grid, head: int) -> str:
    def rows(of: Sequence[Sequence[str]]) -> str:
        return "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in of)

    inside = f"<thead>{rows(grid[:head])}</thead><tbody>{rows(grid[head:])}</tbody>" if head else rows(grid)
    return f"<html><body><table>{inside}</table></body></html>"


def changed(grid: list[list[str]], rng: random.Random) -> list[list[str]]:
    made = [list(row) for row in grid]
    for _ in range(rng.randint(0, 4)):
        match rng.randrange(4):
            case 0 if len(made) > 2:
                made.pop(rng.randrange(len(made)))
            case 1 if len(made[0]) > 1:
                column = rng.randrange(min(map(len, made)))
                made = [row[:column] + row[column + 1 :] for row in made if len(row) > 1]
            case 2:
                made.insert(rng.randrange(len(made)), list(rng.choice(made)))
            case _:
                row = rng.choice(made)
                row[rng.randrange(len(row))] = rng.choice(["", "x", "28.4 <b>", "دقت", "a & b", "longer text here"])
    return made


@pytest.mark.parametrize("structure_only", [False, True])
def test_equal_to_a_public_implementation(structure_only: bool) -> None:
    rng = random.Random(20260115)
    theirs = TEDS(structure_only=structure_only)
    for _ in range(200):
        width = rng.randint(1, 5)
        cells = ["Model", "BLEU", "27.3", "28.4", "", "دقت مدل", "a & b", "+1.5 %"]
        true = [[rng.choice(cells) for _ in range(width)] for _ in range(rng.randint(2, 6))]
        found = changed(true, rng)
        heads = rng.choice([(0, 0), (1, 1), (1, min(2, len(true) - 1))])
        heads = (min(heads[0], len(found) - 1), heads[1])
        heads = heads if all(heads) else (0, 0)
        expected = theirs(as_html(found, heads[0]), as_html(true, heads[1]))
        got = teds(found, true, header_rows=heads, structure_only=structure_only)
        assert got == pytest.approx(expected, abs=1e-6), (found, true, heads)
