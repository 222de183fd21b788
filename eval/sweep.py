"""A sweep: which settings answer a question set better, chosen on some questions and checked on others.

From the settings as they are, one factor after the other is tried with all its values, on the tuning questions alone;
the best value stays for the factors after it. What was chosen is then measured on the held-out questions, which no
choice has seen. A paper's questions are all on one side, so that what fits one paper does not pass for what fits all.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence

from eval.questions import Question
from eval.runs.comparing import Difference, compare_rows
from eval.runs.rows import Row
from eval.runs.run import Run
from eval.runs.summary import Score, summarise
from eval.sweep_records import FACTORS, HELD_OUT, TUNING, Choice, Split, SplitBy, Step, Sweep, Tried, Value
from rag_app.errors import UsageError

CORRECT = "correct"  # of an answerable question that it is right, of an unanswerable one that it is refused


def split_questions(questions: Sequence[Question], *, share: float, seed: int, by: SplitBy) -> Split:
    """Split so that about `share` of the questions are held out.

    by "paper": a paper's questions stay together; those about none are drawn one by one. Raises UsageError where there
    is nothing to split by.
    """
    draw = random.Random(seed)
    whole = [one.document for one in questions if by == "paper" and one.document]
    papers = sorted(set(whole))
    if by == "paper" and len(papers) < 2:
        raise UsageError("The questions are about fewer than two papers: add --split question.")
    draw.shuffle(papers)
    held: set[str] = set()
    for paper in papers[:-1]:
        if sum(one in held for one in whole) >= share * len(whole):
            break
        held.add(paper)
    single = [one.id for one in questions if by == "question" or not one.document]
    draw.shuffle(single)
    drawn = set(single[: round(share * len(single))])
    out = [one for one in questions if one.id in drawn or (one.id not in single and one.document in held)]
    if not out or len(out) == len(questions):
        raise UsageError(f"{len(questions)} questions are too few to hold some out: give more.")
    outside = {one.id for one in out}
    return Split(tuple(one for one in questions if one.id not in outside), tuple(out), by, seed)


def with_correct(row: Row) -> Row:
    """The row of an answer with the metric CORRECT."""
    value = row.scores.get("right", row.scores.get("refusal_recall"))
    return row if value is None else row.with_scores({CORRECT: value}, {})


def sweep(
    run: Run,
    split: Split,
    default: Choice,
    values: Mapping[str, Sequence[Value]],
    measure: Callable[[Choice], Callable[[Question], Row]],
    *,
    metric: str,
    on_progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Try the values of each factor; every row is kept in `run`, so that a sweep that was cut off goes on.

    Args:
        values: by factor of FACTORS.
        measure: makes ready for a choice and gives what makes the row of one question, with the metric in it.
        on_progress: called with questions done and about how many there are.
    """
    kept = {row.id: row for row in run.rows() if row.error is None}
    planned = [(factor, value) for factor in FACTORS for value in values.get(factor, ())]
    planned = [(factor, value) for factor, value in planned if value != getattr(default, factor)]
    expected = (1 + len(planned)) * len(split.tuning) + 2 * len(split.held_out)
    done = 0

    def measured(choice: Choice, part: str) -> list[Row]:
        nonlocal done
        name = choice.called(default)
        work: Callable[[Question], Row] | None = None
        rows: list[Row] = []
        for question in split.tuning if part == TUNING else split.held_out:
            row_id = f"{name} / {question.id}"
            if row_id not in kept:
                work = work or measure(choice)
                made = work(question)
                groups = {part: name}
                kept[row_id] = dataclasses.replace(
                    made, id=row_id, groups=groups, record={"question": question.to_dict()}
                )
                run.append(kept[row_id])
            rows.append(dataclasses.replace(kept[row_id], id=question.id))
            done += 1
            if on_progress:
                on_progress(done, max(done, expected))
        return rows

    def scored(choice: Choice) -> Score:
        score = summarise(measured(choice, TUNING)).all.scores.get(metric)
        if score is None:
            raise UsageError(f"No tuning question has the metric {metric!r}; see docs/metrics.md for the metrics.")
        return score

    best, best_score = default, scored(default)
    tried = [Tried("default", None, None, best_score, kept=True)]
    path: list[tuple[str, Choice, Choice, Score, Score]] = []
    for factor in FACTORS:
        start, start_score = best, best_score
        for value in [value for name, value in planned if name == factor]:
            choice = dataclasses.replace(start, **{factor: value})
            score = scored(choice)
            if score.lower_bound > best_score.lower_bound:
                best, best_score = choice, score
            tried.append(Tried(choice.called(default), factor, value, score, kept=False))
        if best != start:
            path.append((factor, start, best, start_score, best_score))
    chosen = {after.called(default) for _, _, after, _, _ in path}
    steps: list[Step] = []
    for factor, before, after, earlier, later in path:
        change = _difference(measured(before, HELD_OUT), measured(after, HELD_OUT), metric)
        old, new = getattr(before, factor), getattr(after, factor)
        steps.append(Step(factor, old, new, earlier.lower_bound, later.lower_bound, change))
    return Sweep(
        metric,
        split,
        default,
        best,
        tuple(dataclasses.replace(one, kept=one.kept or one.name in chosen) for one in tried),
        tuple(steps),
        _difference(measured(default, HELD_OUT), measured(best, HELD_OUT), metric) if steps else None,
    )


def _difference(before: Sequence[Row], after: Sequence[Row], metric: str) -> Difference:
    """In this metric alone; an item that failed counts as 0, as in the choosing."""
    differences, _ = compare_rows([_only(row, metric) for row in before], [_only(row, metric) for row in after])
    if not differences:
        raise UsageError(f"No held-out question has the metric {metric!r}: hold out others with --seed.")
    return differences[0]


def _only(row: Row, metric: str) -> Row:
    lost = row.error is not None or metric in row.unscored
    scores = {metric: 0.0} if lost else {name: value for name, value in row.scores.items() if name == metric}
    return Row(row.id, scores=scores)
