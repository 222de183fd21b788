"""The lexical search against a plain BM25 written from the formula."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from rag_app.searchable import searchable
from rag_app.store import Filter, Scored, Store, descriptions, fulltext, generations
from tests.storing import VOCABULARY, node, nodes_of, paper, put, sha


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "library") as opened:
        yield opened


def plain_bm25(store: Store, terms: list[str], *, k: int, allowed: Filter | None = None) -> list[Scored]:
    """Robertson's BM25 over weighted columns, one node at a time; k1 = 1.2, b = 0.75."""
    counts: dict[int, dict[str, float]] = {}
    lengths: dict[int, int] = {}
    for info in store.documents():
        for found in nodes_of(store, info.document_id):
            m = found.metadata
            read = m.get("description", {})
            caption = " ".join(str(t or "") for t in (m["caption"], read.get("summary"), read.get("text")))
            columns = [searchable(str(t or "")) for t in (m["title"], m["section"], caption, found.text, m["context"])]
            lengths[found.row] = sum(len(column.split()) for column in columns)
            counts[found.row] = {
                term: sum(w * column.split().count(term) for w, column in zip(fulltext.WEIGHTS, columns, strict=True))
                for term in terms
            }
    mean = sum(lengths.values()) / max(len(lengths), 1)
    passing = set(rows.tolist()) if (rows := store.row_ids(allowed)) is not None else set(counts)
    scored = []
    for row in passing:
        score = 0.0
        for term in dict.fromkeys(terms):
            n = sum(1 for found in counts.values() if found[term] > 0)
            idf = math.log(1 + (len(counts) - n + 0.5) / (n + 0.5))
            tf = counts[row][term]
            score += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * lengths[row] / mean))
        if score > 0:
            scored.append(Scored(row, score))
    return sorted(scored, key=lambda hit: (-hit.score, hit.row))[:k]


def assert_same(store: Store, terms: list[str], *, k: int = 10, allowed: Filter | None = None) -> None:
    found = store.lexical(terms, k=k, allowed=allowed)
    expected = plain_bm25(store, terms, k=k, allowed=allowed)
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], rel=1e-3)
    least = expected[-1].score if expected else 0.0
    clear = [hit.row for hit in expected if hit.score > least * 1.001]  # ties at the end may fall either way
    assert set(clear) <= {hit.row for hit in found}


def describe(store: Store, draw: random.Random) -> None:
    """Put a description of random words into a random node, as describing does."""
    row = draw.choice(store.rows_where("1", []).tolist())
    said = {"summary": draw.choice(VOCABULARY), "text": " ".join(draw.choices(VOCABULARY, k=draw.randint(0, 9)))}
    with store.database.transaction() as connection:
        found = connection.execute(
            "SELECT row, node_id, metadata, extras, text FROM nodes WHERE row = ?", (row,)
        ).fetchone()
        descriptions.put(connection, descriptions.NodeOf(*found), said, generations.new_generation(connection), {})


@pytest.mark.parametrize("seed", range(6))
def test_it_is_bm25_whatever_happened_before(store: Store, seed: int):
    """Random papers come, change, are described and go; the postings file is written at some of the moments."""
    draw = random.Random(seed)
    for step in range(25):
        name = f"p{draw.randrange(6)}.pdf"
        if draw.random() < 0.75 or not store.documents():
            put(store, f"{seed}-{step}", name, count=draw.randint(1, 8))
        else:
            store.remove(draw.choice(store.documents()).document_id)
        for _ in range(draw.randrange(4) if store.size() else 0):
            describe(store, draw)
        if draw.random() < 0.2:
            store.fold_words(always=True)
        if step % 3 == 0:
            assert_same(store, draw.sample(VOCABULARY, 4))
            assert_same(store, draw.sample(VOCABULARY, 3), k=3, allowed=Filter(kinds=("table",)))
            if found := store.documents():
                only = Filter(documents=(found[0].document_id,))
                assert_same(store, draw.sample(VOCABULARY, 5), allowed=only)
                inside = store.row_ids(only)
                assert inside is not None
                for term, count in store.frequency_in(found[0].document_id, VOCABULARY[:9])[1].items():
                    assert count == len([n for n in store.nodes(inside.tolist()) if any(term in c for c in n.terms)])
    with Store.open(store.folder) as later:  # what is on disk, not what is in memory
        assert_same(later, draw.sample(VOCABULARY, 6))


def test_term_frequencies(store: Store):
    made = [node("a", 0, "cat cat dog"), node("a", 1, "dog"), node("a", 2, "bird")]
    store.commit(paper("a"), made, {})
    store.commit(paper("b", "b.pdf"), [node("b", 0, "dog")], {})
    for _ in range(2):
        assert store.document_frequency(["cat", "dog", "fish"]) == {"cat": 1, "dog": 3, "fish": 0}
        assert store.frequency_in(sha("a"), ["cat", "dog", "fish"]) == (3, {"cat": 1, "dog": 2, "fish": 0})
        assert store.frequency_in("unknown", ["cat"]) == (0, {"cat": 0})
        store.fold_words(always=True)  # once from FTS5, once from the postings file


def test_a_paper_is_found_in_the_moment_it_is_committed(store: Store):
    put(store, "a", "a.pdf")
    store.fold_words(always=True)
    with Store.open(store.folder) as writer:
        writer.commit(paper("b", "b.pdf"), [node("b", 0, "zebra stripes")], {})
    assert [hit.row for hit in store.lexical(["zebra"], k=5)] == [7]


def test_what_finds_nothing(store: Store):
    assert store.lexical(["w1"], k=5) == []
    put(store, "a")
    for terms in ([], [""], ["never"], ['"'], ["NEAR(", "*"], ["a b"]):
        assert store.lexical(terms, k=5) == []
    assert store.lexical(["w1"], k=0) == []
    assert store.lexical(VOCABULARY, k=5, allowed=Filter(documents=("unknown",))) == []


def test_persian_is_found_in_any_spelling(store: Store):
    (row,) = store.commit(paper("a"), [node("a", 0, "کتاب‌های علمی درباره شبکه")], {}).rows
    assert [hit.row for hit in store.lexical(searchable("كتابهاي").split(), k=5)] == [row]


def test_words_of_every_node_still_count(store: Store):
    """FTS5's bm25 gives a term of more than half the nodes no weight; in a library of one paper these matter."""
    texts = ["attention attention heads", "attention", "attention layers and many more words follow here"]
    rows = store.commit(paper("a"), [node("a", i, text) for i, text in enumerate(texts)], {}).rows
    assert [
        hit.row for hit in store.lexical(["attent" if searchable("attention") == "attent" else "attention"], k=3)
    ] == [
        rows[0],
        rows[1],
        rows[2],
    ]


@pytest.mark.parametrize("harm", ["missing", "cut", "changed", "empty", "foreign"])
def test_a_broken_postings_file_changes_nothing(store: Store, tmp_path: Path, harm: str):
    for i in range(5):
        put(store, f"p{i}", f"p{i}.pdf")
    store.fold_words(always=True)
    file = store.folder / "spaces" / "words.postings"
    content = file.read_bytes()
    if harm == "missing":
        file.unlink()
    elif harm == "foreign":
        with Store.open(tmp_path / "other") as other:
            put(other, "x")
            other.fold_words(always=True)
        file.write_bytes((tmp_path / "other" / "spaces" / "words.postings").read_bytes())
    else:
        file.write_bytes({"cut": content[:-100], "changed": content[:20] + b"??" + content[22:], "empty": b""}[harm])
    with Store.open(store.folder) as later:
        assert_same(later, ["w1", "w2", "w3"])
        if harm in ("cut", "changed", "empty"):
            assert any("postings file" in text for text in later.integrity().damage)


def test_a_byte_changed_in_the_postings_is_found_by_integrity(store: Store):
    put(store, "a")
    store.fold_words(always=True)
    file = store.folder / "spaces" / "words.postings"
    content = bytearray(file.read_bytes())
    content[-70] ^= 1
    file.write_bytes(content)
    assert any("postings file" in text for text in store.integrity().damage)
    store.repair()
    assert store.integrity().damage == ()


def test_small_libraries_have_no_postings_file(store: Store):
    put(store, "a")
    assert not store.fold_words()
    assert not (store.folder / "spaces").exists()


def test_another_text_normalisation_builds_the_index_anew(store: Store, monkeypatch: pytest.MonkeyPatch):
    put(store, "a", "a.pdf")
    store.fold_words(always=True)
    monkeypatch.setattr(fulltext, "searchable", lambda text: " ".join(f"{word}x" for word in searchable(text).split()))
    assert any("another version" in text for text in store.integrity().damage)
    put(store, "b", "b.pdf")  # the next change mends it; removing with other words would damage the index
    assert store.document_frequency(["w1"]) == {"w1": 0}
    assert store.document_frequency(["w1x"])["w1x"] > 0
    store.remove(sha("a"))
    store.remove(sha("b"))
    assert store.integrity().damage == ()
