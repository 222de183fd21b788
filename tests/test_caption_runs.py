"""Runs of captioning: what is asked in which order, asked again, written, resumed and skipped."""

from __future__ import annotations

import json
import struct
import threading
import time
import zlib
from pathlib import Path

import pytest

from rag_app.captioning import CaptionRow, caption, picture_file, read_captions
from rag_app.captioning.prompts import SCHEMA, caption_prompt
from rag_app.errors import (
    IncompleteReply,
    InputError,
    LibraryBusy,
    ModelFailed,
    ModelNotInstalled,
    ModelUnreachable,
    ModelUnsuitable,
    UsageError,
)
from tests import caption_replies as replies
from tests.caption_models import Asked, ScriptedModel, picture, replies_in_turn, usual


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, colour in (("b.png", "blue"), ("a.jpg", "red"), ("deep/er/c.webp", "green")):
        picture(folder / name, colour)
    return folder


def test_a_row_for_each_picture_model_and_language(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "captions.jsonl"
    log: list[str] = []
    models = [ScriptedModel("test:one", log=log), ScriptedModel("test:two", log=log)]
    seen: list[tuple[int, int]] = []
    report = caption([photos], models, out=out, on_progress=lambda done, total: seen.append((done, total)))
    rows = read_captions(out)
    assert {(r.image, r.model, r.language) for r in rows} == {
        (image, model, language)
        for image in ("photos/a.jpg", "photos/b.png", "photos/deep/er/c.webp")
        for model in ("test:one", "test:two")
        for language in ("en", "fa")
    }
    assert len(rows) == 12 and report.missing == 0
    assert [m.done for m in report.models] == [6, 6]
    assert log == ["test:one"] * 6 + ["test:two"] * 6
    assert seen[0] == (0, 12) and seen[-1] == (12, 12)
    for row in rows:
        assert (row.short, row.detailed) == (replies.PERSIAN if row.language == "fa" else replies.ENGLISH)
        assert row.prompt_version == "caption-1" and row.translated_from is None and row.attempts == 1
        assert row.tokens.prompt == 900 and row.tokens.reply == 200 and row.seconds >= 0
        assert {c.name for c in row.checks} >= {"language", "length", "repetition", "refusal", "copying"}
        assert picture_file(row, out).read_bytes() in {image for m in models for a in m.asked for image in a.images}


def test_each_language_is_asked_in_itself_with_picture_and_schema(photos: Path, tmp_path: Path) -> None:
    model = ScriptedModel()
    caption([photos / "a.jpg"], [model], out=tmp_path / "c.jsonl")
    assert [asked.prompt for asked in model.asked] == [caption_prompt("en"), caption_prompt("fa")]
    for asked in model.asked:
        assert asked.images == ((photos / "a.jpg").read_bytes(),) and asked.schema == SCHEMA
        assert (asked.temperature, asked.seed, asked.repeat_penalty) == (0.0, 0, None)


def test_what_is_there_is_not_asked_again(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "captions.jsonl"
    caption([photos], [ScriptedModel()], ["fa"], out=out)
    before = out.read_bytes()
    model = ScriptedModel(unfit=ModelUnreachable("the server is not even needed"))
    report = caption([photos], [model], ["fa"], out=out)
    assert (model.asked, model.checked, report.models[0].unchanged) == ([], [], 3)
    assert out.read_bytes() == before
    other = ScriptedModel("test:other")
    assert caption([photos], [other], ["fa"], out=out).models[0].done == 3
    picture(photos / "a.jpg", "black")
    model = ScriptedModel()
    assert caption([photos], [model], ["fa"], out=out).models[0].done == 1
    assert len(model.asked) == 1
    assert len(read_captions(out)) == 6


def test_again_asks_again_and_keeps_the_good_until_there_is_better(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    caption([photos], [ScriptedModel()], ["en"], out=out)
    broken = ScriptedModel(write=lambda asked: reply_of(replies.LOOP))
    assert caption([photos], [broken], ["en"], out=out, again=True).missing == 3
    assert len(broken.asked) == 9
    assert [row.short for row in read_captions(out)] == [replies.ENGLISH[0]] * 3


def reply_of(pair: tuple[str, str]) -> str:
    return replies.reply(pair)


@pytest.mark.parametrize(
    ("bad", "language", "reason"),
    [
        (reply_of(replies.ARABIC), "fa", "language"),
        (reply_of(replies.LEFTOVERS), "fa", "language"),
        (reply_of(replies.PERSIAN_LOOP), "fa", "repetition"),
        (reply_of(replies.PERSIAN_REFUSAL), "fa", "refusal"),
        (reply_of(replies.REFUSAL), "en", "refusal"),
        (reply_of(replies.COPY), "en", "copying"),
        (reply_of(replies.BRIEF), "en", "length"),
        (reply_of(replies.CUT), "en", "complete"),
        ("not json", "en", "form"),
        ('["short"]', "en", "form"),
        ('{"short": "a", "detailed": null}', "en", "form"),
        (IncompleteReply("test:model stopped in the middle."), "en", "complete"),
    ],
)
def test_a_failed_check_is_asked_again_then_recorded(
    photos: Path, tmp_path: Path, bad: str | Exception, language: str, reason: str
) -> None:
    """Once bad: the second attempt is kept. Always bad: a row with the reason, and no caption in it."""
    out = tmp_path / "c.jsonl"
    model = ScriptedModel(write=replies_in_turn(bad))
    report = caption([photos / "a.jpg"], [model], [language], out=out)
    (row,) = read_captions(out)
    assert report.missing == 0 and row.attempts == 2
    first, second = model.asked
    assert first.prompt != second.prompt and second.prompt.startswith(first.prompt)
    assert (second.seed, second.temperature > 0, second.repeat_penalty) == (1, True, 1.15)

    failing = ScriptedModel("test:failing", write=replies_in_turn(*[bad] * 3))
    report = caption([photos / "a.jpg"], [failing], [language], out=out)
    assert report.models[0].reasons == {reason: 1} and report.missing == 1
    assert len({asked.seed for asked in failing.asked}) == 3
    (row,) = [r for r in read_captions(out, failed=True) if r.model == "test:failing"]
    assert (row.ok, row.short, row.detailed, row.failed, row.attempts) == (False, "", "", reason, 3)
    assert row.error and reason in row.error
    assert not any(r.model == "test:failing" for r in read_captions(out))
    report = caption([photos / "a.jpg"], [failing], [language], out=out)  # asked again in the next run, and good now
    assert report.models[0].done == 1 and len(read_captions(out)) == 2


def test_arabic_letters_in_persian_are_written_as_persian_ones(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    model = ScriptedModel(write=lambda asked: reply_of(replies.OLD_LETTERS))
    caption([photos / "a.jpg"], [model], ["fa"], out=out)
    (row,) = read_captions(out)
    assert (row.short, row.detailed) == replies.PERSIAN
    assert "Arabic letters" in next(check.note for check in row.checks if check.name == "form")


def test_bad_pictures_are_rows_and_the_run_goes_on(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    (photos / "empty.png").write_bytes(b"")
    (photos / "text.jpg").write_text("no picture")
    (photos / "cut.jpg").write_bytes((picture(tmp_path / "x.jpg", size=(600, 600))).read_bytes()[:400])
    (photos / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (photos / "huge.png").write_bytes(png_that_says(11_000, 10_000))
    (photos / "notes.txt").write_text("left alone")
    picture(photos / ".hidden.png")
    model = ScriptedModel()
    report = caption([photos], [model], ["en"], out=out)
    assert report.pictures == 8 and len(model.asked) == 3
    assert report.models[0].done == 3 and report.models[0].reasons == {"picture": 5}
    errors = {r.image: r.error or "" for r in read_captions(out, failed=True) if not r.ok}
    assert "empty" in errors["photos/empty.png"]
    assert "not a picture" in errors["photos/text.jpg"]
    assert "damaged" in errors["photos/cut.jpg"]
    assert "HEIC" in errors["photos/phone.HEIC"] and "JPEG" in errors["photos/phone.HEIC"]
    assert "11000 x 10000" in errors["photos/huge.png"]


def png_that_says(width: int, height: int) -> bytes:
    """A PNG whose header gives this size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT"


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "gif", "bmp", "tiff"])
def test_kinds_of_pictures(tmp_path: Path, kind: str) -> None:
    model = ScriptedModel()
    caption([picture(tmp_path / f"x.{kind}").parent], [model], ["en"], out=tmp_path / "c.jsonl")
    assert len(model.asked) == 1


def test_equal_files_are_asked_about_once(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    (photos / "copy of a.jpg").write_bytes((photos / "a.jpg").read_bytes())
    model = ScriptedModel()
    report = caption([photos], [model], ["en"], out=out)
    assert len(model.asked) == 3 and report.models[0].done == 4
    copied = next(row for row in read_captions(out) if row.image == "photos/copy of a.jpg")
    assert (copied.attempts, copied.short) == (0, replies.ENGLISH[0])
    (photos / "later.jpg").write_bytes((photos / "a.jpg").read_bytes())
    assert caption([photos], [model], ["en"], out=out).models[0].unchanged == 5
    assert len(model.asked) == 3 and len(read_captions(out)) == 5


def test_a_translation_says_so_and_stands_beside_what_was_asked(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    model = ScriptedModel()
    report = caption([photos / "a.jpg"], [model], out=out, translate=True)
    assert report.missing == 0
    english, persian = model.asked
    assert len(english.images) == 1 and persian.images == () and replies.ENGLISH[1] in persian.prompt
    rows = {row.language: row for row in read_captions(out)}
    assert (rows["en"].translated_from, rows["fa"].translated_from) == (None, "en")
    assert rows["fa"].prompt_version == "translation-1"
    caption([photos / "a.jpg"], [model], out=out)
    assert len(model.asked) == 3 and len(read_captions(out)) == 3
    with pytest.raises(UsageError, match="en,fa"):
        caption([photos], [model], ["fa"], out=out, translate=True)


def test_nothing_is_translated_where_the_english_failed(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    model = ScriptedModel(write=replies_in_turn(*[reply_of(replies.LOOP)] * 3))
    report = caption([photos / "a.jpg"], [model], out=out, translate=True)
    assert report.models[0].reasons == {"repetition": 1, "english": 1} and len(model.asked) == 3


def test_names_are_checked_before_any_work(photos: Path, tmp_path: Path) -> None:
    good = ScriptedModel("test:good")
    for unfit in (ModelNotInstalled("no such model; did you mean gemma3:4b?"), ModelUnsuitable("reads no pictures")):
        with pytest.raises(type(unfit)):
            caption([photos], [good, ScriptedModel("test:bad", unfit=unfit)], out=tmp_path / "c.jsonl")
    assert good.asked == [] and set(good.checked) == {True}
    assert not (tmp_path / "c.jsonl").exists()


def test_a_model_error_is_a_row_and_the_run_goes_on(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    model = ScriptedModel(write=replies_in_turn(ModelFailed("out of memory")))
    report = caption([photos], [model], ["en"], out=out)
    assert (report.models[0].done, report.models[0].reasons) == (2, {"model": 1})
    assert [r.error for r in read_captions(out, failed=True) if not r.ok] == ["out of memory"]


def test_a_server_that_is_gone_ends_its_models_work(photos: Path, tmp_path: Path) -> None:
    def write(asked: Asked) -> str:
        raise ModelUnreachable("No Ollama answers.")

    for name in "defgh":
        picture(photos / f"{name}.png", size=(10 + ord(name), 9))
    gone, there = ScriptedModel("test:gone", write=write), ScriptedModel("test:there")
    report = caption([photos], [gone, there], ["en"], out=tmp_path / "c.jsonl")
    first, second = report.models
    assert (len(gone.asked), first.reasons, first.left, first.stopped) == (
        3,
        {"unreachable": 3},
        5,
        "No Ollama answers.",
    )
    assert second.done == 8 and report.missing == 8
    assert first.done + first.unchanged + len(first.failures) + first.left == report.pictures


def test_no_more_at_once_than_said(tmp_path: Path) -> None:
    for number in range(12):
        picture(tmp_path / "p" / f"{number}.png", size=(10 + number, 10))

    def write(asked: Asked) -> str:
        time.sleep(0.02)
        return usual(asked)

    one, three = ScriptedModel("test:1", write=write), ScriptedModel("test:3", write=write)
    caption([tmp_path / "p"], [one], ["en"], out=tmp_path / "1.jsonl")
    caption([tmp_path / "p"], [three], ["en"], out=tmp_path / "3.jsonl", parallel=3)
    assert (one.most_at_once, three.most_at_once) == (1, 3)
    assert len(read_captions(tmp_path / "3.jsonl")) == 12


def test_a_torn_last_line_is_dropped_and_asked_again(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    caption([photos], [ScriptedModel()], ["fa"], out=out)
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (1, 40, len(lines[-1]) // 2, len(lines[-1]) - 2):
        out.write_bytes(b"".join(lines[:-1]) + lines[-1][:cut])
        assert len(read_captions(out)) == 2
        model = ScriptedModel()
        caption([photos], [model], ["fa"], out=out)
        assert len(model.asked) == 1
        assert [json.loads(line)["image"] for line in out.read_text("utf-8").splitlines()] == [
            json.loads(line)["image"] for line in whole.splitlines()
        ]
    out.write_bytes(whole.rstrip(b"\n"))  # a whole row whose line end was lost
    model = ScriptedModel()
    caption([photos], [model], ["fa", "en"], out=out)
    assert len(model.asked) == 3 and len(read_captions(out)) == 6


def test_a_file_of_something_else_is_refused_and_left_alone(photos: Path, tmp_path: Path) -> None:
    for content in ('{"a": 1}\n', "hello\nworld\n", '{"a": 1}\n{"torn'):
        out = tmp_path / "other.jsonl"
        out.write_text(content)
        with pytest.raises(InputError, match=r"Line 1 of .*other\.jsonl is no row"):
            caption([photos], [ScriptedModel()], out=out)
        assert out.read_text() == content


def test_two_runs_cannot_write_one_file(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    started, go_on = threading.Event(), threading.Event()

    def write(asked: Asked) -> str:
        started.set()
        go_on.wait(10)
        return usual(asked)

    first = threading.Thread(target=caption, args=([photos], [ScriptedModel(write=write)]), kwargs={"out": out})
    first.start()
    assert started.wait(10)
    try:
        with pytest.raises(LibraryBusy, match=r"c\.jsonl"):
            caption([photos], [ScriptedModel()], out=out)
    finally:
        go_on.set()
        first.join()
    assert len(read_captions(out)) == 6


def test_names_are_relative_to_the_file(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for out in (Path("c.jsonl"), tmp_path / "results" / "c.jsonl"):
        caption(["photos/a.jpg", photos.absolute()], [ScriptedModel()], ["en"], out=out)
        rows = read_captions(out)
        assert len(rows) == 3
        assert all(picture_file(row, out).is_file() and not Path(row.image).is_absolute() for row in rows)


def test_wrong_use(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    with pytest.raises(UsageError, match="'de'"):
        caption([photos], [ScriptedModel()], ["de"], out=out)
    with pytest.raises(UsageError, match="No language"):
        caption([photos], [ScriptedModel()], [], out=out)
    with pytest.raises(UsageError, match="No model"):
        caption([photos], [], out=out)
    with pytest.raises(InputError, match=r"missing\.png"):
        caption([tmp_path / "missing.png"], [ScriptedModel()], out=out)
    with pytest.raises(InputError, match="rag-app caption"):
        read_captions(tmp_path / "none.jsonl")
    assert not out.exists()


def test_a_row_survives_its_file() -> None:
    row = CaptionRow("a\u2028b.png", "0" * 64, "m", "fa", "caption-1", short="«الف»", detailed="ب", seconds=1.5)
    assert CaptionRow.from_dict(json.loads(json.dumps(row.to_dict()))) == row
    later = row.to_dict() | {"a field of a later version": 1}
    assert CaptionRow.from_dict(later) == row
