"""Verification: right readings, the same with planted errors, and what the checks of `ingestion.describe` say of each.

A right reading that is not verified is a false alarm; one with an error that is verified is a miss.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eval.planted.kinds import errors_of, variants_of
from eval.statistics import text_table, wilson
from eval.transcriptions import Case
from ingestion.describe.reading import described
from ingestion.describe.schemas import FORMS, FormulaReading, Reading

SEED = 20260115
CAUGHT, FALSE_ALARMS = 0.90, 0.05  # the bar: at least so many errors caught, at most so many right readings doubted


@dataclass(frozen=True, slots=True)
class Trial:
    """One reading that was checked. right: no error was planted; change: how it was made from the right one."""

    case: str
    kind: str
    change: str
    right: bool
    verified: bool
    score: float
    text: str

    @property
    def passed(self) -> bool:
        return self.verified == self.right


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """All trials; see `run`."""

    trials: tuple[Trial, ...]
    seed: int

    def share(self, *, right: bool, kind: str | None = None) -> tuple[int, int]:
        """(errors caught, errors) or (right readings doubted, right readings), of one kind of element or all."""
        of = [t for t in self.trials if t.right == right and kind in (None, t.kind)]
        return sum(not t.verified for t in of), len(of)

    @property
    def holds(self) -> bool:
        """Whether the bar is met."""
        caught, errors = self.share(right=False)
        alarms, readings = self.share(right=True)
        return caught >= CAUGHT * errors and alarms <= FALSE_ALARMS * readings

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "seed": self.seed,
            "holds": self.holds,
            "caught": _share(*self.share(right=False)),
            "false_alarms": _share(*self.share(right=True)),
            "by_change": [
                {"kind": kind, "change": change, "right": right, "doubted": n, "trials": of}
                for (kind, change, right), (n, of) in self._by_change().items()
            ],
            "misses": [dataclasses.asdict(t) for t in self.trials if not t.passed],
        }

    def table(self) -> str:
        kinds = [kind for kind in FORMS if any(t.kind == kind for t in self.trials)]
        rows = [
            [kind or "all", _said(*self.share(right=False, kind=kind)), _said(*self.share(right=True, kind=kind))]
            for kind in (*kinds, None)
        ]
        lines = [text_table(["", "errors caught", "false alarms"], rows), ""]
        lines.append(
            text_table(
                ["planted error", "caught", "of"],
                [[f"{k}: {c}", n, of] for (k, c, right), (n, of) in self._by_change().items() if not right],
            )
        )
        missed = [t for t in self.trials if not t.passed]
        lines += ["", f"{len(missed)} misses:" if missed else "No misses."]
        lines += [
            f"  {'doubted' if t.right else 'passed'}: {t.case}, {t.change}: {t.text[:110]!r}" for t in missed[:60]
        ]
        return "\n".join(lines)

    def _by_change(self) -> dict[tuple[str, str, bool], tuple[int, int]]:
        of = Counter((t.kind, t.change, t.right) for t in self.trials)
        doubted = Counter((t.kind, t.change, t.right) for t in self.trials if not t.verified)
        return {key: (doubted[key], n) for key, n in sorted(of.items())}


def run(cases: Sequence[Case], *, each: int = 3, seed: int = SEED) -> VerificationReport:
    """Check every right reading, its spellings, and `each` plantings of every kind of error; equal ones count once."""
    trials: list[Trial] = []
    for number, case in enumerate(cases):
        rng = random.Random(seed * 1000 + number)
        made: dict[tuple[bool, str], str] = {(True, _text(case.reading)): "as transcribed"}
        readings: list[tuple[bool, str, Reading]] = [(True, "as transcribed", case.reading)]
        for right, kinds in ((True, variants_of(case.reading)), (False, errors_of(case.reading))):
            for change, apply in kinds.items():
                for _ in range(each):
                    reading = apply(case.reading, rng)
                    if reading is not None and (right, _text(reading)) not in made:
                        made[right, _text(reading)] = change
                        readings.append((right, change, reading))
        readings += [(True, "several spellings", reading) for reading in _mixed(case.reading, rng, each)]
        trials += [_tried(case, right, change, reading) for right, change, reading in readings]
    return VerificationReport(tuple(trials), seed)


def _mixed(reading: Reading, rng: random.Random, count: int) -> Iterable[Reading]:
    """The reading in two or three spellings at once. Delimiters and numbers come last, as they stand outermost."""
    kinds = variants_of(reading)
    outer = [kind for kind in ("number", "delimiters") if kind in kinds]
    inner = [kind for kind in kinds if kind not in outer]
    for _ in range(count):
        chosen = rng.sample(inner, k=min(3, len(inner))) + outer[: rng.randrange(len(outer) + 1)]
        done = reading
        for kind in chosen:
            done = kinds[kind](done, rng) or done
        yield done


def _tried(case: Case, right: bool, change: str, reading: Reading) -> Trial:
    found = described(reading, case.element, model="planted", context=case.context)
    return Trial(case.name, case.element.kind, change, right, found.verified, found.score, _text(reading))


def _text(reading: Reading) -> str:
    return reading.latex if isinstance(reading, FormulaReading) else reading.model_dump_json()


def _share(n: int, of: int) -> dict[str, Any]:  # Any: JSON
    low, high = wilson(n, of)
    return {"n": n, "of": of, "share": n / of if of else None, "low": low, "high": high}


def _said(n: int, of: int) -> str:
    low, high = wilson(n, of)
    return f"{n} of {of} = {n / of:.1%} [{low:.1%}, {high:.1%}]" if of else "-"
