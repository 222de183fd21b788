"""`rag-app search` by words and by pictures, `ingest --captions` and `--reembed`, on pictures drawn here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from rag_app import Library
from tests.commands import CommandLine

HIT_FIELDS = {"node_id", "document", "page", "bbox", "kind", "score", "found_by", "text", "image"}
# Two of each sort: name -> (colour, sides of the shape).
DRAWN = {
    "disc-red.png": ("#c03020", 0),
    "disc-dark.png": ("#801810", 0),
    "bars-blue.png": ("#2040b0", 4),
    "bars-green.png": ("#208040", 4),
    "stripes.png": ("#303030", 9),
    "grid.png": ("#909000", 7),
}
CAPTIONS = {
    "disc-red.png": ["A red sun above the sea.", "خورشید سرخ بالای دریا"],
    "disc-dark.png": ["The dark moon at night."],
    "bars-blue.png": ["A bar chart of rainfall with error bars."],
    "bars-green.png": ["A bar chart of harvests."],
    "stripes.png": ["A zebra crossing in a street."],
    "grid.png": ["A window with many panes."],
}


def drawing(colour: str, sides: int) -> Image.Image:
    image = Image.new("RGB", (320, 240), "white")
    pen = ImageDraw.Draw(image)
    if not sides:
        pen.ellipse((60, 30, 250, 220), fill=colour)
    for i in range(sides):
        step = 300 // sides
        pen.rectangle((10 + i * step, 40 + 17 * i % 90, 10 + i * step + step // 2, 230), fill=colour)
        if sides == 7:
            pen.rectangle((10, 20 + i * 30, 310, 30 + i * 30), fill=colour)
    return image


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six pictures and a smaller copy of one, captions for the six, and a library of them."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "images").mkdir()
    for name, (colour, sides) in DRAWN.items():
        drawing(colour, sides).save(folder / "images" / name)
    drawing(*DRAWN["bars-blue.png"]).resize((200, 150)).save(folder / "images" / "bars-copy.png")
    lines = [{"image": f"images/{name}", "captions": captions} for name, captions in CAPTIONS.items()]
    lines.append({"image": "images/nowhere.png", "captions": ["Nothing."]})
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (folder / "captions.jsonl").write_text(text, encoding="utf-8")
    with Library.open(folder / "library") as library:
        report = library.ingest(folder / "images")
        assert not [document for document in report.documents if document.error]
        library.add_captions(folder / "captions.jsonl")
    return folder


@pytest.fixture
def rag_app(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, photos: Path) -> CommandLine:
    monkeypatch.setenv("RAG_APP_LIBRARY", str(photos / "library"))
    monkeypatch.setenv("COLUMNS", "80")
    return CommandLine(capfd)


# --- pictures by words ----------------------------------------------------------------------------------------------


def test_words_find_pictures_by_their_captions(rag_app: CommandLine) -> None:
    found = rag_app.json("search", "--images", "a chart with error bars", "-k", 3)
    assert found["query"] == "a chart with error bars" and found["seconds"]["total"] >= 0
    assert set(found["hits"][0]) >= HIT_FIELDS
    assert found["hits"][0]["document"] == "bars-blue.png" and "caption" in found["hits"][0]["found_by"]
    assert len(found["hits"]) <= 3 and found["html"] is None and found["contact_sheet"] is None


def test_persian_words_find_pictures(rag_app: CommandLine) -> None:
    assert rag_app.json("search", "--images", "خورشید سرخ")["hits"][0]["document"] == "disc-red.png"


def test_what_is_not_wanted_comes_later(rag_app: CommandLine) -> None:
    words = ("search", "--images", "a bar chart")
    before = [hit["document"] for hit in rag_app.json(*words)["hits"]]
    document = rag_app.json(*words, "--without", "harvests")
    after = [hit["document"] for hit in document["hits"]]
    assert document["without"] == "harvests"
    assert before.index("bars-green.png") < before.index("bars-blue.png")
    assert after.index("bars-blue.png") < after.index("bars-green.png")


def test_terminal_shows_place_caption_and_crop(rag_app: CommandLine, photos: Path) -> None:
    shown = rag_app("search", "--images", "a zebra crossing", "-k", 1).stdout
    first, caption, crop = shown.splitlines()[:3]
    assert first.startswith("1. stripes.png") and "by caption" in first and "page" not in first
    assert caption.strip() == "A zebra crossing in a street."
    assert Path(crop.strip().removeprefix("crop: ")).is_file()


# --- pictures by a picture ------------------------------------------------------------------------------------------


def test_a_picture_finds_itself_and_its_near_duplicates_under_it(rag_app: CommandLine, photos: Path) -> None:
    found = rag_app.json("search", "--image", photos / "images" / "bars-copy.png", "-k", 5)
    assert found["query"] is None and found["image"] == "bars-copy.png"
    best = found["hits"][0]
    assert best["document"] in ("bars-copy.png", "bars-blue.png") and best["found_by"] == ["image"]
    assert len(best["duplicates"]) == 1
    assert len({hit["document"] for hit in found["hits"]} & {"bars-copy.png", "bars-blue.png"}) == 1
    shown = rag_app("search", "--image", photos / "images" / "bars-copy.png", "-k", 1).stdout
    assert "and 1 near-duplicate: bars-" in shown


def test_a_picture_with_words(rag_app: CommandLine, photos: Path) -> None:
    picture = photos / "images" / "bars-green.png"
    found = rag_app.json("search", "--image", picture, "a zebra crossing in a street")["hits"]
    alone = rag_app.json("search", "--image", picture)["hits"]
    place = {
        name: [hit["document"] for hit in hits].index("stripes.png")
        for name, hits in (("with", found), ("alone", alone))
    }
    assert place["with"] < place["alone"] or place["with"] == 0
    assert {"image", "meaning"} <= set(found[place["with"]]["parts"])


def test_a_figure_is_found_by_its_picture_in_a_paper(rag_app: CommandLine, sample_library: Path) -> None:
    words = ("--library", sample_library, "--kind", "figure")
    figure = rag_app.json("search", "contrastive loss", *words)["hits"][0]
    crop = sample_library / "crops" / figure["image"]
    best = rag_app.json("search", "--image", crop, "--library", sample_library)["hits"][0]
    assert (best["node_id"], best["label"], best["page"]) == (figure["node_id"], figure["label"], figure["page"])
    shown = rag_app("search", "--image", crop, "-k", 1, "--library", sample_library).stdout
    assert f"{figure['document']}, page {figure['page']} · {figure['label']}" in shown


# --- filters --------------------------------------------------------------------------------------------------------


def test_folder_and_paper_filters(rag_app: CommandLine, photos: Path, tmp_path: Path) -> None:
    words = ("search", "--images", "a bar chart")
    assert rag_app.json(*words, "--folder", photos / "images")["hits"]
    assert not rag_app.json(*words, "--folder", tmp_path)["hits"]
    hits = rag_app.json(*words, "--paper", "bars-green.png")["hits"]
    assert [hit["document"] for hit in hits] == ["bars-green.png"]
    result = rag_app(*words, "--paper", "bars-gren.png")
    assert result.returncode == 2 and "bars-green.png" in result.stderr


# --- files ----------------------------------------------------------------------------------------------------------


def test_page_and_contact_sheet(rag_app: CommandLine, photos: Path, tmp_path: Path) -> None:
    html, sheet = tmp_path / "out" / "hits.html", tmp_path / "hits.png"
    words = ("search", "--image", photos / "images" / "disc-red.png", "a sun", "--html", html, "--contact-sheet", sheet)
    document = rag_app.json(*words)
    assert (document["html"], document["contact_sheet"]) == (str(html), str(sheet))
    text = html.read_text(encoding="utf-8")
    assert "the picture searched with" in text and text.count("data:image/webp;base64,") >= 1 + len(document["hits"])
    with Image.open(sheet) as image:
        assert image.format == "PNG" and image.width > 700
    shown = rag_app(*words).stdout
    assert f"Page: {html}" in shown and f"Contact sheet: {sheet}" in shown


def test_a_text_search_can_have_a_page_too(rag_app: CommandLine, sample_library: Path, tmp_path: Path) -> None:
    html, sheet = tmp_path / "hits.html", tmp_path / "hits.png"
    words = ("search", "contrastive loss", "--library", sample_library, "--html", html, "--contact-sheet", sheet)
    result = rag_app(*words, "--kind", "text")
    assert result.returncode == 0 and "no contact sheet was written" in result.stdout
    assert html.exists() and not sheet.exists()
    assert rag_app(*words, "--kind", "figure").returncode == 0 and sheet.exists()


# --- wrong use ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give a text to search for"),
        (("--images",), "Give a text to search for"),
        (("--image", "https://example.org/a.png"), "nothing is fetched"),
        (("--image", "nowhere.png"), "There is no picture nowhere.png"),
        (("--image", "."), "is a folder"),
        (("text", "--without", "words"), "--without is for pictures"),
        (("text", "--folder", "."), "--folder is for pictures"),
        (("--images", "text", "--kind", "text"), "have pictures"),
    ],
)
def test_wrong_use_is_one_sentence(rag_app: CommandLine, words: tuple[str, ...], said: str) -> None:
    result = rag_app("search", *words)
    assert result.returncode == 2 and result.stdout == ""
    assert said in result.stderr and result.stderr.count("Error:") == 1 and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"%PDF-1.7 no picture", "is not a picture"), (None, "damaged")]
)
def test_a_bad_picture_is_one_sentence(rag_app: CommandLine, tmp_path: Path, content: bytes | None, said: str) -> None:
    picture = tmp_path / "bad.png"
    if content is None:
        drawing("#c03020", 4).save(picture)
        content = picture.read_bytes()[:400]
    picture.write_bytes(content)
    result = rag_app("search", "--image", picture)
    assert result.returncode == 1 and said in result.stderr and result.stderr.count("Error:") == 1


def test_a_page_that_cannot_be_written_is_told(rag_app: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = rag_app("search", "--images", "a chart", "--html", tmp_path / "file" / "x.html")
    assert result.returncode == 2 and "Choose another file with --html" in result.stderr


# --- ingest ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def changed(photos: Path, tmp_path: Path) -> Path:
    """A copy of the library that a test may change."""
    return Path(shutil.copytree(photos / "library", tmp_path / "library"))


def test_captions_are_stored_once(rag_app: CommandLine, photos: Path, changed: Path) -> None:
    words = ("ingest", "--captions", photos / "captions.jsonl", "--library", changed)
    counted = rag_app.json(*words)["captions"]
    assert (counted["added"], counted["unchanged"]) == (0, 7) and counted["unmatched"] == ["images/nowhere.png"]
    more = photos / "more.jsonl"
    more.write_text('{"image": "images/grid.png", "captions": ["A chessboard of panes."]}', encoding="utf-8")
    shown = rag_app("ingest", "--captions", more, "--library", changed)
    assert shown.returncode == 0 and "1 caption stored." in shown.stdout
    hits = rag_app.json("search", "--images", "chessboard", "--library", changed)["hits"]
    assert hits[0]["document"] == "grid.png" and hits[0]["text"] == "A chessboard of panes."
    assert "8 captions" in rag_app("status", "--library", changed).stdout


def test_captions_of_no_picture_are_a_failure(rag_app: CommandLine, tmp_path: Path, changed: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"image": "x.png", "captions": ["A bear."]}', encoding="utf-8")
    result = rag_app("ingest", "--captions", tmp_path / "c.jsonl", "--library", changed)
    assert result.returncode == 1 and "not in the library: x.png" in result.stdout
    (tmp_path / "c.jsonl").write_text('{"image": 3}', encoding="utf-8")
    result = rag_app("ingest", "--captions", tmp_path / "c.jsonl", "--library", changed)
    assert result.returncode == 1 and "line 1" in result.stderr


def test_pictures_come_in_with_their_captions(rag_app: CommandLine, photos: Path, tmp_path: Path) -> None:
    document = rag_app.json(
        "ingest",
        photos / "images" / "stripes.png",
        "--captions",
        photos / "captions.jsonl",
        "--library",
        tmp_path / "new",
    )
    assert len(document["documents"]) == 1 and document["captions"]["added"] == 1
    assert len(document["captions"]["unmatched"]) == 6
    hits = rag_app.json("search", "--images", "zebra", "--library", tmp_path / "new")["hits"]
    assert [hit["document"] for hit in hits] == ["stripes.png"]


def test_reembed_fills_picture_vectors_too(rag_app: CommandLine, changed: Path) -> None:
    document = rag_app.json("ingest", "--reembed", "--library", changed)
    assert document["images"]["space"].startswith("image:builtin-visual:") and document["images"]["embedded"] == 0
    assert document["reembedded"]["embedded"] == 0
    shown = rag_app("status", "--library", changed).stdout
    assert "Vectors image:builtin-visual:" in shown and ": 7 of dimension" in shown


def test_reembed_with_a_model_that_is_not_there_changes_nothing(rag_app: CommandLine, changed: Path) -> None:
    (changed / "settings.toml").write_text('[models]\nimage_embedding = "openclip:ViT-B-32@/nowhere.pt"\n')
    result = rag_app("ingest", "--reembed", "--library", changed)
    assert result.returncode in (1, 2) and result.stderr.count("Error:") == 1
    assert "torch" in result.stderr or "/nowhere.pt" in result.stderr
    assert rag_app.json("search", "--images", "zebra", "--library", changed)["hits"][0]["document"] == "stripes.png"


# --- pairs for fine-tuning ------------------------------------------------------------------------------------------


def test_figures_come_with_their_captions_for_fine_tuning(sample_library: Path, changed: Path) -> None:
    with Library.open(sample_library) as library:
        figures = library.captioned_figures()
    assert len({figure.document_id for figure in figures}) == 2 and all(figure.image.is_file() for figure in figures)
    captions = [figure.captions[0] for figure in figures]
    assert any(caption.startswith("The dual encoder.") for caption in captions)  # "Figure 1:" is gone
    assert any(caption.startswith("مسیر یک پرسش") for caption in captions)  # and «شکل ۱:»
    with Library.open(changed) as library:
        stored = {figure.captions for figure in library.captioned_figures()}
    assert tuple(CAPTIONS["disc-red.png"]) in stored and len(stored) == len(CAPTIONS)
