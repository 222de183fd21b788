"""Disjoint sets: things joined in pairs, and who belongs together by it (Tarjan 1975)."""

from __future__ import annotations


class DisjointSets:
    """n things, 0 to n - 1, each alone at first."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def root(self, i: int) -> int:
        """The first of those that `i` is together with: equal for two that are joined."""
        parent = self._parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        low, high = sorted((self.root(i), self.root(j)))
        self._parent[high] = low

    def roots(self) -> list[int]:
        return [self.root(i) for i in range(len(self._parent))]
