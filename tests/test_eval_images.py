"""The evaluation of image search: what is held out, what is counted, and a whole run through a real library."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from adapters import names
from eval.images.data import CaptionedImage, ImageSet, read_image_set
from eval.images.gallery import LibraryGallery
from eval.images.metrics import rank_of
from eval.images.records import FUSED, TEXTS, TOWER, WORDS, ImagesReport, lines, table, to_dict
from eval.images.rounds import HoldOut, rounds
from eval.images.searching import ONE_CAPTION, Seen, run
from rag_app.errors import ModelFailed
from rag_app.render.heat_map import HeatMap, as_file, colour, svg
from rag_app.render.image_report import heat_map, write_image_report
from rag_app.settings import Settings
from tests.colour_embedding import SETTINGS, ColourEmbedding
from tests.commands import CommandLine

# --- what is held out -----------------------------------------------------------------------------------------------


def test_rounds_by_hand() -> None:
    first, second, third = rounds([3, 1, 2], HoldOut())
    assert first.asked == ((0, 0), (1, 0), (2, 0)) and first.stored == ((1, 2), (), (1,))
    assert second.asked == ((0, 1), (2, 1)) and second.stored == ((2, 0), (), (0,))
    assert third.asked == ((0, 2),) and third.stored == ((0, 1), (), (1,))
    assert not list(rounds([], HoldOut())) and not list(rounds([0, 0], HoldOut()))


@pytest.mark.parametrize("stored", [None, 0, 1, 2, 9])
@pytest.mark.parametrize("asked", [None, 1, 2, 9])
def test_no_caption_is_asked_with_while_it_is_stored(stored: int | None, asked: int | None) -> None:
    counts = [5, 1, 2, 0, 3]
    seen = []
    for one in rounds(counts, HoldOut(stored, asked)):
        seen += one.asked
        for image, index in one.asked:
            assert index not in one.stored[image]
        for image, kept in enumerate(one.stored):
            wanted = max(counts[image] - 1, 0) if stored is None else min(stored, max(counts[image] - 1, 0))
            assert len(set(kept)) == len(kept) == wanted
    assert sorted(seen) == [(i, j) for i, n in enumerate(counts) for j in range(n) if asked is None or j < asked]


# --- what is counted ------------------------------------------------------------------------------------------------


class Shelf:
    """A gallery whose texts are letters: an image scores as many as its stored captions share with the query.

    The tower, where there is one, knows the picture's name.
    """

    def __init__(self, *images: CaptionedImage, tower: bool = False, failed: Mapping[str, str] | None = None) -> None:
        self.images = images
        self.failed = failed or {}
        self.models = {"image embedding": "letters"}
        self.tower = tower
        self.stored: list[Sequence[str]] = []
        self.asked: list[str] = []

    def sees_words(self, language: str) -> bool:
        return self.tower

    def store(self, captions: Sequence[Sequence[str]], language: str) -> None:
        self.stored = list(captions)

    def search(self, text: str) -> Seen:
        assert all(text not in texts for texts in self.stored), "asked with a caption that is stored"
        self.asked.append(text)
        if text.startswith("broken"):
            raise ModelFailed("The model broke.")
        shared = [max((len(set(text) & set(one)) for one in texts), default=0) for texts in self.stored]
        scores = {WORDS: np.array([n or -np.inf for n in shared], dtype=np.float32)}
        if self.tower:
            scores[TOWER] = np.array([float(image.name[0] == text[0]) for image in self.images])
        fused = sum(np.where(np.isinf(values), 0, values) for values in scores.values())
        scores[FUSED] = np.where(np.asarray(fused) > 0, fused, -np.inf)
        order = [int(i) for i in np.argsort(-scores[FUSED], kind="stable") if scores[FUSED][i] > 0]
        return Seen(order, scores)

    def alike(self, image: int) -> Sequence[int]:
        return [i for i in range(len(self.images)) if i != image]


def image(name: str, *captions: str, label: str | None = None, language: str = "en") -> CaptionedImage:
    return CaptionedImage(name, Path(name), {language: captions} if captions else {}, label)


def evaluate(*images: CaptionedImage, hold_out: HoldOut | None = None, **more: object) -> ImagesReport:
    shelf = Shelf(*images, **more)  # pyright: ignore[reportArgumentType]  # keywords of Shelf
    return run(ImageSet(Path("set.jsonl"), "0" * 64, shelf.images), shelf, hold_out=hold_out)


def test_a_run_by_hand() -> None:
    """Each caption shares two letters with the other of its image, "abc" and "bxy" share one as well."""
    report = evaluate(image("a", "ab", "abc"), image("x", "xy", "bxy"))
    (english,) = report.languages
    fused = {row.direction: row for row in english.rows if row.kind == FUSED}
    by_caption = {query.caption: query.ranks[FUSED] for query in english.queries}
    assert by_caption == {"ab": 1, "xy": 1, "abc": 1, "bxy": 1}
    assert fused["text→image"].queries == 4 and fused["text→image"].among == 2
    assert fused["image→text"].queries == 2 and fused["image→text"].among == 4
    assert fused["text→image"].values["recall@1"].value == 1
    assert english.heat.shape == (2, 2) and english.heat.tolist() == [[2, -np.inf], [1, 2]]


def test_scored_skipped_and_failed_are_all() -> None:
    report = evaluate(
        image("a", "ab", "abc"),
        image("b", "bcd"),
        image("c"),
        image("d", "broken 1", "broken 2"),
        image("e", "xyz", "broken 3"),
        failed={"f": "It is empty."},
    )
    (english,) = report.languages
    assert english.total == 6 == english.scored + sum(english.skipped.values()) + len(english.failed)
    assert english.skipped == {"no caption in en": 1, ONE_CAPTION: 1}
    assert english.failed == {"f": "It is empty.", "d": "The model broke."}
    assert sum(query.error is not None for query in english.queries) == 3
    assert english.rows[0].queries == 3  # a twice, e once
    assert "6 images: 2 scored, 1 skipped (no caption in en), 1 skipped (only one caption" in table(report)
    assert "Of 6 captions 3 could not be asked with." in table(report)


def test_an_image_with_one_caption_is_found_by_its_picture() -> None:
    """With a tower it is asked for; texts have no part in that, and are not scored for it."""
    report = evaluate(image("a", "ab", "abc"), image("x", "xyz"), tower=True)
    (english,) = report.languages
    count = {row.kind: row.queries for row in english.rows if row.direction == "text→image"}
    assert count == {FUSED: 3, TOWER: 3, WORDS: 2}
    back = {row.kind: row.queries for row in english.rows if row.direction == "image→text"}
    assert back == {FUSED: 2, TOWER: 2, WORDS: 1}
    assert english.skipped == {} and english.scored == 2


def test_languages_apart() -> None:
    report = evaluate(
        CaptionedImage("a", Path("a"), {"en": ("ab", "ac"), "fa": ("خرس", "خرس بزرگ")}), image("b", "bx", "by")
    )
    assert [one.language for one in report.languages] == ["en", "fa"]
    assert [one.scored for one in report.languages] == [2, 1]
    assert all(query.caption.isascii() for query in report.languages[0].queries)


def test_classes_need_two_of_a_kind() -> None:
    report = evaluate(
        *(image(name, label=label) for name, label in zip("abcde", ["x", "x", "y", None, "x"], strict=True))
    )
    assert report.languages == () and report.classes is not None
    assert (report.classes.images, report.classes.alone, report.classes.unlabelled) == (3, 1, 1)
    assert report.classes.all.precision_at_1.value == 1 and list(report.classes.classes) == ["x"]
    assert "5 images: 3 scored, 1 skipped (the only one of a class), 1 skipped (no label), 0 failed." in table(report)


def test_records_are_json() -> None:
    report = evaluate(image("a", "ab", "abc"), image("b", "qz", "xy"))
    document = json.loads(json.dumps(to_dict(report), allow_nan=False))
    assert document["seed"] and document["data"]["sha256"] == "0" * 64
    assert [one["ranks"][FUSED] for one in lines(report)] == [1, None, 1, None]


# --- the heat map and the page --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 12, 60, 361])
def test_heat_map_in_both_forms(n: int) -> None:
    scores = np.random.default_rng(1).normal(0, 0.1, (n, n)) + np.eye(n)
    scores[0, -1] = -np.inf if n > 1 else 1
    heat = HeatMap(
        scores, tuple(f"{i}<&>.jpg" for i in range(n)), ("یک خرس «بزرگ» & سفید",) * n, "Title & <more>", "Score"
    )
    picture = Image.open(io.BytesIO(as_file(heat, ".png")))
    drawn = ET.fromstring(as_file(heat, ".svg"))
    assert picture.format == "PNG" and [str(side) for side in picture.size] == [drawn.get("width"), drawn.get("height")]
    assert max(picture.size) < 1200
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "Title & <more>" in words and "images" in words and "captions" in words
    assert ("0<&>.jpg" in words) == (n <= 55)  # where there is room for them
    assert ("none" in words) == (n > 1)
    own = int((np.asarray(picture.convert("RGB")) == colour(1.0)).all(axis=-1).sum())
    assert own >= n or n == 1  # the diagonal has the best colour


def test_heat_map_on_a_page_takes_its_colours() -> None:
    heat = HeatMap(np.eye(2), ("a", "b"), ("c", "d"), "T", "Score")
    assert "currentColor" in svg(heat, page=True) and "currentColor" not in svg(heat)


def test_a_large_heat_map_shows_some_of_it() -> None:
    report = evaluate(*(image(f"{i}.jpg", f"a{i}", f"b{i}") for i in range(400)))
    heat = heat_map(report, report.languages[0])
    assert heat is not None and heat.scores.shape == (360, 360)
    assert "360 of 400 images" in heat.title and heat.rows[0] == "0.jpg" and heat.rows[-1] == "399.jpg"


def test_page_is_escaped_and_closed(tmp_path: Path) -> None:
    report = evaluate(image("<b>.jpg", "<script>alert(1)</script>", "zzz"), image("q", "alert", "script"))
    path = tmp_path / "page.html"
    write_image_report(report, path)
    page = path.read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and "<b>.jpg" not in page
    assert "default-src 'none'" in page and "did not come" in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "The picture is no longer there." in page  # there are none in this gallery
    assert report.data.sha256 in page and "recall@1" in page


# --- through a real library -----------------------------------------------------------------------------------------

SHAPES = {
    "red circle": ["A red circle on white paper.", "Paper with one round red disc.", "The disc is red and round."],
    "blue square": ["A blue square on white paper.", "One blue box with four corners.", "The box is blue."],
    "green bars": ["Green bars, one beside the other.", "A chart with green columns.", "Columns of a green chart."],
    "black stripes": [
        "Black stripes from left to right.",
        "Dark lines across it, like a zebra.",
        "A zebra of dark stripes.",
    ],
}
PERSIAN = {
    "red circle": ["یک دایرهٔ قرمز روی کاغذ سفید.", "دایره‌ای گرد و قرمز."],
    "blue square": ["یک مربع آبی روی کاغذ.", "مربعی آبی با چهار گوشه."],
}


def draw(name: str, path: Path, *, shift: int = 0) -> None:
    picture = Image.new("RGB", (160, 120), "white")
    pen = ImageDraw.Draw(picture)
    if name == "red circle":
        pen.ellipse((30 + shift, 10, 120 + shift, 100), fill=(200, 20, 20))
    elif name == "blue square":
        pen.rectangle((30 + shift, 15, 110 + shift, 95), fill=(20, 20, 200))
    for i in range(6 if name == "green bars" else 0):
        pen.rectangle((10 + 24 * i, 100 - 12 * i - shift, 26 + 24 * i, 110), fill=(20, 150, 40))
    for i in range(6 if name == "black stripes" else 0):
        pen.rectangle((0, 20 * i + shift // 4, 160, 20 * i + 8 + shift // 4), fill="black")
    picture.save(path)


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Four shapes, two pictures of each; a copy, a missing and a broken one."""
    records = []
    for name, texts in SHAPES.items():
        for at, shift in enumerate((0, 16)):
            file = f"{name} {at}.png"
            draw(name, tmp_path / file, shift=shift)
            captions = {"en": [text.replace(".", f" {'here' if at else 'there'}.") for text in texts]}
            if not at and name in PERSIAN:
                captions["fa"] = PERSIAN[name]
            records.append({"image": file, "captions": captions, "label": name})
    (tmp_path / "copy.png").write_bytes((tmp_path / "red circle 0.png").read_bytes())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG broken")
    records += [{"image": name, "captions": ["Red, once more."]} for name in ("copy.png", "gone.png", "broken.png")]
    path = tmp_path / "shapes.jsonl"
    path.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in records), encoding="utf-8")
    return path


def test_the_command(shapes: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page, heat, out = tmp_path / "out" / "report.html", tmp_path / "heat.png", tmp_path / "queries.jsonl"
    library = tmp_path / "library"
    words = ("eval", "images", shapes, "--library", library, "--html", page, "--heat-map", heat, "--out", out)
    document = CommandLine(capfd).json(*words, code=1)  # two pictures failed
    assert not library.exists()
    english, persian = document["languages"]["en"], document["languages"]["fa"]
    assert english["total"] == 10 and english["scored"] == 8 and not english["skipped"]
    assert set(english["failed"]) == {"gone.png", "broken.png"}
    assert persian["scored"] == 2 and persian["skipped"] == {"no caption in fa": 6}
    assert english["captions"] == {"asked": 25, "failed": 0}  # 8 x 3, and one of the copy
    rows = {(row["direction"], row["kind"]): row for row in english["rows"]}
    assert rows["text→image", "fused"]["recall@5"]["value"] > 0.9
    assert rows["image→text", "fused"]["recall@1"]["value"] > 0.7
    assert rows["text→image", "words"]["fused_lead"]["n"] == 8
    assert {row["kind"] for row in persian["rows"]} == {"fused", "words"}  # MiniLM knows no Persian
    assert document["classes"]["all"]["precision@1"]["value"] == 1
    assert document["models"] == {"image embedding": "builtin-visual", "text embedding": "builtin-minilm"}
    assert document["notes"] == ["1 image is a copy of another; their captions were put together."]
    asked = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(asked) == 25 + 4 and all(one["error"] is None for one in asked)
    assert "English" in page.read_text(encoding="utf-8") and Image.open(heat).width > 300


def test_the_same_twice_and_what_is_stored(shapes: Path) -> None:
    """Two runs give the same figures; with nothing stored, the builtin space finds nothing by words."""
    data = read_image_set(shapes)
    with LibraryGallery(data, Settings()) as gallery:
        gallery.read_pictures()
        one = run(data, gallery, hold_out=HoldOut(1, 1), languages=["en"])
        two = run(data, gallery, hold_out=HoldOut(1, 1), languages=["en"])
        assert to_dict(one) == to_dict(two) and list(lines(one)) == list(lines(two))
        assert {query.caption for query in one.languages[0].queries} >= {"A red circle on white paper there."}
        nothing = run(data, gallery, hold_out=HoldOut(0, 1), languages=["en"])
        assert {query.ranks[FUSED] for query in nothing.languages[0].queries} == {0}
        folder = gallery._folder
    assert not folder.exists()


def test_a_model_with_words_is_scored_by_itself(shapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ranks are those of the cosines of its own vectors."""
    monkeypatch.setitem(names.LOADERS, ("image_embedding", "openclip"), "tests.colour_embedding:load")
    monkeypatch.setattr(ColourEmbedding, "missing", False)
    monkeypatch.setattr(ColourEmbedding, "breaks_after", None)
    data = read_image_set(shapes)
    with LibraryGallery(data, SETTINGS) as gallery:
        gallery.read_pictures()
        report = run(data, gallery, hold_out=HoldOut(1), languages=["fa"])
        model = ColourEmbedding()
        near = model.embed_images([one.path for one in gallery.images]).vectors
        for query in report.languages[0].queries:
            assert query.ranks[TOWER] == rank_of(near @ model.embed_texts([query.caption])[0], query.image)
    kinds = [row.kind for row in report.languages[0].rows if row.direction == "text→image"]
    assert kinds == [FUSED, TOWER, TEXTS, WORDS]  # MiniLM knows no Persian
    assert report.models["image embedding"] == "openclip:colours"


def test_what_the_command_refuses(shapes: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_line = CommandLine(capfd)
    wrong = run_line("eval", "images", shapes, "--heat-map", "heat.gif")
    assert wrong.returncode == 2 and "neither .png nor .svg" in wrong.stderr
    missing = run_line("eval", "images", shapes, "--language", "de")
    assert missing.returncode != 0 and "has no captions in de; it has en, fa." in missing.stderr
