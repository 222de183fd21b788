"""The failure groups of a report: what each means, what would mend it, and its items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.failures import GROUPS, Diagnosis, Group
from eval.runs.rows import Row

TITLES: Mapping[Group, str] = {
    "failed": "failed",
    "not_extracted": "not extracted",
    "not_retrieved": "not retrieved",
    "not_used": "retrieved but not used",
    "wrong": "wrong",
    "refused_wrongly": "refused wrongly",
    "answered_wrongly": "answered wrongly",
    "miscited": "cited wrongly",
    "unsupported": "unsupported numbers",
    "right": "right",
}
MEANS: Mapping[Group, str] = {
    "failed": "There is no result at all.",
    "not_extracted": "The file says it, but what was read of the file does not, or its table was read in broken rows.",
    "not_retrieved": "It was read, but none of the passages found holds it.",
    "not_used": "A passage that holds it was found, and the answer rests on other words.",
    "wrong": "The answer rests on what answers, and says something else.",
    "refused_wrongly": "A passage that holds it was found, and the question was refused.",
    "answered_wrongly": "The papers do not hold the answer, and one was given.",
    "miscited": "The answer says the right thing, and a citation leads elsewhere.",
    "unsupported": "The answer is right, and also states numbers that are in no passage.",
    "right": "The right answer with the right source, a rightful refusal, or found.",
}
MENDS: Mapping[Group, str] = {
    "failed": "Read the reasons below; --resume asks these again.",
    "not_extracted": "See the pages below, and measure with rag-app eval extraction; with rag-app describe a vision "
    "model reads tables, formulas and figures.",
    "not_retrieved": "Try a larger k, another chunk size or embedding (models.text_embedding): rag-app eval sweep.",
    "not_used": "Try another answering model (models.answer), or a smaller k with fewer passages beside the right one.",
    "wrong": "Try another answering model (models.answer); for tables, look whether their rows were read whole.",
    "refused_wrongly": "See the calibration of confidence: what is refused lies under the bar it shows.",
    "answered_wrongly": "See the calibration of confidence: a higher bar refuses more of these, and more right ones.",
    "miscited": "Try another answering model (models.answer): it names the wrong passage for what it says.",
    "unsupported": "Such numbers are flagged to the user; another answering model may state fewer.",
    "right": "",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a group. question: empty where the kind of run asks none."""

    id: str
    question: str
    reason: str


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """One group with all its items; counts: how many of each column."""

    group: Group
    title: str
    means: str
    mends: str
    counts: tuple[int, ...]
    items: tuple[Item, ...]

    @property
    def total(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Failures:
    """All groups that occur, the right ones last; each item is in exactly one. columns: languages, then kinds."""

    columns: tuple[str, ...]
    totals: tuple[int, ...]
    groups: tuple[FailureGroup, ...]
    diagnosed: int
    rest: int

    @property
    def failing(self) -> tuple[FailureGroup, ...]:
        return tuple(group for group in self.groups if group.group != "right")


def failures(rows: Sequence[Row], diagnoses: Mapping[str, Diagnosis]) -> Failures:
    """The groups of the diagnosed rows; `rest` of the rows have no diagnosis."""
    told = [row for row in rows if row.id in diagnoses]
    keys = [(key, value) for key in ("language", "kind") for value in _values(told, key)]
    groups = []
    for group in GROUPS:
        chosen = [row for row in told if diagnoses[row.id].group == group]
        if chosen:
            counts = Counter((key, row.groups.get(key, "")) for row in chosen for key in ("language", "kind"))
            items = tuple(Item(row.id, question(row), diagnoses[row.id].reason) for row in chosen)
            groups.append(
                FailureGroup(
                    group, TITLES[group], MEANS[group], MENDS[group], tuple(counts[key] for key in keys), items
                )
            )
    totals = tuple(sum(row.groups.get(key, "") == value for row in told) for key, value in keys)
    columns = tuple(value.replace("_", " ") for _, value in keys)
    return Failures(columns, totals, tuple(groups), len(told), len(rows) - len(told))


def question(row: Row) -> str:
    """The question of a row, empty where it has none."""
    asked = row.record.get("question")
    return asked["question"] if asked else ""


def _values(rows: Sequence[Row], key: str) -> list[str]:
    return [value for value in dict.fromkeys(row.groups.get(key, "") for row in rows) if value]
