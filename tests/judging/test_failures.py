"""A judge that fails: the short form of benchmarks/judge_failures.py."""

from __future__ import annotations

from pathlib import Path

from benchmarks.judge_failures import METRICS, over_a_bad_wire, rounds


def test_a_fifth_of_bad_replies_loses_no_row_and_moves_no_mean(tmp_path: Path) -> None:
    found = rounds(tmp_path, count=30, times=10, share=0.2, metrics=("faithfulness", "context_recall"))
    for metric, calls in (("ragas_faithfulness", 2), ("ragas_context_recall", 1)):
        shifts = found[metric]
        assert shifts.scored + shifts.unscored == shifts.rows == 300
        assert shifts.changed == 0
        expected = 0.8**calls * shifts.rows
        assert abs(shifts.scored - expected) < 0.1 * shifts.rows  # the faults did happen
        bias, half = shifts.bias
        assert abs(bias) <= 1.5 * half and half < 0.05
        as_zero, _ = shifts.bias_as_zero
        assert as_zero < -0.08  # what hiding the failures would do


def test_a_bad_wire_is_healed_by_asking_again(tmp_path: Path) -> None:
    asked, scored, changed = over_a_bad_wire(tmp_path, count=8, share=0.2, seed=3)
    assert asked == 8 * len(METRICS) and changed == 0
    assert scored >= asked - 1
