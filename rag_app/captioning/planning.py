"""What is left to ask of a model: everything that has no good row yet, by the content of its picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rag_app.captioning.language import Language
from rag_app.captioning.pictures import Picture
from rag_app.captioning.prompts import Subject, version
from rag_app.captioning.records import CaptionRow, Tokens

Key = tuple[str, str, str | None, str]  # sha256, language, translated from, prompt version


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be asked: one picture's captions in one language; several files may hold that picture."""

    pictures: list[Picture]
    language: Language
    translated: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """jobs: to be asked. copies: rows for files whose content has its captions under another name. unchanged: files
    times languages that have theirs, the copies among them."""

    jobs: list[Job]
    copies: list[CaptionRow]
    unchanged: int


def row_key(sha256: str, language: str, *, translated: bool, subject: Subject = "scene") -> Key:
    """What makes two captions the same piece of work, for one model."""
    return sha256, language, "en" if translated else None, version(translated=translated, subject=subject)


def plan(
    rows: Iterable[CaptionRow],
    model: str,
    pictures: Sequence[Picture],
    languages: Sequence[Language],
    *,
    translate: bool,
    again: bool,
    subject: Subject = "scene",
) -> Plan:
    """What is to be done for `model`, given the rows that there are. again: as if there were none."""
    good = {} if again else good_rows(rows, model)
    named = {(row.image, key) for key, found in good.items() for row in found}
    jobs: dict[Key, Job] = {}
    copies: list[CaptionRow] = []
    unchanged = 0
    for language in languages:
        translated = translate and language == "fa"
        for picture in pictures:
            key = row_key(picture.sha256, language, translated=translated, subject=subject)
            if key in good:
                unchanged += 1
                copies += [] if (picture.name, key) in named else [copy_of(good[key][-1], picture)]
            else:  # a file that cannot be read has no digest, and so no twin
                twins = key if picture.sha256 else (picture.name, *key[1:])
                jobs.setdefault(twins, Job([], language, translated)).pictures.append(picture)
    return Plan(list(jobs.values()), copies, unchanged)


def good_rows(rows: Iterable[CaptionRow], model: str) -> dict[Key, list[CaptionRow]]:
    """The rows of `model` that hold captions, oldest first."""
    good: dict[Key, list[CaptionRow]] = {}
    for row in rows:
        if row.ok and row.model == model:
            good.setdefault((row.sha256, row.language, row.translated_from, row.prompt_version), []).append(row)
    return good


def copy_of(row: CaptionRow, picture: Picture) -> CaptionRow:
    """The row for another file with the same content: nothing was asked for it."""
    return dataclasses.replace(row, image=picture.name, seconds=0.0, tokens=Tokens(), attempts=0)
