"""Images in a library: vectors with the paper, search by picture and by stored captions, filters, near-duplicates."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from rag_app import Library
from rag_app.errors import CorruptPicture, EmptyFile, InputError, UsageError
from rag_app.imaging import texts
from rag_app.imaging.records import ImageResult
from tests.pictures import DRAWN, draw, write_captions, write_pictures

BUILTIN = "image:builtin-visual:857"
CAPTIONS = {
    "warm/red.png": ["A red wall in the evening sun.", "A wall painted red."],
    "warm/yellow.png": ["Black boxes in front of a yellow curtain."],
    "cold/blue.png": {"en": ["The calm sea under a clear sky."], "fa": ["دریای آرام زیر آسمان صاف."]},
    "cold/green.png": "Dark stones on a green lawn.",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures/ and a library of them, read once: copy it to change it."""
    root = tmp_path_factory.mktemp("images")
    write_pictures(root / "pictures")
    write_captions(root / "pictures" / "captions.jsonl", CAPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESSDATA_PREFIX", str(root / "none"))  # no text is read in them: these tests are about the rest
        with Library.open(root / "library") as library:
            report = library.ingest(root / "pictures")
    assert [document.error for document in report.documents] == [None] * len(DRAWN)
    return root


@pytest.fixture
def root(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `built`, to change; the library knows its pictures from where they were read."""
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path / "none"))
    shutil.copytree(built / "library", tmp_path / "library")
    return tmp_path


@pytest.fixture
def library(root: Path) -> Iterator[Library]:
    with Library.open(root / "library") as opened:
        yield opened


def names(result: ImageResult) -> list[str]:
    return [hit.document for hit in result.hits]


def test_pictures_get_vectors_as_they_are_read(library: Library) -> None:
    spaces = {space.name: space for space in library.status().spaces}
    assert spaces[BUILTIN].active and spaces[BUILTIN].vectors == len(DRAWN)
    assert library.status().note is None
    assert library.index_images().embedded == 0


def test_bad_pictures_are_refused_and_the_rest_goes_on(root: Path, library: Library) -> None:
    more = root / "more"
    more.mkdir()
    draw("red", "blue", seed=50).save(more / "good.png")
    whole = (more / "good.png").read_bytes()
    (more / "cut.png").write_bytes(whole[: len(whole) // 2])
    (more / "empty.jpg").write_bytes(b"")
    (more / "named_wrong.jpg").write_bytes(whole)  # the same picture: its content decides
    (more / "no_picture.png").write_text("words", encoding="utf-8")
    draw("blue", "green", seed=51).convert("CMYK").save(more / "cmyk.jpg")
    Image.new("I;16", (40, 30), 4000).save(more / "deep.png")
    frames = [draw("green", None, seed=52), draw("red", None, seed=53)]
    frames[0].save(more / "moving.webp", save_all=True, append_images=frames[1:])
    bomb = Image.new("1", (30_000, 30_000))
    bomb.save(more / "bomb.png")
    report = library.ingest(more)
    errors = {document.document: document.error for document in report.documents if document.error}
    assert errors.keys() == {"cut.png", "empty.jpg", "no_picture.png", "bomb.png"}
    assert all(error.endswith(".") and "Traceback" not in error for error in errors.values())
    assert names(library.search_images(image=more / "cmyk.jpg", k=1)) == ["cmyk.jpg"]
    assert names(library.search_images(image=more / "moving.webp", k=1)) == ["moving.webp"]
    space = next(space for space in library.status().spaces if space.name == BUILTIN)
    assert space.vectors == len(DRAWN) + 4 and library.status().note is None


def test_a_picture_is_found_by_itself_and_its_likes(built: Path, library: Library) -> None:
    for name in DRAWN:
        result = library.search_images(image=built / "pictures" / name, k=3)
        assert result.hits[0].document == Path(name).name
        assert result.hits[0].found_by == ("image",)
        assert result.hits[0].score == pytest.approx(1.0, abs=0.01)
        assert result.hits[0].parts == {"image": pytest.approx(1.0, abs=0.01)}
        assert len(result.hits) == 3 and result.hits[1].score < 0.97
    encoded = library.search_images(image=(built / "pictures/cold/blue.png").read_bytes(), k=1)
    assert names(encoded) == ["blue.png"] and encoded.query.image is not None


def test_near_duplicates_stand_under_the_best(built: Path, root: Path, library: Library) -> None:
    again = root / "again"
    again.mkdir()
    with Image.open(built / "pictures/warm/yellow.png") as image:
        image.save(again / "yellow_q40.jpg", quality=40)
        image.resize((320, 240)).save(again / "yellow_large.png")
    library.ingest(again)
    result = library.search_images(image=built / "pictures/warm/yellow.png", k=3)
    assert result.hits[0].document == "yellow.png" and len(result.hits[0].duplicates) == 2
    told = {passage.document for passage in library.passages(result.hits[0].duplicates)}
    assert told == {"yellow_q40.jpg", "yellow_large.png"}
    assert not told & set(names(result)) and len(result.hits) == 3
    assert all(not hit.duplicates for hit in result.hits[1:])


def test_filters_work_inside_the_search(built: Path, library: Library) -> None:
    asked = built / "pictures/warm/red.png"
    cold = library.search_images(image=asked, k=5, folders=[built / "pictures/cold"])
    assert set(names(cold)) == {"blue.png", "blue_on_white.png", "green.png"}
    assert not library.search_images(image=asked, folders=[built / "pictures/col"]).hits  # a folder, not a beginning
    assert names(library.search_images(image=asked, papers=["green.png"])) == ["green.png"]
    assert not library.search_images(image=asked, pages=[2]).hits
    library.add_captions(built / "pictures/captions.jsonl")
    assert set(names(library.search_images("wall", k=5, folders=[built / "pictures/cold"]))) <= set(names(cold))


def test_stored_captions_are_found_and_counted_once(built: Path, library: Library) -> None:
    first = library.add_captions(built / "pictures/captions.jsonl")
    assert (first.added, first.unchanged, first.unmatched) == (6, 0, ())
    again = library.add_captions(built / "pictures/captions.jsonl")
    assert (again.added, again.unchanged) == (0, 6)
    assert library.status().nodes == {"figure": len(DRAWN), "caption": 6}
    hit = library.search_images("the sea on a quiet day", k=1).hits[0]
    assert (hit.document, hit.found_by, hit.caption) == ("blue.png", ("caption",), "The calm sea under a clear sky.")
    assert sum(hit.parts.values()) == pytest.approx(hit.score, abs=0.001)
    assert names(library.search_images("آسمان", k=1)) == ["blue.png"]


def test_what_is_not_wanted_goes_down(built: Path, library: Library) -> None:
    library.add_captions(built / "pictures/captions.jsonl")
    asked = "black boxes or dark stones"
    assert set(names(library.search_images(asked, k=2))) == {"green.png", "yellow.png"}
    for unwanted, left in (("a green lawn", "yellow.png"), ("a yellow curtain", "green.png")):
        found = library.search_images(asked, without=unwanted, k=6)
        assert found.hits[0].document == left
        parts = {hit.document: hit.parts.get("without", 0.0) for hit in found.hits}
        assert min(parts, key=lambda name: parts[name]) == ({"green.png", "yellow.png"} - {left}).pop()
        assert min(parts.values()) < -0.5


def test_a_picture_and_words_together(built: Path, library: Library) -> None:
    library.add_captions(built / "pictures/captions.jsonl")
    like = built / "pictures/warm/red_on_white.png"
    result = library.search_images("dark stones on grass", image=like, k=6)
    found = {hit.document: hit for hit in result.hits}
    assert {"image", "meaning", "words"} <= found["green.png"].parts.keys()
    assert names(result).index("green.png") < names(library.search_images(image=like, k=6)).index("green.png")


def test_in_a_large_library_only_what_words_lead_to_is_read(
    built: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add_captions(built / "pictures/captions.jsonl")
    monkeypatch.setattr(texts, "MOST_TEXTS", 3)
    hit = library.search_images("the sea on a quiet day", k=1).hits[0]
    assert (hit.document, hit.found_by, hit.caption) == ("blue.png", ("caption",), "The calm sea under a clear sky.")
    assert names(library.search_images("آسمان", k=5)) == ["blue.png"]
    warm = library.search_images("sea", k=9, folders=[built / "pictures/warm"])
    assert set(names(warm)) <= {"red.png", "red_on_white.png", "yellow.png"}


def test_captions_leave_with_their_picture(built: Path, library: Library) -> None:
    library.add_captions(built / "pictures/captions.jsonl")
    assert names(library.search_images("the calm sea", k=1)) == ["blue.png"]
    library.remove("blue.png")
    assert library.status().nodes == {"figure": len(DRAWN) - 1, "caption": 4}
    assert "blue.png" not in names(library.search_images("the calm sea", k=9))
    assert "blue.png" not in names(library.search_images(image=built / "pictures/cold/blue.png", k=9))
    report = library.add_captions(built / "pictures/captions.jsonl")
    assert report.added == 0 and report.unmatched == ("cold/blue.png",)


def test_captions_survive_another_parsing(built: Path, library: Library) -> None:
    library.add_captions(built / "pictures/captions.jsonl")
    before = library.search_images("the calm sea", k=3)
    store = library._store  # pyright: ignore[reportPrivateUsage]  # as an earlier version left it
    with store.database.transaction() as connection:
        connection.execute("UPDATE documents SET parser = 'an older one'")
    report = library.ingest(built / "pictures")
    assert not any(document.skipped for document in report.documents)
    after = library.search_images("the calm sea", k=3)
    assert [(hit.document, hit.score) for hit in after.hits] == [(hit.document, hit.score) for hit in before.hits]
    assert library.add_captions(built / "pictures/captions.jsonl").unchanged == 6


def test_captions_of_a_model_are_replaced_and_those_of_people_kept(built: Path, root: Path, library: Library) -> None:
    from ingestion.files import sha256_of

    library.add_captions(built / "pictures/captions.jsonl")
    path = root / "by_model.jsonl"

    def write(short: str) -> None:
        row = {"image": "red.png", "model": "ollama:tiny", "language": "en", "prompt_version": "1", "detailed": ""}
        row |= {"sha256": sha256_of(built / "pictures/warm/red.png"), "short": short}
        path.write_text(json.dumps(row) + "\n", encoding="utf-8")

    write("A barn door.")
    assert library.add_captions(path).added == 1
    write("The side of a fire engine.")
    report = library.add_captions(path)
    assert (report.added, report.replaced) == (1, 1)
    assert library.search_images("a fire engine", k=1).hits[0].caption == "The side of a fire engine."
    assert library.status().nodes["caption"] == 7


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{not json", "line 1: it is no JSON"),
        ('["a"]', "it is no JSON object"),
        ('{"captions": ["x"]}', "it names no image"),
        ('{"image": "a.png"}', "it has no captions"),
    ],
)
def test_a_file_that_holds_no_captions_is_refused(root: Path, library: Library, content: str, said: str) -> None:
    path = root / "wrong.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        library.add_captions(path)
    with pytest.raises(InputError, match="cannot be read"):
        library.add_captions(root / "nowhere.jsonl")


def test_wrong_questions_are_refused(root: Path, library: Library) -> None:
    with pytest.raises(UsageError, match="words, a picture, or both"):
        library.search_images("  ")
    with pytest.raises(UsageError, match="k is 0"):
        library.search_images("x", k=0)
    (root / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises((CorruptPicture, EmptyFile), match=r"cut\.png"):
        library.search_images(image=root / "cut.png")


def test_words_without_anything_said_are_explained(library: Library) -> None:
    result = library.search_images("a wall")
    assert not result.hits and result.note is not None and "--captions" in result.note


def test_an_empty_library(tmp_path: Path) -> None:
    with Library.open(tmp_path / "empty") as library:
        assert not library.search_images("a wall").hits
        assert library.index_images().embedded == 0 and library.status().note is None


def test_captions_change_nothing_in_what_is_found_in_papers(
    sample_library: Path, copy_of: Callable[[Path], Path]
) -> None:
    questions = ["zero-shot accuracy of the model", "contrastive loss", "تابع زیان", "Figure 2", "Table 1"]
    with Library.open(copy_of(sample_library)) as library:
        before = [library.search(question) for question in questions]
        beside = [library.as_retriever().with_neighbours(library.as_retriever().find(q)) for q in questions]
        images = [hit.image for hit in library.search_images("accuracy", k=20).hits]
        path = library.path / "said.jsonl"
        lines = [
            {"image": name, "sha256": str(name).removesuffix(".png"), "captions": [f"zero-shot accuracy {i}", "loss"]}
            for i, name in enumerate(images)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        assert library.add_captions(path).added == 2 * len(images) > 0
        assert [library.search(question).hits for question in questions] == [result.hits for result in before]
        assert [library.as_retriever().with_neighbours(library.as_retriever().find(q)) for q in questions] == beside
        hit = library.search_images("zero-shot accuracy 1", k=1).hits[0]
        assert "caption" in hit.found_by and hit.label is not None
        assert all(hit.kind == "caption" for hit in library.search("loss", kinds=["caption"]).hits)
