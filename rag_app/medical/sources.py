"""Where medical images come from: folders by class, a table (CSV or JSON Lines), or DICOM files in either.

Folders are LABEL/image or PART/LABEL/image, where PART is train, validation or test in a usual spelling. A table has
the columns `image` and `label`, and may have `patient`, `split`, `caption_en`, `caption_fa`; other columns are named by
the caller to become groups of the report. Paths in it are relative to it.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from adapters.pictures import open_picture, quiet
from rag_app.errors import InputError
from rag_app.medical.dicom import is_dicom, read_dicom
from rag_app.medical.records import Split
from rag_app.outside import json_value

_SPELLINGS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "held_out"),
}
PARTS: dict[str, Split] = {name: part for part, names in _SPELLINGS.items() for name in names}
COLUMNS = ("image", "label", "patient", "split", "caption_en", "caption_fa")
PICTURES = frozenset(".png .jpg .jpeg .webp .bmp .tif .tiff .gif .dcm .dicom".split())


@dataclass(frozen=True, slots=True)
class Entry:
    """A file with what its folder or its line of the table says. split: None where nothing says it."""

    path: Path
    label: str
    split: Split | None = None
    patient: str | None = None
    captions: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Raw:
    """One image, read. png: its pixels and nothing else of the file; patient: a pseudonym.

    colour  it has colours, where X-ray and MRI images are grey
    """

    png: bytes
    digest: str
    entry: Entry
    patient: str | None
    groups: Mapping[str, str]
    colour: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that is not in the dataset, and why, in a sentence; or one that is, with a warning."""

    file: str
    message: str
    left_out: bool = True

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {"file": self.file, "message": self.message, "left_out": self.left_out}


def entries(source: Path, *, group_columns: Sequence[str] = ()) -> list[Entry]:
    """The images of a folder by class, or of a table. Raises InputError, with the line in a table."""
    if source.is_dir():
        return _from_folder(source)
    if source.suffix.lower() in {".csv", ".tsv", ".jsonl"}:
        return list(_from_table(source, group_columns))
    raise InputError(f"{source} is neither a folder of classes nor a table: give a folder, a .csv or a .jsonl file.")


def read_images(
    found: Sequence[Entry], problems: list[Problem], *, on_progress: Callable[[int, int], None] | None = None
) -> Iterator[Raw]:
    """The pictures, one after another; each frame of a DICOM file is one. What cannot be read goes into `problems`.

    on_progress: called with files done and in all.
    """
    salt = secrets.token_bytes(16)  # not kept: nobody can find a patient by trying names
    for done, entry in enumerate(found, start=1):
        try:
            with quiet():
                yield from _read(entry, salt, problems)
        except InputError as exc:
            problems.append(Problem(entry.path.name, str(exc)))
        if on_progress:
            on_progress(done, len(found))


def _read(entry: Entry, salt: bytes, problems: list[Problem]) -> Iterator[Raw]:
    if not entry.path.is_file():
        raise InputError(f"There is no file {entry.path}.")
    if is_dicom(entry.path):
        dicom = read_dicom(entry.path)
        if dicom.burned_in:
            message = f"{entry.path.name} says that its pixels show identifying text: look at it before you go on."
            problems.append(Problem(entry.path.name, message, left_out=False))
        patient = _pseudonym(entry.patient or dicom.patient, salt)
        for frame in dicom.frames:
            yield _raw(Image.fromarray(frame), entry, patient, {**dicom.groups, **entry.groups})
    else:
        yield _raw(open_picture(entry.path), entry, _pseudonym(entry.patient, salt), entry.groups)


def _raw(image: Image.Image, entry: Entry, patient: str | None, groups: Mapping[str, str]) -> Raw:
    grey = image.convert("L")
    colour = image.mode != "L" and image.convert("RGB").tobytes() != grey.convert("RGB").tobytes()
    kept = image.convert("RGB") if colour else grey
    png = io.BytesIO()
    kept.save(png, "PNG")
    digest = hashlib.sha256(f"{kept.mode} {kept.size}".encode() + kept.tobytes()).hexdigest()[:20]
    return Raw(png.getvalue(), digest, entry, patient, groups, colour)


def _pseudonym(patient: str | None, salt: bytes) -> str | None:
    return f"p-{hashlib.sha256(salt + patient.encode()).hexdigest()[:12]}" if patient else None


# --- folders ------------------------------------------------------------------------------------------------------


def _from_folder(source: Path) -> list[Entry]:
    tops = sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    parts: dict[Path, Split] = {path: PARTS[path.name.lower()] for path in tops if path.name.lower() in PARTS}
    if parts and len(parts) != len(tops):
        others = ", ".join(path.name for path in tops if path not in parts)
        raise InputError(f"{source} has both parts ({', '.join(p.name for p in parts)}) and other folders ({others}).")
    found: list[Entry] = []
    below: list[tuple[Split | None, list[Path]]] = [(part, _folders(top)) for top, part in parts.items()]
    for part, classes in below or [(None, tops)]:
        for folder in classes:
            found += [Entry(file, folder.name, part) for file in _files(folder)]
    if not found:
        raise InputError(f"{source} has no images in folders by class: put them into {source.name}/LABEL/.")
    return found


def _folders(path: Path) -> list[Path]:
    return sorted(below for below in path.iterdir() if below.is_dir() and not below.name.startswith("."))


def _files(folder: Path) -> list[Path]:
    """Pictures and DICOM files below, by name; a file without an ending may be DICOM."""
    found = []
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            file = Path(place) / name
            if not name.startswith(".") and (file.suffix.lower() in PICTURES or (not file.suffix and is_dicom(file))):
                found.append(file)
    return found


# --- tables -------------------------------------------------------------------------------------------------------


def _from_table(source: Path, group_columns: Sequence[str]) -> Iterator[Entry]:
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{source} cannot be read as a table: {exc}.") from exc
    empty = True
    for number, row in _rows(source, text):
        empty = False
        try:
            yield _entry(row, source.parent, group_columns)
        except ValueError as exc:
            raise InputError(f"{source}, line {number}: {exc}.") from exc
    if empty:
        raise InputError(f"{source} has no lines.")


def _rows(source: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:  # Any: JSON
    if source.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    row = json_value(line)
                except ValueError as exc:
                    raise InputError(f"{source}, line {number}: it is no JSON ({exc}).") from exc
                if not isinstance(row, dict):
                    raise InputError(f"{source}, line {number}: it is no JSON object.")
                yield number, row
        return
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if source.suffix.lower() == ".tsv" else ",")
    try:
        for row in reader:
            yield reader.line_num, {name: value for name, value in row.items() if name}
    except csv.Error as exc:
        raise InputError(f"{source}, line {reader.line_num}: it cannot be read as a table ({exc}).") from exc


def _entry(row: Mapping[str, Any], folder: Path, group_columns: Sequence[str]) -> Entry:  # Any: JSON
    def text(column: str) -> str:
        value = row.get(column)
        if value is None:
            return ""
        if not isinstance(value, str | int | float):
            raise ValueError(f"{column} is {value!r}, not a text")
        return str(value).strip()

    for column in ("image", "label"):
        if not text(column):
            near = difflib.get_close_matches(column, list(row), n=1)
            hint = f"; did you mean the column {near[0]!r}" if near else f"; its columns are {', '.join(row) or 'none'}"
            raise ValueError(f"the column {column!r} is empty or missing{hint}")
    part = text("split").lower()
    if part and part not in PARTS:
        raise ValueError(f"split is {part!r}, not train, validation or test")
    missing = [column for column in group_columns if column not in row]
    if missing:
        raise ValueError(f"the group column {missing[0]!r} is missing; its columns are {', '.join(row)}")
    captions = {language: text(f"caption_{language}") for language in ("en", "fa")}
    return Entry(
        folder / text("image"),
        text("label"),
        PARTS[part] if part else None,
        text("patient") or None,
        {language: caption for language, caption in captions.items() if caption},
        {column: text(column) for column in group_columns if text(column)},
    )
