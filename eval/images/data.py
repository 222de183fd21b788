"""Images with captions to evaluate image search on: JSON Lines, checked when read.

One object a line. Its own form:

    {"image": "photos/1.jpg", "captions": {"en": ["A bear.", "A brown bear."], "fa": ["یک خرس."]}, "label": "bear"}

`image` is relative to the file's folder. `captions` may be one text or a list: a text with Arabic letters is then taken
for Persian and any other for English. `label` is a class, for finding images of the same class, and may be missing.
Usual names of other data sets are read as these three (IMAGE_KEYS, CAPTION_KEYS, LABEL_KEYS); a caption key may end in
its language ("captions_en", "caption_fa_mt"). Rows of `rag-app caption` are read too. Lines about one image are put
together, a caption that comes twice counts once, and other keys are left alone.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag_app.errors import InputError
from rag_app.outside import json_value
from rag_app.searchable import fold

IMAGE_KEYS = ("image", "file", "file_name", "filename", "filepath", "image_path", "path")
CAPTION_KEYS = ("captions", "caption", "texts", "text", "sentences")
LABEL_KEYS = ("label", "class", "category")
_OF_LANGUAGE = re.compile(rf"(?:{'|'.join(CAPTION_KEYS)})_([a-z]{{2,3}})(?:_\w+)?")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_AROUND = " .!?؟…\"'"  # a caption that differs in these alone is the same
_ARABIC_LETTER = re.compile(r"[\u0600-\u06ff]")
_OF_CAPTIONER = frozenset({"image", "model", "language", "prompt_version", "short", "detailed"})

Record = Mapping[str, Any]  # Any: JSON
Captions = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """An image with its captions by language (ISO 639 code), distinct, in order; label: its class, or None.

    name: the path as the file has it.
    """

    name: str
    path: Path
    captions: Captions
    label: str | None = None

    def joined(self, other: CaptionedImage) -> CaptionedImage:
        """This image with the captions of `other`, a copy of it, as well."""
        both = [(language, text) for one in (self, other) for language, texts in one.captions.items() for text in texts]
        return CaptionedImage(self.name, self.path, _by_language(both), self.label or other.label)


@dataclass(frozen=True, slots=True)
class ImageSet:
    """The images of a file in order of appearance. sha256: of the file. failed: images whose captions failed when they
    were made (rows of `rag-app caption`), with the reason."""

    path: Path
    sha256: str
    images: tuple[CaptionedImage, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    def languages(self) -> tuple[str, ...]:
        """Languages with captions, the one of most images first."""
        found = {language for image in self.images for language in image.captions}
        return tuple(sorted(found, key=lambda one: (-sum(one in image.captions for image in self.images), one)))


@dataclass(frozen=True, slots=True)
class _Line:
    image: str
    captions: tuple[tuple[str, str], ...]  # (language, text)
    label: str | None = None
    error: str | None = None


def read_image_set(path: Path) -> ImageSet:
    """The images and captions of a JSON Lines file; see the head of this module.

    Whether the pictures are there and sound is not looked at. Raises InputError, with the line, on what is not
    understood, and on a file without an image.
    """
    try:
        content = path.read_bytes()
        lines = content.decode("utf-8-sig").split("\n")  # U+2028 may stand inside a caption
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read as images and captions: {exc}.") from exc
    captions: dict[str, list[tuple[str, str]]] = {}
    labels: dict[str, str | None] = {}
    errors: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            read = _line(json_value(line))
            before = labels.get(read.image)
            if read.label is not None and before is not None and read.label != before:
                raise ValueError(f"{read.image} has the label {read.label!r} here and {before!r} before")
        except (ValueError, TypeError) as exc:
            raise InputError(f"{path}, line {number}: {str(exc).rstrip('.')}.") from exc
        captions.setdefault(read.image, []).extend(read.captions)
        labels[read.image] = read.label if read.label is not None else before
        if read.error is not None:
            errors[read.image] = read.error
    if not captions:
        raise InputError(f'{path} holds no image. A line is {{"image": "photo.jpg", "captions": ["A bear."]}}.')
    images = tuple(
        CaptionedImage(name, path.parent / name, _by_language(texts), labels[name]) for name, texts in captions.items()
    )
    failed = {name: error for name, error in errors.items() if not captions[name]}
    return ImageSet(path, hashlib.sha256(content).hexdigest(), images, failed)


def _line(record: object) -> _Line:
    if not isinstance(record, dict):
        raise ValueError("a line is a JSON object")
    if record.keys() >= _OF_CAPTIONER:
        return _of_captioner(record)
    image = record[_key(record, IMAGE_KEYS, "image")]
    if not isinstance(image, str) or not image.strip() or "\0" in image:
        raise ValueError(f"the image is {image!r}, not a path")
    return _Line(image, tuple(_captions(record)), _label(record))


def _of_captioner(record: Record) -> _Line:
    """A row of `rag-app caption`: its short and its detailed caption are two captions, those of all models together."""
    from rag_app.captioning.records import CaptionRow

    try:
        row = CaptionRow.from_dict(dict(record))
    except (KeyError, AttributeError) as exc:
        raise ValueError(f"it is no row of rag-app caption ({exc})") from exc
    texts = tuple((row.language, text) for text in (row.short, row.detailed) if text) if row.ok else ()
    return _Line(row.image, texts, _label(record), row.error)


def _captions(record: Record) -> Iterator[tuple[str, str]]:
    keys = [key for key in record if key in CAPTION_KEYS or _OF_LANGUAGE.fullmatch(key)]
    for key in keys or [_key(record, CAPTION_KEYS, "captions")]:
        named = _OF_LANGUAGE.fullmatch(key)
        yield from _texts(record[key], key, named.group(1) if named else None)


def _texts(value: object, key: str, language: str | None) -> Iterator[tuple[str, str]]:
    """(language, text) of what stands under a caption key: a text, a list of texts, texts by language, or a list of
    objects that hold a text under the language or a caption key."""
    if isinstance(value, str):
        if not value.strip():
            raise ValueError(f"{key} holds an empty caption")
        yield language or ("fa" if _ARABIC_LETTER.search(value) else "en"), " ".join(value.split())
    elif isinstance(value, dict):
        known = [name for name in (language, *CAPTION_KEYS, "raw") if name in value]
        if known:
            yield from _texts(value[known[0]], f"{key}.{known[0]}", language)
        elif language is None and value and all(_LANGUAGE.fullmatch(name) for name in value):
            for name, texts in value.items():
                yield from _texts(texts, f"{key}.{name}", name)
        else:
            raise ValueError(f"{key} holds an object with {', '.join(value) or 'nothing'}, and no caption")
    elif isinstance(value, list):
        for one in value:
            if not isinstance(one, str | dict):
                raise ValueError(f"{key} holds {one!r}, not a text")
            yield from _texts(one, key, language)
    else:
        raise ValueError(f"{key} is {value!r}, not texts")


def _label(record: Record) -> str | None:
    known = [key for key in LABEL_KEYS if key in record]
    if not known:
        _refuse_misspelt(record, ("label",))
        return None
    value = record[known[0]]
    if (value is not None and not isinstance(value, str | int)) or value == "":
        raise ValueError(f"{known[0]} is {value!r}, not the name of a class")
    return None if value is None else str(value)


def _key(record: Record, keys: Sequence[str], meant: str) -> str:
    found = next((key for key in keys if key in record), None)
    if found is None:
        _refuse_misspelt(record, keys)
        raise ValueError(f"there is no {meant} among its keys {', '.join(record) or '(none)'}")
    return found


def _refuse_misspelt(record: Record, keys: Sequence[str]) -> None:
    for key in keys:
        for near in difflib.get_close_matches(key, list(record), n=1, cutoff=0.75):
            raise ValueError(f"the key {near!r} is not known; did you mean {key!r}?")


def _by_language(texts: Sequence[tuple[str, str]]) -> Captions:
    found: dict[str, dict[str, str]] = {}
    for language, text in texts:
        found.setdefault(language, {}).setdefault(fold(text).strip(_AROUND), text)
    return {language: tuple(distinct.values()) for language, distinct in found.items()}
