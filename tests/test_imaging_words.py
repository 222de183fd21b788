"""Images by their looks and words: an image model with a text tower, going over to it, weights that are not there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters import names as adapter_names
from rag_app import Library
from rag_app.errors import WeightsMissing
from rag_app.imaging import filling
from rag_app.imaging.records import ImageResult
from rag_app.settings import Settings
from tests.colour_embedding import SETTINGS, SPACE, ColourEmbedding
from tests.pictures import DRAWN, draw, write_captions, write_pictures

BUILTIN = "image:builtin-visual:857"


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """openclip:colours is a model; no text is read in pictures."""
    monkeypatch.setitem(adapter_names.LOADERS, ("image_embedding", "openclip"), "tests.colour_embedding:load")
    monkeypatch.setattr(ColourEmbedding, "missing", False)
    monkeypatch.setattr(ColourEmbedding, "breaks_after", None)
    monkeypatch.setattr(ColourEmbedding, "languages", frozenset({"en", "fa"}))
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path / "none"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pictures/, and a library of them with builtin vectors: copy it to change it."""
    root = tmp_path_factory.mktemp("words")
    write_pictures(root / "pictures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESSDATA_PREFIX", str(root / "none"))
        with Library.open(root / "library") as library:
            library.ingest(root / "pictures")
    return root


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built / "library", tmp_path / "library"))


@pytest.fixture
def library(folder: Path) -> Iterator[Library]:
    """A library that has gone over to openclip:colours."""
    with Library.open(folder, settings=SETTINGS) as opened:
        assert opened.index_images().embedded == len(DRAWN)
        yield opened


def names(result: ImageResult) -> list[str]:
    return [hit.document for hit in result.hits]


def test_going_over_to_another_model(folder: Path, built: Path) -> None:
    with Library.open(folder, settings=SETTINGS) as library:
        note = library.status().note
        assert note is not None and "found by builtin (857), settings ask for openclip:colours" in note
        assert "Run: rag-app ingest --reembed" in note
        asked = built / "pictures/warm/red.png"
        assert library.search_images(image=asked, k=1).models["image_embedding"] == "builtin-visual"
        told: list[tuple[int, int]] = []
        report = library.index_images(on_progress=lambda done, total: told.append((done, total)))
        assert (report.space, report.embedded, report.problems) == (SPACE, len(DRAWN), {})
        assert told[-1] == (len(DRAWN), len(DRAWN))
        assert library.status().note is None
        assert library.search_images(image=asked, k=1).models["image_embedding"] == "openclip:colours"
    with Library.open(folder) as back:  # and the other way round: its vectors are still there
        assert "settings ask for builtin" in (back.status().note or "")
        assert back.search_images("red", k=1).hits[0].document == "red.png"  # the space that answers
        assert back.index_images().embedded == 0 and back.status().note is None


def test_stopped_in_the_middle_it_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "_BATCH", 2)
    monkeypatch.setattr(ColourEmbedding, "breaks_after", 2)
    with Library.open(folder, settings=SETTINGS) as library:
        with pytest.raises(KeyboardInterrupt):
            library.index_images()
        spaces = {space.name: space for space in library.status().spaces}
        assert (spaces[SPACE].vectors, spaces[SPACE].active, spaces[BUILTIN].active) == (4, False, True)
        monkeypatch.setattr(ColourEmbedding, "breaks_after", None)
        more = folder.parent / "more"
        more.mkdir()
        draw("black", "red", seed=70).save(more / "later.png")
        library.ingest(more)  # into both spaces, now that the second has begun
        assert library.index_images().embedded == len(DRAWN) - 4
        spaces = {space.name: space for space in library.status().spaces}
        assert (spaces[SPACE].vectors, spaces[SPACE].active) == (len(DRAWN) + 1, True)
        assert names(library.search_images("black, red", k=1)) == ["later.png"]


def test_missing_weights_are_told_before_anything_changes(
    folder: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ColourEmbedding, "missing", True)
    with Library.open(folder, settings=SETTINGS) as library:
        before = library.status().spaces
        with pytest.raises(WeightsMissing, match="models pull"):
            library.index_images()
        assert library.status().spaces == before
        assert library.search_images(image=built / "pictures/warm/red.png", k=1).hits  # builtin answers as before
        draw("black", "red", seed=70).save(tmp_path / "later.png")
        assert library.ingest(tmp_path / "later.png").documents[0].error is None
    with Library.open(tmp_path / "new", settings=SETTINGS) as new:
        with pytest.raises(WeightsMissing, match="models pull"):
            new.ingest(built / "pictures")
        assert not new.documents() and not new.status().spaces


def test_a_library_without_picture_vectors_says_so(folder: Path, built: Path) -> None:
    with Library.open(folder) as library:
        store = library._store  # pyright: ignore[reportPrivateUsage]  # as an earlier version left it
        with store.database.transaction() as connection:
            connection.execute("DELETE FROM vectors WHERE space = (SELECT id FROM spaces WHERE name = ?)", (BUILTIN,))
            connection.execute("DELETE FROM spaces WHERE name = ?", (BUILTIN,))
            connection.execute("DELETE FROM meta WHERE key = 'active:image'")
    with Library.open(folder) as library:
        assert library.status().note == "6 figures cannot be searched by picture yet. Run: rag-app ingest --reembed"
        draw("black", "red", seed=70).save(folder.parent / "later.png")
        report = library.ingest(folder.parent / "later.png")
        assert report.note == "6 figures have no picture vector. Run: rag-app ingest --reembed"
        assert library.index_images().embedded == len(DRAWN)
        assert library.status().note is None
        assert names(library.search_images(image=built / "pictures/warm/red.png", k=1)) == ["red.png"]


def test_words_find_pictures_by_their_looks(library: Library) -> None:
    result = library.search_images("something red", k=3)
    assert result.hits[0].document == "red.png" and result.hits[0].found_by == ("image",)
    assert result.hits[0].parts == {"look": 1.0} and result.note is None
    assert set(names(result)[:2]) == {"red.png", "red_on_white.png"}
    assert names(library.search_images("آبی", k=1)) == ["blue.png"]


def test_a_language_the_model_does_not_know_goes_by_what_is_said(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ColourEmbedding, "languages", frozenset({"en"}))
    assert not library.search_images("آبی", k=1).hits
    path = write_captions(folder.parent / "said.jsonl", {"x.png": ["دریای آبی"]})
    text = path.read_text(encoding="utf-8").replace(
        '"x.png"', f'"x.png", "sha256": "{library.paper("blue.png").sha256}"'
    )
    path.write_text(text, encoding="utf-8")
    assert library.add_captions(path).added == 1
    hit = library.search_images("آبی", k=1).hits[0]
    assert (hit.document, hit.found_by) == ("blue.png", ("caption",))


def test_looks_and_captions_are_joined(library: Library, built: Path) -> None:
    path = write_captions(
        built / "pictures" / "joined.jsonl",
        {"warm/red.png": ["A wall in the evening."], "cold/green.png": ["A red deer on a lawn."]},
    )
    library.add_captions(path)
    found = {hit.document: hit for hit in library.search_images("red", k=6).hits}
    assert found["red.png"].found_by == ("image",) and found["green.png"].found_by == ("caption",)
    assert found["red.png"].score > found["blue.png"].score and found["green.png"].score > found["blue.png"].score
    both = library.search_images("a red wall", k=1).hits[0]
    assert both.document == "red.png" and both.found_by == ("image", "caption")


def test_negative_words_look_at_pictures(library: Library) -> None:
    plain = library.search_images("white", k=2)
    assert set(names(plain)) == {"red_on_white.png", "blue_on_white.png"}
    assert library.search_images("white", without="blue", k=1).hits[0].document == "red_on_white.png"
    assert library.search_images("white", without="red", k=1).hits[0].document == "blue_on_white.png"


def test_like_this_but_otherwise(library: Library, built: Path) -> None:
    like = built / "pictures/warm/red_on_white.png"
    assert names(library.search_images(image=like, k=1)) == ["red_on_white.png"]
    result = library.search_images("blue", image=like, k=3)
    assert result.hits[0].document == "blue_on_white.png"
    assert {"image", "look"} <= result.hits[0].parts.keys()


def test_figures_found_by_their_looks_are_evidence(library: Library, folder: Path) -> None:
    result = library.search("where is something yellow", k=3)
    hit = next(hit for hit in result.hits if hit.document == "yellow.png")
    assert "image" in hit.found_by and hit.parts["image"] > 0
    assert library.search("where is something yellow", kinds=["text"]).hits == ()
    assert "image" not in {name for hit in library.search("زرد", kinds=["table"]).hits for name in hit.found_by}


def test_the_builtin_space_leads_to_no_evidence(folder: Path) -> None:
    with Library.open(folder) as library:
        assert all("image" not in hit.found_by for hit in library.search("where is something yellow").hits)


def test_settings_that_name_no_image_model_any_more(folder: Path, library: Library) -> None:
    """Who takes a model out of the settings does not wait for it when asking: pictures are found by it as before."""
    library.close()
    with Library.open(folder, settings=Settings()) as after:
        assert all("image" not in hit.found_by for hit in after.search("yellow").hits)
        assert names(after.search_images("yellow", k=1)) == ["yellow.png"]
