"""What image search gives and what it tells of its work: records with `to_dict()` for `--json`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rag_app.evidence import BBox

FOUND_BY = ("image", "caption", "description", "text")


@dataclass(frozen=True, slots=True)
class ImageHit:
    """An image that was found.

    page, bbox   where it stands, 1-based and in points from the top left (pixels in a picture file)
    label        "Figure 3" or None; caption: the paper's own, or the stored caption that fits best, or None
    score        higher is better; comparable inside one search only
    found_by     what matched, of FOUND_BY: its picture, a caption, what a model read in it, the text in it
    parts        the score's parts: "image" (its picture and the picture asked with), "look" (its picture and the
                 words), "meaning" and "words" (its texts and the words), "without" (below 0: it is like what is not
                 wanted)
    text         of the text that matched, else the node's own
    image        file name of its picture inside the library's crops folder
    duplicates   node ids of images that are nearly the same picture and were found too, best first
    """

    node_id: str
    document: str
    document_id: str
    page: int
    bbox: BBox
    kind: str
    label: str | None
    caption: str | None
    score: float
    found_by: tuple[str, ...]
    parts: dict[str, float]
    text: str
    image: str | None
    duplicates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """What was asked for: words, the name of a picture, words of what is not wanted; None for what was not given."""

    text: str | None
    image: str | None
    without: str | None


@dataclass(frozen=True, slots=True)
class ImageResult:
    """Hits best first; seconds by stage; models by role, None where there was none to use.

    note: why one of the ways of finding was not used, and what to do, in a sentence; None when all were.
    """

    query: ImageQuery
    hits: tuple[ImageHit, ...]
    seconds: dict[str, float]
    models: dict[str, str | None]
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        found = dataclasses.asdict(self)
        return {**found, "query": self.query.text, "image": self.query.image, "without": self.query.without}


@dataclass(frozen=True, slots=True)
class ImageIndexReport:
    """What filling an image space did: pictures that got a vector now, and by file name why others have none."""

    space: str
    embedded: int
    problems: dict[str, str]
    seconds: float

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class CaptionsReport:
    """What storing captions did, counted in captions; replaced: older ones by the same model, taken out.

    unmatched: pictures of the file that the library does not hold.
    """

    added: int
    unchanged: int
    replaced: int
    unmatched: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)
