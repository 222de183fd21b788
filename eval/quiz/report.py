"""What the quiz says of a model: right answers closed book and with the library, and how sure the gain is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eval.quiz.asking import CLOSED_BOOK, SITTINGS, WITH_LIBRARY
from eval.runs.comparing import mcnemar
from eval.runs.rows import Row
from eval.statistics import Mean, mean, text_table


@dataclass(frozen=True, slots=True)
class Sitting:
    """One sitting of a group of questions; right + wrong + refused + unparsable + failed = n.

    share  right answers among those scored, a refusal counting as 0
    """

    n: int
    right: int
    wrong: int
    refused: int
    unparsable: int
    failed: int
    share: Mean


@dataclass(frozen=True, slots=True)
class Result:
    """A group of questions. chance: share that guessing gets right.

    sittings      by name; closed book only of an examinee that can be asked so
    gained, lost  questions right with the library and not closed book, and the other way round
    p             two-sided, by McNemar's exact test, over the questions scored in both sittings; None without both
    """

    name: str
    n: int
    chance: float
    sittings: dict[str, Sitting]
    gained: int
    lost: int
    p: float | None


def results(rows: Sequence[Row]) -> list[Result]:
    """All questions first, then those of each language."""
    found = [_result("all", rows)]
    for language in sorted({row.groups["language"] for row in rows}):
        found.append(_result(language, [row for row in rows if row.groups["language"] == language]))
    return found


def to_dict(rows: Sequence[Row], *, seed: int) -> dict[str, Any]:  # Any: JSON
    """The results, and each question with the choices as shown and what was taken."""
    return {
        "total": len(rows),
        "failed": sum(row.error is not None for row in rows),
        "seed": seed,
        "results": [dataclasses.asdict(result) for result in results(rows)],
        "questions": [row.to_dict() for row in rows],
    }


def table(rows: Sequence[Row]) -> str:
    """The results for people, with what was refused, unparsable and failed."""
    found = results(rows)
    lines = []
    for one in found:
        closed, opened = (one.sittings.get(name) for name in SITTINGS)
        test = [one.gained, one.lost, f"{one.p:.3f}"] if one.p is not None else ["-", "-", "-"]
        lines.append(
            [one.name, one.n, f"{one.chance:.3f}", *("-" if s is None else s.share for s in (closed, opened)), *test]
        )
    parts = [text_table(["", "n", "chance", "closed book", "with the library", "gained", "lost", "p"], lines)]
    counts = [
        [f"{one.name} {name.replace('_', ' ')}", s.n, s.right, s.wrong, s.refused, s.unparsable, s.failed]
        for one in found
        for name, s in one.sittings.items()
    ]
    parts.append(text_table(["", "n", "right", "wrong", "refused", "unparsable", "failed"], counts))
    notes = ["Shares are of the scored questions, with 95 % bootstrap intervals; p is of McNemar's exact test."]
    if CLOSED_BOOK not in found[0].sittings:
        notes.append("Not asked closed book: the builtin answerer knows nothing by itself. Compare it with chance.")
    notes += [f"Failed: {row.id}: {row.error}" for row in rows if row.error is not None]
    notes += [
        f"Unparsable: {row.id}, {name.replace('_', ' ')}: {row.unscored[name]}"
        for row in rows
        for name in SITTINGS
        if name in row.unscored
    ]
    return "\n\n".join([*parts, "\n".join(notes)])


def _result(name: str, rows: Sequence[Row]) -> Result:
    sat = [sitting for sitting in SITTINGS if any(sitting in row.record for row in rows)]
    if WITH_LIBRARY not in sat:  # every question failed
        sat.append(WITH_LIBRARY)
    pairs = [(row.scores[CLOSED_BOOK], row.scores[WITH_LIBRARY]) for row in rows if set(SITTINGS) <= set(row.scores)]
    gained, lost = (pairs.count(pair) for pair in ((0.0, 1.0), (1.0, 0.0)))
    return Result(
        name=name,
        n=len(rows),
        chance=sum(1 / len(row.record["choices"]) for row in rows) / len(rows),
        sittings={sitting: _sitting(sitting, rows) for sitting in sat},
        gained=gained,
        lost=lost,
        p=mcnemar(gained, lost) if pairs else None,
    )


def _sitting(name: str, rows: Sequence[Row]) -> Sitting:
    scored = [row for row in rows if name in row.scores]
    right = sum(row.scores[name] == 1.0 for row in scored)
    refused = sum(row.record[name]["refused"] for row in scored)
    return Sitting(
        n=len(rows),
        right=right,
        wrong=len(scored) - right - refused,
        refused=refused,
        unparsable=sum(name in row.unscored for row in rows),
        failed=sum(row.error is not None for row in rows),
        share=mean([row.scores[name] for row in scored]),
    )
