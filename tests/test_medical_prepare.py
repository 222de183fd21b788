"""`medical prepare`: from folders, tables and DICOM to a dataset that does not leak."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from rag_app.errors import InputError, UsageError
from rag_app.medical.choices import Choices
from rag_app.medical.preparing import Options, prepare
from rag_app.medical.records import Dataset
from rag_app.medical.splitting import joined, split
from tests.commands import CommandLine
from tests.xrays import drawn, xray


@pytest.fixture
def by_class(tmp_path: Path) -> Path:
    """40 drawings in folders by class."""
    source = tmp_path / "scans"
    for i, (label, image) in enumerate(drawn(40, seed=3)):
        (source / label).mkdir(parents=True, exist_ok=True)
        image.save(source / label / f"{i}.png")
    return source


def parts(dataset: Dataset) -> dict[str, set[str]]:
    """Label -> the parts it is in."""
    found: dict[str, set[str]] = defaultdict(set)
    for example in dataset.examples:
        found[example.label].add(example.split)
    return found


def test_folders_by_class(by_class: Path, tmp_path: Path) -> None:
    made = prepare(by_class, tmp_path / "dataset", Options()).dataset
    assert made == Dataset.read(tmp_path / "dataset")
    assert len(made.examples) == 40 and made.normal == "normal"
    assert all(found == {"train", "validation", "test"} for found in parts(made).values())
    assert Counter(e.split for e in made.examples)["train"] == pytest.approx(28, abs=3)
    for example in made.examples:
        assert made.picture(example).is_file()
        assert example.abnormal == (example.label != "normal")
        asked = {(turn.kind, turn.language): turn.answer for turn in example.turns}
        assert asked["anomaly", "en"] == ("yes" if example.abnormal else "no")
        assert asked["anomaly", "fa"] == ("بله" if example.abnormal else "خیر")
        assert asked["diagnosis", "en"] == example.label
        assert asked["caption", "en"] == example.captions["en"]
    assert {"بزرگی قلب", "ندول"} <= {t.answer for e in made.examples for t in e.turns if t.language == "fa"}


def test_the_same_source_gives_the_same_split(by_class: Path, tmp_path: Path) -> None:
    one, two, other = (
        prepare(by_class, tmp_path / name, Options(seed=seed)).dataset for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one.digest == two.digest != other.digest


def test_a_copy_stays_in_the_part_of_its_original(by_class: Path, tmp_path: Path) -> None:
    """Mirrored, cropped, lighter: all in one cluster, and so in one part."""
    original = Image.open(by_class / "normal" / sorted(p.name for p in (by_class / "normal").iterdir())[0])
    for i, changed in enumerate((ImageOps.mirror(original), original.crop((6, 6, 106, 106)), original.point(_lighter))):
        changed.save(by_class / "normal" / f"copy{i}.png")
    made = prepare(by_class, tmp_path / "dataset", Options()).dataset
    clusters = Counter(example.cluster for example in made.examples)
    together = [cluster for cluster, n in clusters.items() if n == 4]
    assert len(together) == 1
    assert len({e.split for e in made.examples if e.cluster == together[0]}) == 1


def _lighter(value: int) -> int:
    return min(255, round(value * 1.15))


def test_a_shipped_split_that_leaks_is_refused_with_the_numbers(by_class: Path, tmp_path: Path) -> None:
    shipped = tmp_path / "shipped"
    for label in by_class.iterdir():
        for i, file in enumerate(sorted(label.iterdir())):
            part = "Testing" if i < 2 else "Training"
            (shipped / part / label.name).mkdir(parents=True, exist_ok=True)
            file.rename(shipped / part / label.name / file.name)
    clean = prepare(shipped, tmp_path / "clean", Options())
    assert clean.dataset.about["split_from"] == "source"
    assert Counter(e.split for e in clean.dataset.examples)["test"] == 8
    assert all(found == {"train", "validation", "test"} for found in parts(clean.dataset).values())
    leaked = next((shipped / "Training" / "nodule").iterdir())
    ImageOps.mirror(Image.open(leaked)).save(shipped / "Testing" / "nodule" / "new.png")
    with pytest.raises(InputError, match=r"nodule 1 of 3.*--resplit"):
        prepare(shipped, tmp_path / "dataset", Options())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "scans", "shipped"], "nothing half-made"
    again = prepare(shipped, tmp_path / "dataset", Options(resplit=True))
    assert again.dataset.about["split_from"] == "rag-app"
    assert not any(leak.same or leak.related for leak in again.leaks)


def test_patients_stay_together_and_are_not_named(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    with (tmp_path / "scans.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "patient", "caption_en", "scanner"])
        for i in range(30):
            label = ("normal", "nodule")[i % 2]
            xray(label, draw).save(tmp_path / f"{i}.png")
            table.writerow([f"{i}.png", label, f"Jane Doe {i // 3}", "Clear lungs." if i == 0 else "", f"s{i % 3}"])
    made = prepare(tmp_path / "scans.csv", tmp_path / "dataset", Options(group_columns=("scanner",))).dataset
    by_patient: dict[str | None, set[str]] = defaultdict(set)
    for example in made.examples:
        by_patient[example.patient].add(example.split)
    assert len(by_patient) == 10 and all(len(found) == 1 for found in by_patient.values())
    assert {e.groups["scanner"] for e in made.examples} == {"s0", "s1", "s2"}
    first = next(e for e in made.examples if e.caption_by == "table")
    assert first.captions["en"] == "Clear lungs."
    stored = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "dataset").glob("*.json*"))
    assert "Doe" not in stored and "Jane" not in stored


def test_labels_that_look_misspelt(by_class: Path, tmp_path: Path) -> None:
    (by_class / "nodul").mkdir()
    xray("nodule", np.random.default_rng(9)).save(by_class / "nodul" / "1.png")
    with pytest.raises(InputError, match=r"'nodul' \(1 images\) looks like 'nodule'.*--rename 'nodul=nodule'"):
        prepare(by_class, tmp_path / "dataset", Options())
    made = prepare(by_class, tmp_path / "dataset", Options(renames={"nodul": "nodule"})).dataset
    assert "nodul" not in made.labels
    with pytest.raises(InputError, match=r"no image has the label 'effusio'\. Did you mean 'effusion'"):
        prepare(by_class, tmp_path / "other", Options(renames={"effusio": "effusion"}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(normal="nomal"), "Did you mean 'normal'"),
        (Options(names={"nodul": {"fa": "ندول"}}), "no label 'nodul' to name. Did you mean 'nodule'"),
        (Options(shares={"train": 0.5, "validation": 0.2, "test": 0.2}), "together 1"),
        (Options(shares={"train": 1.0, "validation": 0.0, "test": 0.0}), "test more than 0"),
    ],
)
def test_wrong_options(by_class: Path, tmp_path: Path, options: Options, message: str) -> None:
    with pytest.raises((InputError, UsageError), match=message):
        prepare(by_class, tmp_path / "dataset", options)
    assert not (tmp_path / "dataset").exists()


def test_one_label_only(tmp_path: Path) -> None:
    (tmp_path / "scans" / "normal").mkdir(parents=True)
    for i, (_, image) in enumerate(drawn(4, seed=1)):
        image.save(tmp_path / "scans" / "normal" / f"{i}.png")
    with pytest.raises(InputError, match=r"one label \(normal\)"):
        prepare(tmp_path / "scans", tmp_path / "dataset", Options())


def test_what_labels_are_called_is_kept_and_what_nobody_named_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(1)
    for label, shows in (("normal", "normal"), ("ground_glass", "effusion"), ("crazy_paving", "nodule")):
        (tmp_path / "scans" / label).mkdir(parents=True)
        for number in range(6):
            xray(shows, draw).save(tmp_path / "scans" / label / f"{number}.png")
    told = CommandLine(capfd)(
        "medical", "prepare", tmp_path / "scans", "--out", tmp_path / "dataset", "--persian", "crazy_paving=سنگ‌فرش"
    )
    assert told.returncode == 0, told.stderr
    assert "--persian 'ground_glass=NAME'" in told.stdout and "crazy_paving" not in told.stdout.split("Without")[1]
    names = Dataset.read(tmp_path / "dataset").names
    assert names == {
        "crazy_paving": {"en": "crazy paving", "fa": "سنگ‌فرش"},
        "ground_glass": {"en": "ground glass"},
        "normal": {"en": "normal", "fa": "طبیعی"},
    }
    assert "سنگ‌فرش" in (tmp_path / "dataset" / "card.html").read_text(encoding="utf-8")
    answers = Choices.of_dataset(Dataset.read(tmp_path / "dataset")).answers["fa"]
    assert answers == {"crazy_paving": "سنگ‌فرش", "ground_glass": "ground glass", "normal": "طبیعی"}


def test_too_few_for_three_parts(tmp_path: Path) -> None:
    for label in ("normal", "nodule"):
        (tmp_path / "scans" / label).mkdir(parents=True)
    for i, (label, image) in enumerate(
        [("normal", i) for _, i in drawn(5, seed=1)] + [("nodule", drawn(1, seed=2)[0][1])]
    ):
        image.save(tmp_path / "scans" / label / f"{i}.png")
    with pytest.raises(InputError, match="nodule has 1"):
        prepare(tmp_path / "scans", tmp_path / "dataset", Options(keep_labels=True))


def test_bad_files_are_told_and_the_rest_goes_on(by_class: Path, tmp_path: Path) -> None:
    (by_class / "normal" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (by_class / "normal" / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (60, 60), (200, 30, 30)).save(by_class / "normal" / "red.png")
    made = prepare(by_class, tmp_path / "dataset", Options())
    assert len(made.dataset.examples) == 40
    told = {problem.file: problem.message for problem in made.problems}
    assert set(told) == {"broken.png", "empty.jpg", "red.png"}
    assert "--colour" in told["red.png"]
    assert len(prepare(by_class, tmp_path / "colours", Options(colour=True)).dataset.examples) == 41


def test_one_image_under_two_labels_is_left_out(by_class: Path, tmp_path: Path) -> None:
    file = next((by_class / "nodule").iterdir())
    (by_class / "normal" / "same.png").write_bytes(file.read_bytes())
    made = prepare(by_class, tmp_path / "dataset", Options())
    assert len(made.dataset.examples) == 39
    assert all("nodule and normal" in problem.message for problem in made.problems) and len(made.problems) == 2


def test_the_command(by_class: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rag_app = CommandLine(capfd)
    out = tmp_path / "dataset"
    document = rag_app.json("medical", "prepare", by_class, "--out", out)
    assert sum(n for part in document["counts"].values() for n in part.values()) == 40
    assert "Not for the diagnosis" in document["disclaimer"]
    card = (out / "card.html").read_text(encoding="utf-8")
    assert "Not for the diagnosis" in card and "<script" not in card
    again = rag_app("medical", "prepare", by_class, "--out", out)
    assert again.returncode == 2 and "holds something already" in again.stderr


def test_a_split_keeps_what_belongs_together() -> None:
    groups = joined([0, 0, 2, 3, 4, 5, 6], ["a", None, "a", "b", "c", "b", None])
    assert groups == [0, 0, 0, 3, 4, 3, 6]
    many = [i // 2 for i in range(400)]
    labels = ["x" if i % 5 else "y" for i in range(400)]
    labels = [labels[group * 2] for group in many]
    made = split(many, labels, {"train": 0.7, "validation": 0.1, "test": 0.2}, seed=4)
    assert all(len({made[i] for i in (2 * g, 2 * g + 1)}) == 1 for g in range(200))
    for label in ("x", "y"):
        own = Counter(part for part, name in zip(made, labels, strict=True) if name == label)
        n = own.total()
        assert own["train"] == pytest.approx(0.7 * n, abs=2) and own["test"] == pytest.approx(0.2 * n, abs=2)
