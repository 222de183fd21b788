"""A judge on the answers in words of a run on medical images: captions and free answers, scored beside the rest.

An answer that is a label, to a question on diagnosis or anomaly, is right or wrong without a judge.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from eval.judging import METRICS, Judge, Judgement, read_metrics
from eval.runs import Row, Run
from rag_app.errors import UsageError

KINDS = ("caption", "free")  # of the questions whose answers are judged
ANSWER_METRICS = tuple(name for name, metric in METRICS.items() if "contexts" not in metric.needs)
# Against the dataset's answer; how relevant an answer is to "Describe this image" says little.
DEFAULT_METRICS = tuple(name for name in ANSWER_METRICS if "reference" in METRICS[name].needs)


def answer_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """The judge's metrics of these names. Raises UnknownName, and UsageError for one that judges by passages."""
    asked = read_metrics(names)
    for name in asked:
        if name not in ANSWER_METRICS:
            raise UsageError(
                f"{name} judges by passages, and an answer about an image rests on none; there are "
                f"{', '.join(ANSWER_METRICS)}."
            )
    return asked


def judge_answers(
    run: Run, judge: Judge, *, language: str, on_done: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Add the judge's scores, or its reasons for having none, to the rows whose answers it judges.

    on_done: called with how many answers are judged, and how many there are. What the judge has said before comes from
    its cache, and what could not be judged is tried again.
    """
    rows = {row.id: row for row in run.rows() if row.error is None}
    samples, places = [], {}
    for row in rows.values():
        for place, sample in _samples(row, language):
            samples.append(sample)
            places[sample.id] = (row.id, place)
    waiting = Counter(key for key, _ in places.values())
    found: dict[str, dict[int, Judgement]] = {key: {} for key in rows}
    done = 0

    def keep(judged: Judgement) -> None:
        nonlocal done
        key, place = places[judged.id]
        found[key][place] = judged
        if len(found[key]) == waiting[key]:
            new = with_judgements(rows[key], found[key])
            if new != rows[key]:
                run.append(new)
        done += 1
        on_done(done, len(samples))

    judge.judge(samples, on_row=keep)
    run.finish()


def with_judgements(row: Row, judged: Mapping[int, Judgement]) -> Row:
    """The row with the judgements of its answers, by their places.

    Its score in a metric is the mean over the answers of one kind; where one of them has none, the row has the reason.
    """
    answers: list[dict[str, Any]] = [dict(said) for said in row.record["answers"]]  # Any: JSON
    values: dict[str, list[float]] = {}
    unscored: dict[str, str] = {}
    for place, one in sorted(judged.items()):
        answers[place] |= {"judged": dict(one.scores), "not_judged": dict(one.unscored)}
        kind = answers[place]["kind"]
        for name, value in one.scores.items():
            values.setdefault(f"{kind}_{name}", []).append(value)
        for name, reason in one.unscored.items():
            unscored.setdefault(f"{kind}_{name}", reason)
    scores = {name: sum(each) / len(each) for name, each in values.items() if name not in unscored}
    seconds = {**row.seconds, "judge": max(sum(one.seconds for one in judged.values()), row.seconds.get("judge", 0.0))}
    new = row.with_scores(scores, unscored)
    if (new.scores, new.unscored, answers) == (row.scores, row.unscored, row.record["answers"]):
        return row  # from the cache: it has been said, and what it took too
    return dataclasses.replace(new, seconds=seconds, record={**row.record, "answers": answers})


def _samples(row: Row, language: str) -> Sequence[tuple[int, Row]]:
    """(place, answer as the judge takes it) of each answer of the row that is judged."""
    found = []
    for place, said in enumerate(row.record.get("answers", ())):
        if said["kind"] in KINDS:
            question = {"question": said["question"], "language": language, "answers": [said["expected"]]}
            answer = {"answer": said["said"], "refused": False, "evidence": []}
            record = {"question": question, "answer": answer}
            found.append((place, Row(f"{row.id} {place}", record=record)))
    return found
