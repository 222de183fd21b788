"""What checking a reading found, and the score and verdict made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BAR = 0.8  # a reading below it is shown as unverified, and can be asked again of another model
WRONG = 0.25  # a contradiction with what the PDF says: one is enough to fall below the bar
DOUBT = 0.05  # what could not be compared, or disagrees in a way that right readings do too


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence and what it takes from the score, 0 to 1; 0 for what only explains it."""

    message: str
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Checks:
    """The outcome for one reading.

    score     1 - the sum of the costs, never below 0; 0 where there was nothing to compare with
    verified  compared, and score >= BAR
    reasons   what was compared and found, a sentence each, gravest first
    """

    score: float
    verified: bool
    reasons: tuple[str, ...]


def settled(findings: Iterable[Finding]) -> Checks:
    ordered = sorted(findings, key=lambda finding: -finding.cost)
    score = round(max(0.0, 1.0 - sum(finding.cost for finding in ordered)), 3)
    return Checks(score, score >= BAR, tuple(finding.message for finding in ordered))


def nothing_to_compare(message: str, findings: Iterable[Finding] = ()) -> Checks:
    """Unverified whatever else was found: no evidence is no agreement."""
    return Checks(0.0, False, (message, *(finding.message for finding in findings)))


def wrong(message: str, share: float = 0.0) -> Finding:
    """A contradiction; `share` (0 to 1) of the reading is touched by it."""
    return Finding(message, WRONG + (1.0 - WRONG) * min(1.0, share))


def some(items: Iterable[str], most: int = 5) -> str:
    """The first few items, for a sentence: 'a, b and 3 more'."""
    every = list(items)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
