"""What is said of a figure against the text drawn in it, its caption, or OCR."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from ingestion.describe import verification
from ingestion.describe.findings import BAR, Checks
from ingestion.describe.schemas import Axis, FigureReading, NumberRead
from ingestion.describe.verification import verify
from ingestion.elements import Element, Place
from ingestion.ocr import OcrStatus, available

DRAWN = "100\n80\n60 72.3 75.8\n40 noise 0.4\n20\n0\n16 64 256 1024\nBatch size N\nRecall@1 (%)"


def figure(text: str = DRAWN, caption: str = "Figure 4: Recall after 30 epochs.") -> Element:
    return Element(id="e1", order=1, kind="figure", places=(Place(1, (0, 0, 9, 9)),), text=text, caption=caption)


def said(**more: Any) -> FigureReading:
    given = {
        "kind": "line chart", "title": "", "summary": "Recall grows.", "series": ["noise 0.4"], "trends": [],
        "axes": [Axis(panel="", name="Batch size N", unit="", low="16", high="1024", scale="logarithmic")],
        "numbers": [NumberRead(value="72.3", of="recall at 16", approximate=False)], "visible_text": ["Batch size N"],
        "description": "Recall grows from 72.3 to 75.8.", **more,
    }  # fmt: skip
    return FigureReading(**given)


def check(reading: FigureReading, element: Element | None = None, **more: Any) -> Checks:
    return verify("figure", reading, element or figure(), **more)


def number(value: str, *, approximate: bool = False) -> dict[str, Any]:
    return {"numbers": [NumberRead(value=value, of="recall", approximate=approximate)]}


def test_agreement() -> None:
    found = check(said())
    assert (found.score, found.verified) == (1.0, True)
    assert "1 of 1 numbers occur in the figure's text layer or the caption." in found.reasons


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (number("73.2"), "said to be printed are not in the figure's text layer: 73.2"),
        (number("7.23"), "said to be printed"),
        (number("-72.3"), "said to be printed"),
        (number("4500", approximate=True), "outside the ticks"),
        (number("seventy percent of the papers"), "said to be printed"),
        ({"series": ["noise 0.4", "ResNet-50"]}, "'ResNet-50'"),
        ({"series": ["noise 0.6"]}, "'noise 0.6'"),
        ({"axes": [Axis(panel="", name="Epochs of training", unit="", low="", high="", scale="linear")]}, "axes"),
        ({"axes": [Axis(panel="", name="", unit="", low="0", high="2048", scale="linear")]}, "2048"),
        ({"title": "Revenue of the company"}, "title"),
        ({"description": "Recall is 88.1 at the end."}, "88.1"),
        ({"trends": ["It rises by 45 percent."]}, "45"),
        ({"visible_text": ["n = 5000"]}, "n = 5000"),
        ({"visible_text": ["Adam", "Dropout", "Layer norm"]}, "visible text"),
    ],
)
def test_each_error_is_named(more: dict[str, Any], reason: str) -> None:
    found = check(said(**more))
    assert not found.verified
    assert any(reason in why for why in found.reasons), found.reasons


@pytest.mark.parametrize(
    "more",
    [
        number("72", approximate=True),
        number("about 72"),
        number("72.30"),
        number("72.3 %"),
        number("۷۲٫۳"),
        number("1,024"),
        {"description": "After 30 epochs the 2 lines are near 76; the axis ends at 1,024."},
        {"series": ["Noise 0.4"], "visible_text": ["BATCH SIZE N", "Recall@1 (%)"]},
        {"visible_text": ["Batch size N", "recall@1", "something rotated"]},
        {"numbers": [], "axes": [], "series": []},
    ],
)
def test_right_readings_are_spelled_freely(more: dict[str, Any]) -> None:
    found = check(said(**more))
    assert found.verified, found.reasons


def test_estimates_between_ticks_are_counted_as_unchecked() -> None:
    guess = NumberRead(value="88", of="recall at 1024", approximate=True)
    known = NumberRead(value="72.3", of="recall at 16", approximate=False)
    both, alone = check(said(numbers=[known, guess])), check(said(numbers=[guess]))
    assert both.verified
    assert 1.0 > both.score > alone.score
    assert not alone.verified, "nothing of it was checked"
    assert any("cannot be checked" in reason for reason in both.reasons)


def test_numbers_of_the_sentences_around_count_as_known() -> None:
    reading = said(**number("91.4"))
    assert not check(reading).verified
    assert check(reading, context="Figure 4 shows that 91.4 is reached in the end.").verified


def test_nothing_said_that_could_be_compared_is_unverified() -> None:
    bare = said(numbers=[], axes=[], series=[], visible_text=[], description="Some lines.")
    found = check(bare)
    assert (found.score, found.verified) == (0.0, False)


def picture(text: str) -> bytes:
    image = Image.new("RGB", (900, 300), "white")
    ImageDraw.Draw(image).text((40, 100), text, fill="black", font=ImageFont.load_default(60))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_a_scan_without_ocr_is_unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.ocr.available", lambda: OcrStatus(None, (), "not installed"))
    found = check(said(), figure(text=""), image=picture("Batch size 72.3"))
    assert (found.score, found.verified) == (0.0, False)
    assert "nothing can be compared" in found.reasons[0]
    assert check(said(), figure(text="")).verified is False


@pytest.mark.skipif(not available().ready, reason="Tesseract's language files are not installed")
def test_ocr_reads_a_figure_without_text_layer() -> None:
    image = picture("Batch size 72.3")
    reading = said(
        axes=[], series=[], visible_text=["Batch size"], description="The value 72.3 is printed.", **number("72.3")
    )
    found = check(reading, figure(text="", caption=""), image=image)
    assert found.verified, found.reasons
    assert any("OCR" in reason for reason in found.reasons)
    assert not check(said(**number("73.2")), figure(text="", caption=""), image=image).verified
    blank = io.BytesIO()
    Image.new("RGB", (50, 50), "white").save(blank, "PNG")
    assert verification.text_in(blank.getvalue()) == ""


def test_a_persian_figure() -> None:
    element = figure("۱۰۰\nمتن خام\nمتن یکدست\u200cشده\n۸۰\n۶۶٫۵\n۵۸٫۰\n۰\nنام یک شیء", "شکل ۲: اثر یکدست‌کردن متن.")
    reading = said(
        summary="متن یکدست‌شده بهتر است.", series=["متن خام", "متن يكدست شده"], axes=[], visible_text=["نام یک شیء"],
        description="مقدار متن خام ۵۸٫۰ و مقدار متن یکدست‌شده ۶۶٫۵ است.", **number("66.5"),
    )  # fmt: skip
    assert check(reading, element).verified, check(reading, element).reasons
    assert not check(reading.model_copy(update={"series": ["گروه شاهد"]}), element).verified
    assert not check(reading.model_copy(update={"description": "مقدار ۸۵٫۰ است."}), element).verified


def test_a_reading_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="FigureReading is no reading of a table"):
        verify("table", said(), figure())


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4), st.booleans())
def test_no_text_breaks_the_checks(drawn: str, prose: str, labels: list[str], approximate: bool) -> None:
    numbers = [NumberRead(value=label, of="x", approximate=approximate) for label in labels]
    found = check(
        said(title=prose[:20], description=prose, series=labels, visible_text=labels, numbers=numbers), figure(drawn)
    )
    assert 0.0 <= found.score <= 1.0
    assert not found.verified or found.score >= BAR
    assert found.reasons
