"""A trained CLIP in a library, by its name in the settings: read, indexed, searched by words and by pictures."""

# torch and open_clip come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_index.core import MockEmbedding

from adapters import names as adapter_names
from adapters.names import ModelName
from rag_app import Library
from rag_app.errors import WeightsMissing
from rag_app.settings import Models, Settings
from tests.clip.shapes import CAPTIONS, CLASSES, Trained, write_drawings

pytestmark = pytest.mark.slow
EACH = 3


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures the model has not seen, named by their class."""
    folder = tmp_path_factory.mktemp("drawings")
    write_drawings(folder, each=EACH, seed=123)
    return folder


def no_texts(name: ModelName, settings: Settings) -> MockEmbedding:
    """Stands in for the builtin text embedding, whose weights the environment with torch need not have."""
    return MockEmbedding(embed_dim=8, model_name="mock")


@pytest.fixture(scope="module", autouse=True)
def texts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(adapter_names.LOADERS, ("text_embedding", "builtin"), f"{__name__}:no_texts")
        yield


@pytest.fixture(scope="module")
def library(trained: Trained, drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESSDATA_PREFIX", str(drawings / "none"))
        settings = Settings(models=Models(image_embedding=f"openclip:{trained.folder}"))
        with Library.open(tmp_path_factory.mktemp("clip") / "library", settings=settings) as opened:
            report = opened.ingest(drawings)
            assert [document.error for document in report.documents] == [None] * (EACH * len(CLASSES))
            yield opened


def class_of(document: str) -> int:
    return int(document.partition("-")[0])


@pytest.mark.parametrize("language", ["en", "fa"])
def test_words_find_pictures(library: Library, language: str) -> None:
    found = [library.search_images(caption, k=1).hits[0] for caption in CAPTIONS[language]]
    right = sum(class_of(hit.document) == number for number, hit in enumerate(found))
    assert right / len(CLASSES) >= 0.8
    assert {hit.found_by for hit in found} == {("image",)}


def test_pictures_find_their_likes(library: Library, drawings: Path) -> None:
    right = 0
    for file in sorted(drawings.glob("*-000.png")):
        first, second = library.search_images(image=file, k=2).hits
        assert first.document == file.name and first.score == pytest.approx(1.0, abs=1e-4)
        right += class_of(second.document) == class_of(file.name)
    assert right / len(CLASSES) >= 0.8


def test_like_this_but_another_colour(library: Library, drawings: Path) -> None:
    red_circle, blue_circle = CLASSES.index(("red", "circle")), CLASSES.index(("blue", "circle"))
    like = drawings / f"{red_circle:02}-000.png"
    result = library.search_images("a blue circle", image=like, k=EACH)
    assert class_of(result.hits[0].document) == blue_circle
    without = library.search_images("a picture of a circle", without="a picture of a red circle", k=5 * EACH)
    with_it = library.search_images("a picture of a circle", k=5 * EACH)
    reds = [sum(class_of(hit.document) == red_circle for hit in found.hits) for found in (without, with_it)]
    assert reds[0] < reds[1]


def test_figures_found_by_their_looks_are_evidence(library: Library) -> None:
    hits = library.search("تصویری از یک دایره قرمز", k=3).hits
    assert "image" in hits[0].found_by and CLASSES[class_of(hits[0].document)] == ("red", "circle")


def test_other_weights_are_another_space(library: Library, trained: Trained, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(trained.folder, tmp_path / "moved"))
    settings = Settings(models=Models(image_embedding=f"openclip:{moved}"))
    with Library.open(shutil.copytree(library.path, tmp_path / "library"), settings=settings) as other:
        assert "--reembed" in (other.status().note or "")
        assert other.index_images().embedded == EACH * len(CLASSES)
        active = [space.name for space in other.status().spaces if space.role == "image" and space.active]
        assert active == [f"image:openclip:{moved}:64"] and other.status().note is None
        for weights in moved.glob("*.safetensors"):
            weights.unlink()
    with (
        Library.open(tmp_path / "new", settings=settings) as new,
        pytest.raises(WeightsMissing, match="moved"),
    ):
        new.ingest(next(library.path.glob("crops/*.png")))
    with Library.open(tmp_path / "new") as new:
        assert not new.documents() and not new.status().spaces
