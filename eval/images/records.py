"""What an evaluation of image search found: records, and how they are told in a terminal, as JSON and as JSON Lines."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from eval.images.data import CaptionedImage, ImageSet
from eval.images.metrics import DEPTHS, MEASURES, ClassScores, Estimate
from eval.images.rounds import HoldOut
from eval.statistics import SEED, text_table

FUSED, TOWER, TEXTS, VECTORS, WORDS = "fused", "image tower", "texts", "text vectors", "words"
KINDS = (FUSED, TOWER, TEXTS, VECTORS, WORDS)
TO_IMAGE, TO_TEXT = "text→image", "image→text"
NAMES = {"en": "English", "fa": "Persian"}


@dataclass(frozen=True, slots=True)
class Query:
    """One caption that was asked with. image: index of its image; ranks by kind, NOT_FOUND where it did not come;
    first: the images that came first, with their scores; error: why it could not be asked."""

    language: str
    image: int
    caption: str
    ranks: Mapping[str, int]
    first: tuple[tuple[int, float], ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Measures of one direction and kind. queries: how many; among: how many were ranked; fused_lead: recall@1 of the
    fused less that of this kind, None for the fused itself."""

    language: str
    direction: str
    kind: str
    queries: int
    among: int
    values: Mapping[str, Estimate]
    fused_lead: Estimate | None


@dataclass(frozen=True, slots=True)
class LanguageReport:
    """One language. total images = scored + skipped + failed, skipped and failed by reason or name.

    heat   scores of the fused search, (n, n): images of `heat_images` by the first caption of each
    """

    language: str
    total: int
    scored: int
    skipped: Mapping[str, int]
    failed: Mapping[str, str]
    rows: tuple[Row, ...]
    queries: tuple[Query, ...]
    heat: np.ndarray
    heat_images: tuple[int, ...]

    @property
    def worst(self) -> list[Query]:
        """Queries whose image did not come first, the worst ones first."""
        missed = [one for one in self.queries if one.error is None and one.ranks[FUSED] != 1]
        return sorted(missed, key=lambda one: -(one.ranks[FUSED] or 10**9))


@dataclass(frozen=True, slots=True)
class ClassReport:
    """Images found by images of their class. alone: images that are the only one of theirs, not asked with."""

    all: ClassScores
    classes: Mapping[str, ClassScores]
    images: int
    alone: int
    unlabelled: int
    failed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ImagesReport:
    """An evaluation of image search."""

    data: ImageSet
    images: tuple[CaptionedImage, ...]
    models: Mapping[str, str]
    versions: Mapping[str, str]
    hold_out: HoldOut
    languages: tuple[LanguageReport, ...]
    classes: ClassReport | None
    seed: int = SEED
    notes: tuple[str, ...] = field(default=())

    @property
    def protocol(self) -> str:
        """What was done, in words."""
        return f"{self.hold_out.sentence} Ties count against what is looked for. Intervals: 95 % bootstrap over images."


def to_dict(report: ImagesReport) -> dict[str, Any]:  # Any: JSON
    """The report for --json, without the single queries; see `lines`."""
    return {
        "data": {"path": str(report.data.path), "sha256": report.data.sha256, "images": len(report.data.images)},
        "models": dict(report.models),
        "versions": dict(report.versions),
        "seed": report.seed,
        "stored": report.hold_out.stored,
        "asked": report.hold_out.asked,
        "protocol": report.protocol,
        "notes": list(report.notes),
        "languages": {one.language: _language_dict(one) for one in report.languages},
        "classes": None if report.classes is None else _classes_dict(report.classes),
    }


def lines(report: ImagesReport) -> Iterator[dict[str, Any]]:  # Any: JSON
    """One record for each caption that was asked with: its ranks by kind (null: did not come) and what came first."""
    for language in report.languages:
        for query in language.queries:
            yield {
                "language": query.language,
                "image": report.images[query.image].name,
                "caption": query.caption,
                "ranks": {kind: rank or None for kind, rank in query.ranks.items()},
                "first": [{"image": report.images[i].name, "score": round(score, 4)} for i, score in query.first],
                "error": query.error,
            }


def table(report: ImagesReport) -> str:
    """The report for a terminal."""
    blocks = []
    for one in report.languages:
        for direction in dict.fromkeys(row.direction for row in one.rows):
            rows = [row for row in one.rows if row.direction == direction]
            what = "images" if direction == TO_IMAGE else "captions"
            header = [f"{name(one.language)}, {direction}", "n", *MEASURES, "fused ahead by"]
            shown = text_table(header, [[row.kind, *cells(row)] for row in rows])
            blocks.append(f"{shown}\nEach among {rows[0].among} {what}.")
        blocks.append(accounting(one))
    if report.classes is not None:
        blocks.append(text_table(CLASS_HEADER, class_cells(report.classes)))
        blocks.append(class_accounting(report.classes))
    return "\n\n".join([*blocks, "\n".join(provenance(report))])


def name(language: str) -> str:
    """A language in words where it has a name here."""
    return NAMES.get(language, language)


def cells(row: Row) -> list[str]:
    """A row's figures as text: queries, each of MEASURES, recall@1 by which the fused is ahead."""
    values = [row.values[one].as_rank() if one == "median rank" else str(row.values[one]) for one in MEASURES]
    return [str(row.queries), *values, str(row.fused_lead) if row.fused_lead else ""]


CLASS_HEADER = ["image→image by class", "images", "precision@1", *(f"recall@{k}" for k in DEPTHS), "chance@1"]


def class_cells(report: ClassReport) -> list[list[str]]:
    """A line for all classes together and one for each."""
    rows = []
    for label, found in {"all": report.all, **report.classes}.items():
        shares = [str(found.recall[k]) for k in DEPTHS]
        rows.append([label, str(found.precision_at_1.n), str(found.precision_at_1), *shares, f"{found.chance:.3f}"])
    return rows


def accounting(report: LanguageReport) -> str:
    """Images scored, skipped and failed, with the reasons of the first."""
    skipped = "".join(f", {n} skipped ({reason})" for reason, n in report.skipped.items())
    lost = [f"{image}: {reason}" for image, reason in list(report.failed.items())[:5]]
    refused = sum(query.error is not None for query in report.queries)
    single = f" Of {len(report.queries)} captions {refused} could not be asked with." if refused else ""
    return "\n".join(
        [
            f"{report.total} images: {report.scored} scored{skipped}, {len(report.failed)} failed.{single}",
            *lost,
            *(["…"] if len(report.failed) > 5 else []),
        ]
    )


def class_accounting(report: ClassReport) -> str:
    """Images scored, skipped and failed in the search by class."""
    total = report.images + report.alone + report.unlabelled + len(report.failed)
    return (
        f"{total} images: {report.images} scored, {report.alone} skipped (the only one of a class), "
        f"{report.unlabelled} skipped (no label), {len(report.failed)} failed."
    )


def provenance(report: ImagesReport) -> list[str]:
    """What it takes to do it again."""
    return [
        report.protocol,
        *report.notes,
        "Models: " + ", ".join(f"{role} {model}" for role, model in report.models.items()) + ".",
        f"Data: {report.data.path.name}, sha256 {report.data.sha256}. Seed {report.seed}. "
        + ", ".join(f"{package} {version}" for package, version in report.versions.items())
        + ".",
    ]


def _language_dict(report: LanguageReport) -> dict[str, Any]:  # Any: JSON
    return {
        "total": report.total,
        "scored": report.scored,
        "skipped": dict(report.skipped),
        "failed": dict(report.failed),
        "captions": {
            "asked": len(report.queries),
            "failed": sum(query.error is not None for query in report.queries),
        },
        "rows": [
            {
                "direction": row.direction,
                "kind": row.kind,
                "queries": row.queries,
                "among": row.among,
                **{one: _estimate(value) for one, value in row.values.items()},
                "fused_lead": None if row.fused_lead is None else _estimate(row.fused_lead),
            }
            for row in report.rows
        ],
    }


def _classes_dict(report: ClassReport) -> dict[str, Any]:  # Any: JSON
    return {
        "scored": report.images,
        "skipped": {"alone": report.alone, "unlabelled": report.unlabelled},
        "failed": dict(report.failed),
        "all": _class_dict(report.all),
        "classes": {label: _class_dict(found) for label, found in report.classes.items()},
    }


def _class_dict(found: ClassScores) -> dict[str, Any]:  # Any: JSON
    recall = {f"recall@{k}": _estimate(value) for k, value in found.recall.items()}
    chance = None if math.isnan(found.chance) else found.chance
    return {"precision@1": _estimate(found.precision_at_1), **recall, "chance": chance}


def _estimate(value: Estimate) -> dict[str, float | int | None]:
    return {key: None if math.isnan(one) else one for key, one in dataclasses.asdict(value).items()}
