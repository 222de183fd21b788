"""Rows that pass a filter are remembered from state to state, and are those that SQLite gives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rag_app.store import Filter, Store, reading
from rag_app.store.descriptions import NodeOf, put
from rag_app.store.generations import new_generation
from tests.storing import VOCABULARY, nodes, paper, sha

FILTERS = [
    Filter(kinds=("table",)),
    Filter(exclude_kinds=("table",)),
    Filter(pages=(2,), exclude_kinds=("reference",)),
    Filter(metadata=(("page", "1"),)),
    Filter(folders=("/papers/0",)),
    Filter(folders=("/papers/1",), kinds=("text",)),
    Filter(documents=(sha("0"), sha("4"))),
]


def describe(store: Store, row: int, said: str) -> None:
    with store.database.transaction() as connection:
        found = connection.execute(
            "SELECT row, node_id, metadata, extras, text FROM nodes WHERE row = ?", (row,)
        ).fetchone()
        put(connection, NodeOf(*found), {"summary": said, "text": ""}, new_generation(connection), {})


@pytest.mark.parametrize("seed", range(4))
def test_remembered_rows_are_those_that_sqlite_gives(tmp_path: Path, seed: int) -> None:
    """Random papers come, are replaced, found elsewhere, described and removed, whole or node by node."""
    draw = random.Random(seed)
    described = Filter(metadata=(("description", '{"summary":"cat","text":""}'),))
    seen = set()
    with Store.open(tmp_path / "library") as store:
        for step in range(30):
            name, place = f"{draw.randrange(6)}.pdf", f"/papers/{draw.randrange(3)}"
            there = store.documents()
            what = draw.choice(["put", "put", "alias", "describe", "remove", "remove rows"]) if there else "put"
            if what == "put":
                made = nodes(str(step), draw.randint(1, 8))
                store.commit(paper(str(step), name), made, {}, path=Path(place) / name)
            elif what == "alias":
                store.add_alias(draw.choice(there).document_id, Path(place) / f"copy{step}.pdf")
            elif what == "remove":
                store.remove(draw.choice(there).document_id)
            elif rows := store.rows_where("1", []).tolist():
                if what == "describe":
                    describe(store, draw.choice(rows), draw.choice(["cat", *VOCABULARY[:2]]))
                else:
                    store.remove_rows(draw.sample(rows, min(2, len(rows))))
            for filter in draw.sample([*FILTERS, described], 5):
                with store.snapshot() as connection:
                    expected = reading.row_ids(connection, filter).tolist()
                found = store.row_ids(filter)
                assert found is not None and found.tolist() == expected
                seen.add((filter, bool(expected)))
    assert (FILTERS[0], True) in seen and (FILTERS[4], True) in seen


def test_an_older_state_is_still_seen_as_it_was(tmp_path: Path) -> None:
    tables = Filter(kinds=("table",))
    with Store.open(tmp_path / "library") as reader, Store.open(tmp_path / "library") as writer:
        first = writer.commit(paper("a", "a.pdf"), nodes("a"), {}).rows
        with reader.snapshot():
            assert reader.row_ids(tables).tolist() == [first[2], first[5]]  # pyright: ignore[reportOptionalMemberAccess]
            second = writer.commit(paper("b", "b.pdf"), nodes("b"), {}).rows
            assert reader.row_ids(tables).tolist() == [first[2], first[5]]  # pyright: ignore[reportOptionalMemberAccess]
        assert reader.row_ids(tables).tolist() == [first[2], first[5], second[2], second[5]]  # pyright: ignore[reportOptionalMemberAccess]
