"""The toy experiment of the sample paper: a linear dual encoder trained with the symmetric InfoNCE loss, in numpy.

It runs in about a minute and writes simulation.json, which the paper's tables, charts and sentences read. Floating
point differs a little between machines, so the file is kept under version control and the build never runs this.

    python data/source/simulate.py
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LATENT, IMAGE_DIM, TEXT_DIM, EMBED = 24, 64, 48, 16
N_TRAIN, N_TEST, N_CLASSES, STEPS, RATE = 4096, 500, 20, 400, 0.02
Array = np.ndarray


@dataclass(frozen=True)
class World:
    """Pairs (x, y) that share a latent vector: x plays the image, y the caption. Rows are samples."""

    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array
    class_x: Array
    class_label: Array
    prompts: Array  # (templates, classes, TEXT_DIM)


def make_world(seed: int, *, noise: float) -> World:
    rng = np.random.default_rng(seed)
    to_image = rng.normal(size=(LATENT, IMAGE_DIM)) / np.sqrt(LATENT)
    to_text = rng.normal(size=(LATENT, TEXT_DIM)) / np.sqrt(LATENT)

    def pair(z: Array) -> tuple[Array, Array]:
        x = np.tanh(z @ to_image) + noise * rng.normal(size=(len(z), IMAGE_DIM))
        y = np.tanh(z @ to_text) + noise * rng.normal(size=(len(z), TEXT_DIM))
        return x, y

    train_x, train_y = pair(rng.normal(size=(N_TRAIN, LATENT)))
    test_x, test_y = pair(rng.normal(size=(N_TEST, LATENT)))
    centres = 0.9 * rng.normal(size=(N_CLASSES, LATENT))
    label = np.repeat(np.arange(N_CLASSES), 50)
    class_x, _ = pair(centres[label] + 0.8 * rng.normal(size=(len(label), LATENT)))
    prompts = np.stack([pair(centres + 0.45 * rng.normal(size=centres.shape))[1] for _ in range(8)])
    return World(train_x, train_y, test_x, test_y, class_x, label, prompts)


def unit(a: Array) -> Array:
    return a / np.linalg.norm(a, axis=-1, keepdims=True)


def softmax(a: Array) -> Array:
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def train(world: World, *, batch: int, tau: float, seed: int) -> tuple[Array, Array]:
    """Fit the two projections with Adam; returns (IMAGE_DIM, EMBED) and (TEXT_DIM, EMBED)."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(d, EMBED)) / np.sqrt(d) for d in (IMAGE_DIM, TEXT_DIM)]
    first = [np.zeros_like(w) for w in weights]
    second = [np.zeros_like(w) for w in weights]
    for step in range(1, STEPS + 1):
        rows = rng.choice(N_TRAIN, size=batch, replace=False)
        inputs = (world.train_x[rows], world.train_y[rows])
        raw = [a @ w for a, w in zip(inputs, weights, strict=True)]
        norm = [np.linalg.norm(r, axis=1, keepdims=True) for r in raw]
        u, v = (r / n for r, n in zip(raw, norm, strict=True))
        s = u @ v.T / tau
        d_s = (softmax(s) + softmax(s.T).T - 2 * np.eye(batch)) / (2 * batch * tau)
        for i, (grad_unit, own) in enumerate(((d_s @ v, u), (d_s.T @ u, v))):
            grad_raw = (grad_unit - own * (grad_unit * own).sum(axis=1, keepdims=True)) / norm[i]
            g = inputs[i].T @ grad_raw
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.999 * second[i] + 0.001 * g * g
            weights[i] = weights[i] - RATE * (first[i] / (1 - 0.9**step)) / (
                np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8
            )
    return weights[0], weights[1]


def recall(similarity: Array, k: int) -> float:
    """Share of rows whose own column (same index) is among the k largest."""
    rank = (similarity > np.diag(similarity)[:, None]).sum(axis=1)
    return float((rank < k).mean())


def measure(world: World, image: Array, text: Array) -> dict[str, float]:
    s = unit(world.test_x @ image) @ unit(world.test_y @ text).T
    pictures = unit(world.class_x @ image)
    one = unit(world.prompts[0] @ text)
    many = unit(unit(world.prompts @ text).mean(axis=0))
    return {
        "i2t_r1": recall(s, 1),
        "i2t_r5": recall(s, 5),
        "t2i_r1": recall(s.T, 1),
        "t2i_r5": recall(s.T, 5),
        "zero_shot_1": float(((pictures @ one.T).argmax(axis=1) == world.class_label).mean()),
        "zero_shot_8": float(((pictures @ many.T).argmax(axis=1) == world.class_label).mean()),
    }


def mean_of(runs: list[dict[str, float]]) -> dict[str, float]:
    """Mean over seeds, in percent, one decimal."""
    return {key: round(100 * float(np.mean([r[key] for r in runs])), 1) for key in runs[0]}


def main() -> None:
    seeds = (1, 2, 3)
    worlds = {n: {s: make_world(s, noise=n) for s in seeds} for n in (0.4, 0.6)}
    batches: dict[str, dict[str, dict[str, float]]] = {}
    for noise, by_seed in worlds.items():
        batches[str(noise)] = {
            str(b): mean_of([measure(w, *train(w, batch=b, tau=0.07, seed=s)) for s, w in by_seed.items()])
            for b in (16, 64, 256, 1024)
        }
    temperatures = {
        str(t): mean_of([measure(w, *train(w, batch=256, tau=t, seed=s)) for s, w in worlds[0.6].items()])
        for t in (0.01, 0.03, 0.07, 0.2, 0.5, 1.0)
    }
    image, text = train(worlds[0.4][1], batch=256, tau=0.07, seed=1)
    rows = slice(0, 12)
    s = unit(worlds[0.4][1].test_x[rows] @ image) @ unit(worlds[0.4][1].test_y[rows] @ text).T
    out = {
        "note": "Illustrative simulation of the sample paper; percent, mean over seeds 1, 2, 3.",
        "batches": batches,
        "temperatures": temperatures,
        "similarity": [[round(float(v), 2) for v in row] for row in s],
    }
    Path(__file__).with_name("simulation.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
