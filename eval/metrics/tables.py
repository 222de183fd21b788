"""How like a table is to the true one, as a tree of rows and cells. Cell by cell: `eval.comparing.cell_counts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from apted import APTED, Config
from rapidfuzz.distance import Levenshtein

from eval.comparing import Grid


def teds(found: Grid, true: Grid, *, header_rows: tuple[int, int] = (0, 0), structure_only: bool = False) -> float:
    """Tree-edit-distance-based similarity of two tables, 0 to 1 (Zhong et al. 2020, PubTabNet).

    1 - distance / nodes of the larger tree. Nodes are the table, its head and body, rows and cells; renaming a cell
    costs the normalised edit distance of its characters. Cost grows with the product of the tables' sizes: 0.2 s
    for two of 15 by 10 cells, 1.2 s for two of 30 by 12.

    Args:
        header_rows: how many rows are the head, of the found and of the true table. Where one of them has no head, rows
            stand right below the table in both.
        structure_only: TEDS-S: what the cells hold does not count.

    A table that was not found, an empty grid, is worth 0.
    """
    if not found or not true:
        return float(bool(found) == bool(true))
    heads = header_rows if all(header_rows) else (0, 0)
    return _similarity(
        _grid_tree(found, heads[0], structure_only=structure_only),
        _grid_tree(true, heads[1], structure_only=structure_only),
    )


@dataclass(slots=True)
class _Node:
    """A node of a table's tree, as apted walks it. content: of a cell its characters."""

    tag: str
    content: Sequence[str] = ()
    children: list[_Node] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Nodes, itself counted."""
        return 1 + sum(child.size for child in self.children)


def _similarity(found: _Node, true: _Node) -> float:
    distance = float(APTED(found, true, _Costs()).compute_edit_distance())
    return 1 - distance / max(found.size, true.size)


def _grid_tree(grid: Grid, header_rows: int, *, structure_only: bool) -> _Node:
    rows = [_Node("tr", children=[_Node("td", "" if structure_only else cell) for cell in row]) for row in grid]
    if not header_rows:
        return _Node("table", children=rows)
    parts = [_Node("thead", children=rows[:header_rows]), _Node("tbody", children=rows[header_rows:])]
    return _Node("table", children=[part for part in parts if part.children])


class _Costs(Config):
    def rename(self, node1: _Node, node2: _Node) -> float:  # pyright: ignore[reportIncompatibleMethodOverride]  # a share
        if node1.tag != node2.tag:
            return 1.0
        return Levenshtein.normalized_distance(node1.content, node2.content)
