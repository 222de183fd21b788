"""A judge a fifth of whose replies are bad: every row accounted for, no score changed, and the mean not moved.

    python -m benchmarks.judge_failures                     # 20 rounds of 60 rows, 20 % of the questions answered badly

A scripted judge behind the protocol server answers by the letter, so that each row has a true score. In each round a
share of its questions, drawn by a seed, always gets a bad reply: prose, half an object, another shape, an empty list,
a verdict that is none, a verdict too many. For each metric: how many rows are scored and how many are not (they add
up), how many scores differ from the true ones, and the mean over the scored rows less the mean of all true scores, with
its 95 % interval over the rounds; beside it the same with rows that are not scored counted as 0, as a mean that hides
failures has them. Last, faults on the wire, which asking again heals.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.names import load_model, parse_model_name
from eval.judging import Judge
from eval.runs import Row
from tests.judging.models import Body, form_of, reply, row, settings_for
from tests.ollama_server import Fault, Model, OllamaServer

METRICS = ("faithfulness", "context_precision", "context_recall", "factual_correctness")
ON_THE_WIRE = (Fault.CUT, Fault.NO_DONE, Fault.NOT_JSON, Fault.WRONG_SHAPE, Fault.ERROR_LINE, Fault.HALF_LINE)


@dataclass
class Shifts:
    """One metric over all rounds. shifts: mean over the scored rows less the true mean, a round each; as_zero: the same
    with rows that are not scored counted as 0. changed: scores that differ from the true ones."""

    rows: int = 0
    scored: int = 0
    unscored: int = 0
    changed: int = 0
    shifts: list[float] = field(default_factory=list)
    as_zero: list[float] = field(default_factory=list)

    @property
    def bias(self) -> tuple[float, float]:
        """Mean of `shifts` and half its 95 % interval."""
        return _mean(self.shifts)

    @property
    def bias_as_zero(self) -> tuple[float, float]:
        return _mean(self.as_zero)


def _mean(values: Sequence[float]) -> tuple[float, float]:
    return statistics.fmean(values), 1.96 * statistics.stdev(values) / len(values) ** 0.5


def made_rows(count: int, seed: int) -> list[Row]:
    """Rows of one to six sentences in answer and gold answer, some of them in the passages."""
    dice = random.Random(seed)
    rows = []
    for number in range(count):
        facts = [f"Fact {seed}-{number}-{i} is so." for i in range(12)]
        held = dice.sample(facts, 6)
        answer, gold = (" ".join(dice.sample(facts, dice.randint(1, 6))) for _ in range(2))
        contexts = [f"We know this: {' '.join(held[i : i + 2])}" for i in range(0, 6, 2)]
        contexts.insert(dice.randrange(4), f"Again: {gold}" if dice.random() < 0.7 else "Nothing of it.")
        rows.append(
            row(f"r{number}", question=f"What of {seed}-{number}?", answer=answer, gold=[gold], contexts=contexts)
        )
    return rows


def bad_reply(body: Body, said: Body, dice: random.Random) -> str:
    """A reply that must not count, of a kind that `dice` draws."""
    good = json.dumps(said)
    listed = [name for name, value in said.items() if isinstance(value, list)]
    kinds = ["Sure, here is what I think.", good[: len(good) // 2], json.dumps({"caption": "a picture"})]
    kinds += [json.dumps({**said, name: []}) for name in listed]
    if form_of(body) == "NLIStatementOutput":
        kinds.append(json.dumps({"statements": [*said["statements"], said["statements"][0]]}))
    if "verdict" in said:
        kinds.append(json.dumps({**said, "verdict": 7}))
    return dice.choice(kinds)


def rounds(
    folder: Path, *, count: int, times: int, share: float, metrics: Sequence[str] = METRICS, seed: int = 1
) -> dict[str, Shifts]:
    """The figures, by metric."""
    found = {f"ragas_{name}": Shifts() for name in metrics}
    for turn in range(seed, seed + times):
        rows = made_rows(count, turn)

        def faulty(body: Body, images: list[bytes], turn: int = turn) -> str:
            said = reply(body, images)
            prompt = body["messages"][-1]["content"].split("\n\nYour last reply could not be used")[0]
            drawn = random.Random(hashlib.sha256(f"{turn} {prompt}".encode()).digest())
            return bad_reply(body, said, drawn) if drawn.random() < share else json.dumps(said)

        with OllamaServer([Model("right", replies=_right), Model("faulty", replies=faulty)]) as server:
            given = {}
            for name in ("right", "faulty"):
                model = load_model("judge", parse_model_name(name), settings_for(server))
                given[name] = Judge(model, None, metrics=metrics, cache=folder / str(turn)).judge(rows)
        for metric, shifts in found.items():
            true = [one.scores[metric] for one in given["right"]]
            kept = [one.scores.get(metric) for one in given["faulty"]]
            scored = [value for value in kept if value is not None]
            shifts.rows += len(rows)
            shifts.scored += len(scored)
            shifts.unscored += sum(metric in one.unscored for one in given["faulty"])
            shifts.changed += sum(value not in (None, truth) for value, truth in zip(kept, true, strict=True))
            shifts.shifts.append(statistics.fmean(scored) - statistics.fmean(true))
            shifts.as_zero.append(sum(scored) / len(rows) - statistics.fmean(true))
    return found


def _right(body: Body, images: list[bytes]) -> str:
    return json.dumps(reply(body, images))


def over_a_bad_wire(folder: Path, *, count: int, share: float, seed: int) -> tuple[int, int, int]:
    """Scores asked for, given, and different from those over a good wire, with this share of requests failing."""
    rows = made_rows(count, seed)
    with OllamaServer([Model("judge", replies=_right)]) as server:
        model = load_model("judge", parse_model_name("judge"), settings_for(server))
        good = Judge(model, None, metrics=METRICS, cache=folder / "good").judge(rows)
        server.random_faults(share=share, seed=seed, kinds=ON_THE_WIRE)
        bad = Judge(model, None, metrics=METRICS, cache=folder / "bad").judge(rows)
    given = sum(len(one.scores) for one in bad)
    changed = sum(
        one.scores.get(name) not in (None, value)
        for one, true in zip(bad, good, strict=True)
        for name, value in true.scores.items()
    )
    return len(rows) * len(METRICS), given, changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--metric", action="append", choices=METRICS, help="repeatable; all when not given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="judge_failures_") as name:
        figures = rounds(
            Path(name),
            count=given.rows,
            times=given.rounds,
            share=given.share,
            metrics=given.metric or METRICS,
            seed=given.seed,
        )
        for metric, found in figures.items():
            (bias, half), (zero, zero_half) = found.bias, found.bias_as_zero
            print(
                f"{metric}: {found.scored} scored + {found.unscored} not = {found.rows}; {found.changed} changed; "
                f"shift of the mean {bias:+.4f} ± {half:.4f}, with failures as 0 {zero:+.4f} ± {zero_half:.4f}",
                flush=True,
            )
        asked, scored, changed = over_a_bad_wire(Path(name), count=given.rows, share=given.share, seed=given.seed)
        print(f"{given.share:.0%} faults on the wire: {scored} of {asked} scored, {changed} scores changed")


if __name__ == "__main__":
    main()
