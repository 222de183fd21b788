"""Temperature scaling: one number that makes a model as sure as it is right (Guo et al. 2017)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from rag_app.errors import InputError
from rag_app.outside import json_value

FILE = "calibration.json"
_TEMPERATURES = (0.05, 20.0)
_STEPS = 60  # of a golden-section search: the temperature is found to within 1e-11 of its logarithm
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Calibration:
    """Fitted on `images` images that the model was not trained on.

    labels       the diagnoses it holds for, in this order
    language     of the question; question: its words
    model        full name; data: digest of the dataset
    nll_before   mean negative log-likelihood of the true label, in nats, at temperature 1; nll_after: at `temperature`
    """

    temperature: float
    labels: tuple[str, ...]
    language: str
    model: str
    data: str
    images: int
    nll_before: float
    nll_after: float

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises InputError where the file is missing or no calibration."""
        try:
            raw = json_value(path.read_text(encoding="utf-8"))
            return cls(**{**raw, "labels": tuple(raw["labels"])})
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise InputError(f"{path} is no calibration ({exc}). Make one: rag-app medical calibrate.") from exc


def probabilities(scores: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(n, n_labels) rows that add up to 1, from log-likelihoods or other log-scores of the same shape."""
    scaled = np.asarray(scores, float) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def nll(scores: np.ndarray, truth: np.ndarray, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood, in nats, of the true labels' places."""
    scaled = np.asarray(scores, float) / temperature
    top = scaled.max(axis=1, keepdims=True)
    whole = top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))
    return float(np.mean(whole - scaled[np.arange(len(truth)), truth]))


def fitted_temperature(scores: np.ndarray, truth: np.ndarray) -> float:
    """The temperature, 0.05 to 20, with the least negative log-likelihood; its logarithm is searched, where the loss
    has one minimum (it is convex in 1 / temperature)."""
    low, high = np.log(_TEMPERATURES)
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if nll(scores, truth, float(np.exp(left))) <= nll(scores, truth, float(np.exp(right))):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def fit(
    scores: np.ndarray,
    truth: Sequence[str],
    labels: Sequence[str],
    *,
    language: str,
    model: str,
    data: str,
) -> Calibration:
    """Fit on (n, n_labels) log-likelihoods and the n true labels. Raises InputError for fewer than two images."""
    if len(truth) < 2:
        raise InputError(f"A calibration needs 2 images at least, not {len(truth)}.")
    places = np.array([tuple(labels).index(label) for label in truth])
    temperature = fitted_temperature(scores, places)
    return Calibration(
        temperature,
        tuple(labels),
        language,
        model,
        data,
        len(places),
        nll(scores, places),
        nll(scores, places, temperature),
    )
