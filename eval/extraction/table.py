"""Parsers and vision models in one table, over all papers and by language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.runs import Group, Row
from eval.side_by_side import grouped, table

LABELS: Mapping[str, str] = {
    "text_edit_similarity": "text: 1 - edit distance",
    "reading_order": "reading order: Kendall's tau",
    "cell_f1": "table cells: F1",
    "teds": "tables: TEDS",
    "teds_structure": "tables: TEDS of structure",
    "formula_found": "formulas found",
    "formula_symbols": "formulas: symbols together in the text",
    "formula_edit_similarity": "formulas: 1 - edit distance of LaTeX",
    "formula_image_similarity": "formulas: likeness when rendered",
    "figure_caption_f1": "figures with their caption: F1",
    "check_passed": "page checks passed",
    "verification": "verification score",
    "verified": "verified",
}


@dataclass(frozen=True, slots=True)
class ExtractionTable:
    """Means with intervals by parser.

    languages  the same by language, where there is more than one
    checks     type of page check -> parser -> (passed, in all)
    seconds    a page, on the clock, by parser
    """

    parsers: Mapping[str, Group]
    languages: Mapping[str, Mapping[str, Group]]
    checks: Mapping[str, Mapping[str, tuple[int, int]]]
    seconds: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {
            "parsers": {name: group.to_dict() for name, group in self.parsers.items()},
            "languages": {
                language: {name: group.to_dict() for name, group in groups.items()}
                for language, groups in self.languages.items()
            },
            "checks": {kind: dict(passed) for kind, passed in self.checks.items()},
            "seconds_per_page": dict(self.seconds),
        }

    def text(self) -> str:
        more: list[list[str]] = [
            [
                f"page checks: {kind}",
                *("{} of {}".format(*passed[name]) if name in passed else "-" for name in self.parsers),
            ]
            for kind, passed in self.checks.items()
        ]
        if self.seconds:
            found = (self.seconds.get(name) for name in self.parsers)
            more.append(["seconds a page", *("-" if one is None else f"{one:.2f}" for one in found)])
        parts = [table("", self.parsers, LABELS, more)]
        parts += [table(f"language {language}", groups, LABELS) for language, groups in self.languages.items()]
        return "\n\n".join(parts)


def tabulate(rows: Sequence[Row]) -> ExtractionTable:
    """The table of a run's rows; parsers in order of appearance."""
    parsers = list(dict.fromkeys(row.groups["parser"] for row in rows))
    languages = sorted({row.groups["language"] for row in rows if "language" in row.groups})
    seconds: dict[str, float] = {}
    for parser in parsers:
        papers = [row for row in rows if row.groups["parser"] == parser and row.record.get("pages")]
        if papers:
            total = sum(int(row.record["pages"]) for row in papers)
            seconds[parser] = sum(row.seconds["parse"] for row in papers) / total
    by_language = {
        language: grouped([row for row in rows if row.groups.get("language") == language], "parser", parsers)
        for language in (languages if len(languages) > 1 else ())
    }
    return ExtractionTable(grouped(rows, "parser", parsers), by_language, _checks(rows), seconds)


def _checks(rows: Sequence[Row]) -> dict[str, dict[str, tuple[int, int]]]:
    """A check of a page that could not be read is not passed."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for row in rows:
        of, _, kind = row.groups["kind"].partition(" ")
        if of == "check":
            passed, total = found.setdefault(kind, {}).get(row.groups["parser"], (0, 0))
            found[kind][row.groups["parser"]] = (passed + int(row.scores.get("check_passed", 0)), total + 1)
    return found
