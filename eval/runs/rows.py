"""One item of an evaluation run: what was asked, what came of it, and every score, kept as one JSON line."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Row:
    """An item of a run. For each metric of the run exactly one holds: it is in `scores`, it is in `unscored`, the item
    failed as a whole (`error`), or the metric does not apply to it.

    id        of the question, picture or element; unique in its run
    groups    what summaries are split by: {"language": "fa", "kind": "table"}
    scores    metric -> value; finite. A share or a grade is 0 to 1, higher is better; a count, whose name ends in
              _count, is neither better nor worse
    unscored  metric -> why it could not be worked out, a sentence; counted beside the mean, never part of it
    error     why there is no result at all, a sentence; the item then has no scores
    seconds   by stage
    record    what the report shows, by the kind of run; for answers {"question": ..., "answer": ...}, each as its
              record's `to_dict()` gives it
    """

    id: str
    groups: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    unscored: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON values

    def __post_init__(self) -> None:
        wrong = [name for name, value in self.scores.items() if not math.isfinite(value)]
        if wrong:
            raise ValueError(f"{self.id}: {', '.join(wrong)} has no finite value; what cannot be scored is `unscored`")
        both = self.scores.keys() & self.unscored.keys()
        if both:
            raise ValueError(f"{self.id}: {', '.join(sorted(both))} is both scored and not scored")
        if self.error is not None and (self.scores or self.unscored):
            raise ValueError(f"{self.id}: it failed, so nothing of it can be scored")

    def with_scores(self, scores: Mapping[str, float], unscored: Mapping[str, str]) -> Self:
        """The same item with more metrics, as a judge adds them later; they replace what was said of them before."""
        new = scores.keys() | unscored.keys()
        kept = {name: value for name, value in self.scores.items() if name not in new}
        reasons = {name: value for name, value in self.unscored.items() if name not in new}
        return dataclasses.replace(self, scores={**kept, **scores}, unscored={**reasons, **unscored})

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave, after JSON; KeyError or TypeError on another shape."""
        return cls(**raw)
