"""Captions from a JSON Lines file into the library, below the figures that show their pictures.

The file is what `rag-app caption` writes (rag_app.captioning), whose short and detailed captions are two; or its lines
are

    {"image": "photos/1.jpg", "captions": ["A bear.", "A brown bear."]}

`image` (or `file`) is relative to the file's folder; `captions` is one text, a list, or {"en": [...], "fa": [...]};
`captions_en` and the like name their language too. `sha256` of the picture may stand instead of the picture itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.files import sha256_of
from rag_app.captioning import picture_file, read_captions
from rag_app.errors import InputError
from rag_app.imaging.records import CaptionsReport
from rag_app.outside import json_value
from rag_app.retrieval.question import language_of
from rag_app.store import Caption, Store

if TYPE_CHECKING:
    from rag_app.embeddings import Embeddings

_BATCH = 100  # pictures a transaction
_OF_CAPTIONER = frozenset({"image", "sha256", "model", "language", "prompt_version", "short", "detailed"})
_NAMED = re.compile(r"captions?_([a-z]{2,3})(?:_\w+)?")


@dataclass(slots=True)
class Captioned:
    """A picture and what is said of it. name: as the file has it; sha256: of the picture, None where it is gone."""

    name: str
    sha256: str | None
    captions: list[Caption] = field(default_factory=list)


def store_captions(path: Path, store: Store, embeddings: Embeddings) -> CaptionsReport:
    """Store the captions of a file; see `Library.add_captions`. Captions that are there already cost their look-up."""
    pictures = read_file(path)
    known = [picture for picture in pictures if picture.sha256]
    added = unchanged = replaced = 0
    missing = {picture.name for picture in pictures if not picture.sha256}
    for start in range(0, len(known), _BATCH):
        batch = known[start : start + _BATCH]
        said: dict[str, list[Caption]] = {}
        for picture in batch:
            said.setdefault(str(picture.sha256), []).extend(picture.captions)
        change = store.add_captions(said, embed=embeddings.vectors)
        added, unchanged, replaced = added + change.added, unchanged + change.unchanged, replaced + change.replaced
        missing |= {picture.name for picture in batch if picture.sha256 in change.unmatched}
    if added or replaced:
        embeddings.save()
        store.fold_words()
    return CaptionsReport(
        added, unchanged, replaced, tuple(picture.name for picture in pictures if picture.name in missing)
    )


def read_file(path: Path) -> list[Captioned]:
    """The pictures of a file with their captions, in order of appearance, each once.

    Raises InputError, with the line, for what is not understood.
    """
    found: dict[str, Captioned] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # U+2028 may stand inside a caption
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read as captions: {exc}.") from exc
    first = next((line for line in lines if line.strip()), "{}")
    if _json(first, path, 1).keys() >= _OF_CAPTIONER:
        for row in read_captions(path):
            one = found.setdefault(row.image, Captioned(row.image, row.sha256 or _content(picture_file(row, path))))
            one.captions += [Caption(text, row.language, row.model) for text in (row.short, row.detailed) if text]
        return list(found.values())
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        record = _json(line, path, number)
        name = record.get("image") or record.get("file")
        if not isinstance(name, str) or "\0" in name:
            raise InputError(_form(path, number, "it names no image"))
        texts = list(_captions(record))
        if not texts:
            raise InputError(_form(path, number, "it has no captions"))
        one = found.setdefault(name, Captioned(name, str(record.get("sha256") or "") or _content(path.parent / name)))
        one.captions += texts
    return list(found.values())


def _captions(record: Mapping[str, Any]) -> Iterator[Caption]:  # Any: JSON
    for key, value in record.items():
        named = _NAMED.fullmatch(key)
        if named or key in ("captions", "caption"):
            yield from _texts(value, named[1] if named else None)


def _texts(value: Any, language: str | None) -> Iterator[Caption]:  # Any: JSON
    """What stands under a key: a text, a list, texts by language, or objects that hold a text under their language."""
    if isinstance(value, str) and value.strip():
        text = " ".join(value.split())
        yield Caption(text, language or language_of(text))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, language)
    elif isinstance(value, dict):
        chosen = {language: value[language]} if language in value else value
        for name, texts in chosen.items():
            yield from _texts(texts, str(name))


def _content(picture: Path) -> str | None:
    try:
        return sha256_of(picture)
    except InputError:  # a picture that is gone is reported as not matched
        return None


def _json(line: str, path: Path, number: int) -> dict[str, Any]:  # Any: JSON
    try:
        record = json_value(line)
    except ValueError as exc:
        raise InputError(_form(path, number, f"it is no JSON ({exc})")) from exc
    if not isinstance(record, dict):
        raise InputError(_form(path, number, "it is no JSON object"))
    return record


def _form(path: Path, number: int, problem: str) -> str:
    return (
        f"{path}, line {number}: {problem}. Give what rag-app caption writes, or lines such as "
        '{"image": "photo.jpg", "captions": ["A bear."]}.'
    )
