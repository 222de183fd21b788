"""Images found by their stored captions, the question being a caption that is not stored.

    python benchmarks/caption_search.py captions.jsonl [--tune] [--json]

Each line has `captions_en`, a list of texts, and may have `captions_fa_mt`, a list of {"fa": text}. Two cases: one
other caption is stored, or all others. Two protocols: `first` asks with each image's first caption (one stored: its
second); `all` asks with every caption (one stored: every other in turn). Beside ours (rag_app.retrieval.image_text) the
plain text vectors: cosine with the stored caption, or with the mean of the stored ones. Intervals are bootstraps over
images, differences paired. --tune: weights chosen on the even images and tested on the odd ones, and the other way.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from adapters.builtin.minilm import shared
from eval.statistics import text_table
from rag_app.retrieval.image_text import KNOWN, UNKNOWN, ImageTexts, StoredText, Weights

RESAMPLES, SEED = 2000, 20260115
GRID = {"crowding": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), "words": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)}
GRID_UNKNOWN = {"meaning": (0.0, 0.05, 0.1, 0.2, 0.4), "crowding": (0.0, 0.05)}
MEASURES = ("r1", "r5", "mrr")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its image, whether it counts in the protocol `first`, and each method's parts, (n_images, ...)."""

    image: int
    first: bool
    plain: np.ndarray
    parts: np.ndarray  # meaning, crowding taken off, words

    def ours(self, weights: Weights) -> np.ndarray:
        return self.parts @ np.array([weights.meaning, -weights.crowding, weights.words])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    text = given.captions.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    languages = {
        "en": ([line["captions_en"] for line in lines], KNOWN),
        "fa": ([[one["fa"] for one in line.get("captions_fa_mt", [])] for line in lines], UNKNOWN),
    }
    report = {
        "data_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "seed": SEED,
        "vectors": shared().model_name,
        "languages": {},
    }
    for language, (captions, weights) in languages.items():
        captions = [texts for texts in captions if len(texts) >= 2]
        if captions:
            report["languages"][language] = measure(captions, weights, tune=given.tune, known=weights is KNOWN)
    print(json.dumps(report, indent=2) if given.json else as_text(report))


def measure(captions: list[list[str]], weights: Weights, *, tune: bool, known: bool) -> dict:
    flat = [text for texts in captions for text in texts]
    embedded = iter(shared().embed(flat))
    vectors = [[next(embedded) for _ in texts] for texts in captions]
    result: dict = {
        "images": len(captions),
        "captions": len(flat),
        "weights": {"meaning": weights.meaning, "crowding": weights.crowding, "words": weights.words},
        "cases": {},
    }
    cases = {case: list(asked(captions, vectors, stored_one=case == "one")) for case in ("one", "others")}
    for case, questions in cases.items():
        for protocol in ("first", "all"):
            chosen = [question for question in questions if question.first or protocol == "all"]
            result["cases"][f"{case}/{protocol}"] = compared(chosen, len(captions), lambda q: q.ours(weights))
    if tune:
        result["tuned"] = tuned(cases, len(captions), known=known)
    return result


def asked(captions: list[list[str]], vectors: list[list[np.ndarray]], *, stored_one: bool):
    """Every question, with the index that holds the other captions; an image without the wanted one gives another."""
    most = max(map(len, captions))
    for query in range(most):
        for stored in range(most) if stored_one else (-1,):
            if stored == query:
                continue
            kept = [_kept(len(texts), query, stored) for texts in captions]
            texts = [
                StoredText(i, "caption", captions[i][j], vectors[i][j])
                for i, members in enumerate(kept)
                for j in members
            ]
            index = ImageTexts(texts)
            means = np.stack([np.mean([vectors[i][j] for j in members], axis=0) for i, members in enumerate(kept)])
            means /= np.linalg.norm(means, axis=1, keepdims=True)
            first = query == 0 and stored in (-1, 1)
            for i, own in enumerate(captions):
                if query < len(own) and (stored < len(own)):
                    text, vector = own[query], vectors[i][query]
                    meaning = index.scores(text, vector, weights=Weights(1, 0, 0))
                    crowded = index.scores(text, vector, weights=Weights(1, 1, 0))
                    words = index.scores(text, None, weights=Weights(0, 0, 1))
                    yield Asked(i, first, means @ vector, np.stack([meaning, meaning - crowded, words], axis=1))


def _kept(count: int, query: int, stored: int) -> list[int]:
    others = [j for j in range(count) if j != query]
    if stored < 0:
        return others
    return [stored] if stored < count else others[:1]


def compared(questions: list[Asked], images: int, ours: Callable[[Asked], np.ndarray]) -> dict:
    """Both methods and their difference, each with a bootstrap interval over images."""
    owner = np.array([question.image for question in questions])
    plain = np.array([measures(question.plain, question.image) for question in questions])
    mine = np.array([measures(ours(question), question.image) for question in questions])
    result: dict = {"questions": len(questions)}
    for name, values in {"plain": plain, "ours": mine, "gain": mine - plain}.items():
        low, high = bootstrap(values, owner, images)
        result[name] = {
            measure: [float(values[:, i].mean()), float(low[i]), float(high[i])] for i, measure in enumerate(MEASURES)
        }
    return result


def measures(scores: np.ndarray, wanted: int) -> tuple[float, float, float]:
    """Recall at 1 and 5 and the reciprocal rank; whoever scores the same comes before the wanted one."""
    rank = int((scores >= scores[wanted]).sum())
    return float(rank == 1), float(rank <= 5), 1 / rank


def bootstrap(values: np.ndarray, owner: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile interval of the mean, (n_measures,) each; images are drawn, with all their questions."""
    sums = np.zeros((images, values.shape[1]))
    np.add.at(sums, owner, values)
    counts = np.bincount(owner, minlength=images).astype(float)
    rows = np.random.default_rng(SEED).integers(0, images, size=(RESAMPLES, images))
    means = sums[rows].sum(1) / np.maximum(counts[rows].sum(1), 1)[:, None]
    return tuple(np.quantile(means, (0.025, 0.975), axis=0))  # pyright: ignore[reportReturnType]  # two rows


def tuned(cases: dict[str, list[Asked]], images: int, *, known: bool) -> dict:
    """Weights with the best mean MRR of both cases on one half of the images, and what they give on the other."""
    grid = GRID if known else GRID_UNKNOWN
    choices = [
        Weights(**({"words": 1.0} | dict(zip(grid, values, strict=True))))
        for values in itertools.product(*grid.values())
    ]
    result: dict = {"chosen": []}
    tested: dict[str, list[tuple[Asked, Weights]]] = {case: [] for case in cases}
    for half in (0, 1):

        def fit(weights: Weights, half: int = half) -> float:
            return float(
                np.mean(
                    [
                        np.mean([measures(q.ours(weights), q.image)[2] for q in questions if q.image % 2 == half])
                        for questions in cases.values()
                    ]
                )
            )

        best = max(choices, key=fit)
        result["chosen"].append({"meaning": best.meaning, "crowding": best.crowding, "words": best.words})
        for case, questions in cases.items():
            tested[case] += [(q, best) for q in questions if q.image % 2 != half]
    for case, pairs in tested.items():
        weights_of = {id(question): weights for question, weights in pairs}
        ours = partial(_with_own_weights, weights_of)
        chosen = [question for question, _ in pairs]
        result[f"{case}/first"] = compared([question for question in chosen if question.first], images, ours)
        result[f"{case}/all"] = compared(chosen, images, ours)
    return result


def _with_own_weights(weights_of: dict[int, Weights], question: Asked) -> np.ndarray:
    return question.ours(weights_of[id(question)])


def as_text(report: dict) -> str:
    lines = []
    for language, found in report["languages"].items():
        lines.append(f"{language}: {found['images']} images, {found['captions']} captions, weights {found['weights']}")
        lines.append(_table(found["cases"]))
        if "tuned" in found:
            lines.append(f"tuned on one half and tested on the other: {found['tuned']['chosen']}")
            lines.append(_table({name: row for name, row in found["tuned"].items() if name != "chosen"}))
    return "\n".join(lines)


def _table(cases: dict) -> str:
    rows = [
        (f"{case} {method}", row["questions"], *("{:.3f} [{:+.3f}, {:+.3f}]".format(*row[method][m]) for m in MEASURES))
        for case, row in cases.items()
        for method in ("plain", "ours", "gain")
    ]
    return text_table(("stored/asked", "questions", "recall@1", "recall@5", "MRR"), rows)


if __name__ == "__main__":
    main()
