"""What a model must beat before it has shown anything: the commonest label, and linear probes on image vectors.

A probe is a logistic regression by scikit-learn on vectors of pictures, by the builtin descriptors or a CLIP model. Its
strength is chosen on the validation part, and it is never fitted on the images it is measured on.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rag_app.errors import InputError, ModelUnsuitable
from rag_app.medical.records import Dataset, Example
from rag_app.models import ImageEmbedding

STRENGTHS = tuple(float(c) for c in np.logspace(-4, 3, 8))  # scikit-learn's C; the larger, the closer the fit
_ITERATIONS = 2000


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline on the held-out images: (n, k) probabilities in the order of the dataset's labels, and how it came."""

    name: str
    probabilities: np.ndarray
    note: str


def majority(dataset: Dataset, held_out: Sequence[Example]) -> Baseline:
    """The shares of the labels among the training images, whatever the picture shows."""
    train = dataset.of("train")
    shares = np.array([sum(example.label == label for example in train) for label in dataset.labels]) / len(train)
    commonest = dataset.labels[int(shares.argmax())]
    return Baseline("majority class", np.tile(shares, (len(held_out), 1)), f"Always {commonest}, without looking.")


def linear_probe(dataset: Dataset, held_out: Sequence[Example], embedding: ImageEmbedding) -> Baseline:
    """A logistic regression on the vectors of the training images.

    Raises ModelUnsuitable without scikit-learn, InputError for fewer than two labels to learn or a picture that cannot
    be read.
    """
    try:
        from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingImports] - an extra
        from sklearn.pipeline import make_pipeline  # pyright: ignore[reportMissingImports] - an extra
        from sklearn.preprocessing import StandardScaler  # pyright: ignore[reportMissingImports] - an extra
    except ImportError as exc:
        raise ModelUnsuitable(
            "A linear probe needs scikit-learn; install it with: pip install 'rag-app[medical]'."
        ) from exc
    train, validation = dataset.of("train"), [e for e in dataset.examples if e.split == "validation"]
    if len({example.label for example in train}) < 2:
        raise InputError(f"The train part of {dataset.folder} has one label only; a probe needs two.")
    known, learned = _vectors(dataset, train, embedding), [example.label for example in train]

    def fitted(strength: float):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=_ITERATIONS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a loose fit that has not converged is one of the candidates
            return probe.fit(known, learned)

    chosen = 1.0
    if validation:
        seen, wanted = _vectors(dataset, validation, embedding), [example.label for example in validation]
        chosen = max(STRENGTHS, key=lambda strength: (fitted(strength).score(seen, wanted), -strength))
    probe = fitted(chosen)
    found = probe.predict_proba(_vectors(dataset, held_out, embedding))
    probabilities = np.zeros((len(held_out), len(dataset.labels)))
    for column, label in enumerate(probe.classes_):
        probabilities[:, dataset.labels.index(label)] = found[:, column]
    by = "the validation part" if validation else "nothing: there is no validation part"
    return Baseline(
        f"linear probe: {embedding.model_name}",
        probabilities,
        f"Logistic regression on {embedding.dimensions} numbers a picture; C = {chosen:g}, chosen by {by}.",
    )


def _vectors(dataset: Dataset, examples: Sequence[Example], embedding: ImageEmbedding) -> np.ndarray:
    made = embedding.embed_images([dataset.picture(example) for example in examples])
    if made.problems:
        index, problem = next(iter(made.problems.items()))
        raise InputError(f"{dataset.picture(examples[index])}: {problem}")
    return made.vectors.astype(np.float64)
