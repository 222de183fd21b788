"""What a sweep is about and what came of it: choices of settings, the split of the questions, steps, and the advice."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from eval.questions import Question
from eval.runs.comparing import Difference
from eval.runs.summary import Score
from eval.statistics import text_table
from rag_app.settings import Settings

TUNING, HELD_OUT = "tuning", "held out"
# What is tried, in this order, and where it is set.
FACTORS = {
    "text_embedding": "models.text_embedding",
    "chunk_tokens": "ingestion.chunk_tokens",
    "dense": "search.dense",
    "structure": "search.structure",
    "k": "-k",
    "answer": "models.answer",
}
Value = str | int | float
SplitBy = Literal["paper", "question"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting of every factor; see FACTORS."""

    text_embedding: str
    chunk_tokens: int
    dense: float
    structure: float
    k: int
    answer: str

    @classmethod
    def of(cls, settings: Settings, *, k: int) -> Choice:
        """The settings as they are."""
        models, search = settings.models, settings.search
        chunk_tokens = settings.ingestion.chunk_tokens
        return cls(models.text_embedding, chunk_tokens, search.dense, search.structure, k, models.answer)

    def settings(self, base: Settings) -> Settings:
        """`base` with this choice in it."""
        models = dataclasses.replace(base.models, text_embedding=self.text_embedding, answer=self.answer)
        ingestion = dataclasses.replace(base.ingestion, chunk_tokens=self.chunk_tokens)
        search = dataclasses.replace(base.search, dense=self.dense, structure=self.structure)
        return dataclasses.replace(base, models=models, ingestion=ingestion, search=search)

    def called(self, default: Choice) -> str:
        """What is otherwise than in `default`: "k 12, dense 2"; "default" when nothing is."""
        changed = [name for name in FACTORS if getattr(self, name) != getattr(default, name)]
        return ", ".join(f"{name} {_shown(getattr(self, name))}" for name in changed) or "default"


@dataclass(frozen=True, slots=True)
class Split:
    """The questions to choose by and those to check with."""

    tuning: tuple[Question, ...]
    held_out: tuple[Question, ...]
    by: SplitBy
    seed: int


@dataclass(frozen=True, slots=True)
class Tried:
    """One choice on the tuning questions. value: of `factor`, the one that was changed last; kept: it was the best."""

    name: str
    factor: str | None
    value: Value | None
    score: Score
    kept: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A factor whose value was changed, and what that did: on the tuning questions, and on the held-out ones."""

    factor: str
    old: Value
    new: Value
    before: float
    after: float
    held_out: Difference


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was tried and what came of it. together: all steps against the default on the held-out questions."""

    metric: str
    split: Split
    default: Choice
    best: Choice
    tried: tuple[Tried, ...]
    steps: tuple[Step, ...]
    together: Difference | None

    def advice(self) -> list[str]:
        """A sentence for each factor that was tried, and one for all changes together."""
        said = [self._on(factor) for factor in dict.fromkeys(one.factor for one in self.tried if one.factor)]
        if self.together is not None:
            one = self.together
            said.append(
                f"All changes together: {self.metric} {one.before:.3f} -> {one.after:.3f} on the {one.n} held-out "
                f"questions, {_interval(one)}, p = {one.p:.3f}."
            )
        return said

    def _on(self, factor: str) -> str:
        key, now = FACTORS[factor], getattr(self.default, factor)
        others = [one for one in self.tried if one.factor == factor]
        step = next((one for one in self.steps if one.factor == factor), None)
        if step is None:
            values = ", ".join(_shown(one.value) for one in others)
            best = max(one.score.lower_bound for one in others)
            return (
                f"Leave {key} at {_shown(now)}: on the {len(self.split.tuning)} tuning questions none of {values} was "
                f"better (the best: {self.metric} {best:.3f})."
            )
        more = " Papers that are there have to be removed and ingested again." if factor == "chunk_tokens" else ""
        more = " Then run: rag-app ingest --reembed" if factor == "text_embedding" else more
        found = (
            f"{key} = {_shown(step.new)} instead of {_shown(step.old)} took {self.metric} from {step.before:.3f} to "
            f"{step.after:.3f} on the {len(self.split.tuning)} tuning questions, and changed it by "
            f"{_interval(step.held_out)} on the {step.held_out.n} held-out ones"
        )
        if step.held_out.low > 0:
            return f"Set {found}.{more}"
        if step.held_out.difference <= 0:
            return f"Leave {key} at {_shown(step.old)}: {found}, so the gain did not hold."
        return f"Not certain: {found}, which chance may explain. Ask more questions before you set it."

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "metric": self.metric,
            "split": {
                "by": self.split.by,
                "seed": self.split.seed,
                TUNING: len(self.split.tuning),
                "held_out": len(self.split.held_out),
                "held_out_papers": sorted({one.document for one in self.split.held_out if one.document}),
            },
            "default": dataclasses.asdict(self.default),
            "best": dataclasses.asdict(self.best),
            "tried": [
                {
                    "name": one.name,
                    "factor": one.factor,
                    "value": one.value,
                    "kept": one.kept,
                    "score": one.score.to_dict(),
                }
                for one in self.tried
            ],
            "steps": [dataclasses.asdict(step) for step in self.steps],
            "together": dataclasses.asdict(self.together) if self.together is not None else None,
            "advice": self.advice(),
        }

    def table(self) -> str:
        rows = [
            [one.name, one.score.mean, one.score.scored, one.score.failed + one.score.unscored, "*" if one.kept else ""]
            for one in self.tried
        ]
        header = [
            f"{self.metric} on {len(self.split.tuning)} tuning questions",
            "mean [95 %]",
            "scored",
            "lost",
            "kept",
        ]
        split = f"split by {self.split.by}, seed {self.split.seed}; {len(self.split.held_out)} questions held out"
        return "\n".join([text_table(header, rows), "", f"Questions {split}.", *self.advice()])


def _interval(one: Difference) -> str:
    return f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
