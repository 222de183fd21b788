"""Fit the builtin answerer's confidence on the shipped sample questions and show what it refuses.

    python benchmarks/calibrate_refusal.py [--library DIR]

Prints the coefficients for adapters/builtin/confidence.py, the AUC in eight-fold cross-validation, and, at the
probability 0.5, how many unanswerable and answerable questions are refused, with their texts.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from adapters.builtin.confidence import Features, features
from adapters.builtin.extractive import ExtractiveAnswerer
from adapters.builtin.minilm import shared
from eval.questions import read_questions
from rag_app import Library

DATA = Path(__file__).parents[1] / "data"
FOLDS = 8
RIDGE = 0.5
ANSWERABLE_REFUSED = 0.02  # of the answerable questions, where the threshold is put


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--library", type=Path, help="with the sample papers; made in a temporary folder when not given"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, Library.open(given.library or scratch) as library:
        if not given.library:
            library.ingest(DATA / "papers")
        questions = read_questions(DATA / "questions" / "sample.jsonl")
        rows, answerable, texts = [], [], []
        answerer = ExtractiveAnswerer(shared())
        retriever = library.as_retriever(k=8)
        for question in questions:
            found = retriever.find(question.question)
            ranked = answerer.rank(found.question, retriever.with_neighbours(found))
            if not ranked:
                print(f"nothing found, so refused: {question.question}")
                continue
            rows.append(dataclasses.astuple(features(found.question, ranked)))
            answerable.append(question.answerable)
            texts.append(question.question)
    x, y = np.array(rows), np.array(answerable)
    weights, constant = fit(x, y)
    z = x @ weights + constant
    shift = np.quantile(z[y], ANSWERABLE_REFUSED)
    constant, z = constant - shift, z - shift
    names = [field.name for field in dataclasses.fields(Features)]
    print("\n".join(f"{name:12} {weight:6.2f}" for name, weight in zip(names, weights, strict=True)))
    print(f"{'constant':12} {constant:6.2f}")
    print(f"AUC {auc(z, y):.3f}; cross-validated {auc(cross_validated(x, y), y):.3f}")
    print(f"refused: {(z[~y] < 0).sum()} of {(~y).sum()} unanswerable, {(z[y] < 0).sum()} of {y.sum()} answerable")
    for i in np.argsort(z):
        if (z[i] < 0) == y[i]:
            print(f"  {'wrongly refused' if y[i] else 'wrongly answered'} {z[i]:5.2f}  {texts[i]}")


def fit(x: np.ndarray, y: np.ndarray, *, steps: int = 20_000, rate: float = 0.3) -> tuple[np.ndarray, float]:
    """Logistic regression with a ridge on standardised features: weights (n_features,) and the constant."""
    mean, spread = x.mean(0), x.std(0) + 1e-9
    scaled = (x - mean) / spread
    weights, constant = np.zeros(x.shape[1]), 0.0
    for _ in range(steps):
        error = 1 / (1 + np.exp(-(scaled @ weights + constant))) - y
        weights -= rate * (scaled.T @ error + RIDGE * weights) / len(y)
        constant -= rate * error.mean()
    return weights / spread, float(constant - (weights * mean / spread).sum())


def cross_validated(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Each question's score from a model that has not seen it."""
    fold = np.random.default_rng(0).permutation(len(y)) % FOLDS
    z = np.zeros(len(y))
    for k in range(FOLDS):
        weights, constant = fit(x[fold != k], y[fold != k])
        z[fold == k] = x[fold == k] @ weights + constant
    return z


def auc(z: np.ndarray, y: np.ndarray) -> float:
    """Probability that an answerable question scores above an unanswerable one, ties counting half."""
    above = (z[y][:, None] > z[~y][None]).mean()
    return float(above + 0.5 * (z[y][:, None] == z[~y][None]).mean())


if __name__ == "__main__":
    main()
