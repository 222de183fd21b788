"""Captions to be measured and references to measure them against, from JSON Lines files, matched by picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.images.data import read_image_set
from rag_app.captioning.records import picture_file, read_captions
from rag_app.errors import InputError
from rag_app.outside import json_value

_OF_CAPTIONER = frozenset({"image", "model", "language", "prompt_version", "short", "detailed"})
SHORT, DETAILED, PLAIN = "short", "detailed", "caption"


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption of one picture.

    image    file of the picture; name: as the file of captions has it
    writer   full name of the model, or the stem of a file that names none
    kind     SHORT or DETAILED of `rag-app caption`, PLAIN of any other file; number: of several by one writer
    error    why there is none; text is then empty
    """

    image: Path
    name: str
    writer: str
    language: str
    kind: str
    text: str
    number: int = 0
    error: str | None = None

    @property
    def id(self) -> str:
        return f"{self.writer}/{self.name}/{self.language}/{self.kind}" + (f"/{self.number}" if self.number else "")


class References:
    """What people wrote of pictures, by picture and language; without a file none. pictures: (file, name given)."""

    def __init__(self, path: Path | None = None) -> None:
        images = read_image_set(path).images if path else ()
        self.pictures = [(_file(image.path), image.name) for image in images]
        self._captions = {_file(image.path): image.captions for image in images}
        names = Counter(image.path.name for image in images)
        self._named = {image.path.name: _file(image.path) for image in images if names[image.path.name] == 1}

    def picture(self, image: Path) -> Path:
        """The file of the references' own picture that `image` is: the same, else the only one of that name."""
        return image if image in self._captions else self._named.get(image.name, image)

    def of(self, image: Path, language: str) -> tuple[str, ...]:
        """The references of a picture; () where there are none."""
        return self._captions.get(self.picture(image), {}).get(language, ())

    def in_language(self, language: str) -> dict[Path, tuple[str, ...]]:
        """Those of all pictures that have some in this language."""
        return {image: texts for image, _ in self.pictures if (texts := self.of(image, language))}

    def languages(self) -> list[str]:
        return sorted({language for captions in self._captions.values() for language in captions})


def read_written(paths: Sequence[Path]) -> list[Caption]:
    """The captions of these files in order, those that failed when they were made included.

    A file is what `rag-app caption` writes, or any that `eval.images.data` reads. Raises InputError on others, and when
    a caption comes twice.
    """
    written = [caption for path in paths for caption in _read(path)]
    twice = [one for one, times in Counter(caption.id for caption in written).items() if times > 1]
    if twice:
        raise InputError(f"{twice[0]} stands in more than one place. Name each file once, files by their writers.")
    return written


def _read(path: Path) -> Iterator[Caption]:
    if _by_captioner(path):
        for row in read_captions(path, failed=True):
            image = _file(picture_file(row, path))
            writer = f"{row.model} (translated)" if row.translated_from else row.model
            for kind, text in ((SHORT, row.short), (DETAILED, row.detailed)):
                yield Caption(image, row.image, writer, row.language, kind, text, error=row.error)
        return
    for shown in read_image_set(path).images:
        for language, texts in shown.captions.items():
            for number, text in enumerate(texts):
                yield Caption(_file(shown.path), shown.name, path.stem, language, PLAIN, text, number)


def _by_captioner(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            first = json_value(next((line for line in lines if line.strip()), "{}"))
    except (OSError, UnicodeDecodeError, ValueError):
        return False  # read_image_set says what is wrong with it
    return isinstance(first, Mapping) and first.keys() >= _OF_CAPTIONER


def _file(path: Path) -> Path:
    return path.resolve()
