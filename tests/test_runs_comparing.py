"""Comparing two runs: pairs, tests of significance against worked cases and scipy-free references, flips; the gate."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest

from eval.runs import Manifest, Row, Run
from eval.runs.comparing import compare_rows, compare_runs, holm, mcnemar, paired_bootstrap
from eval.runs.gate import Threshold, Verdict, below, judge_run, worse
from eval.runs.summary import summarise
from rag_app.errors import UsageError

MANIFEST = Manifest("answers", 0, models={"answer": "builtin"})


def rows(metric: str, values: Sequence[float]) -> list[Row]:
    return [Row(str(i), {}, {metric: float(value)}) for i, value in enumerate(values)]


def saved(folder: Path, items: Sequence[Row], manifest: Manifest = MANIFEST) -> Run:
    with Run.create(folder, manifest) as run:
        for item in items:
            run.append(item)
    return run


@pytest.mark.parametrize(
    ("rose", "fell", "p"),
    [(0, 0, 1.0), (0, 1, 1.0), (0, 5, 0.0625), (5, 0, 0.0625), (1, 8, 20 / 512), (3, 3, 1.0), (2, 10, 158 / 4096)],
)
def test_mcnemar_by_hand(rose: int, fell: int, p: float) -> None:
    """2 * sum of C(n, i) for i up to the smaller count, over 2^n."""
    assert mcnemar(rose, fell) == pytest.approx(p)


def test_mcnemar_equals_the_exact_binomial_test() -> None:
    """Against the definition: the probability of all outcomes that are no more likely than the one found."""
    generator = random.Random(5)
    for _ in range(200):
        rose, fell = generator.randrange(60), generator.randrange(60)
        n = rose + fell
        likely = [comb(n, i) for i in range(n + 1)]
        exact = Fraction(sum(one for one in likely if one <= likely[rose]), 2**n)
        assert mcnemar(rose, fell) == pytest.approx(float(exact), abs=1e-12)


def test_the_paired_bootstrap_holds_its_level() -> None:
    """Without a difference at most about 5 % of samples are called significant; with a large one nearly all are."""
    generator = np.random.default_rng(3)
    noise = [paired_bootstrap(generator.normal(0.0, 1.0, 60), resamples=1000)[2] for _ in range(300)]
    assert 0.02 < np.mean([p < 0.05 for p in noise]) < 0.09
    moved = [paired_bootstrap(generator.normal(0.6, 1.0, 60), resamples=1000)[2] for _ in range(50)]
    assert np.mean([p < 0.05 for p in moved]) > 0.95


def test_the_interval_of_the_difference_covers_it() -> None:
    generator = np.random.default_rng(4)
    held = 0
    for _ in range(300):
        low, high, _ = paired_bootstrap(generator.normal(0.3, 1.0, 60), resamples=1000)
        held += low <= 0.3 <= high
    assert 0.90 < held / 300 < 0.985


def test_no_difference_is_not_significant() -> None:
    assert paired_bootstrap(np.zeros(10)) == (0.0, 0.0, 1.0)


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1, each at least the one before."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


def test_flipped_items_and_counts() -> None:
    (one,), rest = compare_rows(rows("right", [1, 1, 0, 0, 1]), rows("right", [1, 0, 1, 0, 0]))
    assert (one.test, one.n, one.rose, one.fell, rest) == ("McNemar", 5, 1, 2, ())
    assert [(flip.id, flip.before, flip.after) for flip in one.flipped] == [("1", 1, 0), ("2", 0, 1), ("4", 1, 0)]
    assert one.difference == pytest.approx(-0.2) and one.p == 1.0


def test_graded_metrics_go_through_the_bootstrap() -> None:
    (one,), _ = compare_rows(
        rows("rouge", [0.1 * i for i in range(10)]), rows("rouge", [0.1 * i + 0.05 for i in range(10)])
    )
    assert one.test == "bootstrap" and one.flipped == () and one.significant
    assert (one.low, one.high) == (pytest.approx(0.05), pytest.approx(0.05))


def test_only_common_items_are_compared_and_the_rest_is_counted(tmp_path: Path) -> None:
    before = saved(tmp_path / "a", [*rows("right", [1, 0, 1]), Row("gone", {}, {"right": 0.0}), Row("f", error="no")])
    items = [Row("0", {}, {"right": 0.0}), Row("1", error="down"), Row("2", unscored={"right": "?"})]
    after = saved(
        tmp_path / "b",
        [*items, Row("f", {}, {"right": 1.0}), Row("new", {}, {"right": 1.0})],
        dataclasses.replace(MANIFEST, models={"answer": "ollama:gemma3:4b"}),
    )
    found = compare_runs(before, after)
    assert (found.common, found.only_before, found.only_after) == (4, 1, 1)
    assert (found.newly_failed, found.mended) == (("1",), ("f",))
    assert found.changed == ("models.answer was builtin, now ollama:gemma3:4b",)
    (one,) = found.differences
    assert (one.n, one.before, one.after, one.unpaired) == (1, 1.0, 0.0, 3)
    json.dumps(found.to_dict(), allow_nan=False)
    table = found.table()
    assert "right fell: 0" in table and "Failed now: 1." in table and "Changed: models.answer" in table


def test_runs_that_cannot_be_compared(tmp_path: Path) -> None:
    one = saved(tmp_path / "a", rows("right", [1]))
    other = saved(tmp_path / "b", rows("right", [1]), dataclasses.replace(MANIFEST, kind="quiz"))
    with pytest.raises(UsageError, match="two runs of one kind"):
        compare_runs(one, other)
    empty = saved(tmp_path / "c", [Row("x", {}, {"right": 1.0})])
    with pytest.raises(UsageError, match="no item in common"):
        compare_runs(one, empty)


def test_a_metric_of_one_run_only_is_named(tmp_path: Path) -> None:
    found = compare_runs(saved(tmp_path / "a", rows("right", [1])), saved(tmp_path / "b", rows("rouge", [1])))
    assert found.differences == () and found.incomparable == ("right", "rouge")
    assert "In no item of both runs: right, rouge." in found.table()


# --- gate -----------------------------------------------------------------------------------------------------------


def test_thresholds_are_parsed() -> None:
    assert Threshold.parse("recall@5=0.8") == Threshold("recall@5", 0.8)
    for wrong in ("right", "right=", "=0.8", "right=high", "right=nan"):
        with pytest.raises(UsageError, match="--fail-under takes METRIC=NUMBER"):
            Threshold.parse(wrong)


def test_a_run_does_not_pass_by_failing() -> None:
    good = summarise([*rows("right", [1] * 9), Row("x", {}, {"right": 0.0})])
    assert below(good, [Threshold("right", 0.9)]) == []
    failing = summarise([*rows("right", [1] * 9), Row("x", error="down"), Row("y", unscored={"right": "?"})])
    (reason,) = below(failing, [Threshold("right", 0.9)])
    assert reason == "right is 0.818, with 2 not scored or failed counted as 0, under 0.9 (9 scored)."


def test_an_unknown_metric_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'right'"):
        below(summarise(rows("right", [1])), [Threshold("rigth", 0.9)])
    with pytest.raises(UsageError, match="it has right"):
        below(summarise(rows("right", [1])), [Threshold("zzz", 0.9)])


def test_worse_by_more_than_chance(tmp_path: Path) -> None:
    before = saved(tmp_path / "a", rows("right", [1] * 40))
    assert worse(before, saved(tmp_path / "b", rows("right", [1] * 39 + [0]))) == []  # within the interval
    (reason,) = worse(before, saved(tmp_path / "c", rows("right", [1] * 30 + [0] * 10)))
    assert reason.startswith("right fell from 1.000 to 0.750 over 40 common items")
    assert worse(saved(tmp_path / "d", rows("right", [0] * 40)), before) == []


def test_many_new_failures_are_worse(tmp_path: Path) -> None:
    before = saved(tmp_path / "a", rows("right", [1] * 20))
    after = saved(tmp_path / "b", [*rows("right", [1] * 12), *(Row(str(i), error="down") for i in range(12, 20))])
    assert worse(before, after) == ["8 items fail that had a result before, and 0 the other way round."]


def test_the_verdict_holds_both_kinds_of_reasons(tmp_path: Path) -> None:
    before = saved(tmp_path / "a", rows("right", [1] * 40))
    after = saved(tmp_path / "b", rows("right", [0] * 40))
    verdict = judge_run(after, after.summary(), [Threshold("right", 0.5)], before)
    assert not verdict.passed and len(verdict.reasons) == 2
    assert verdict.to_dict() == {"passed": False, "reasons": list(verdict.reasons)}
    assert judge_run(before, before.summary(), [], None) == Verdict(())
