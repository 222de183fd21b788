"""What a run keeps beside its items: the advice of a sweep, the halves of the search, what judging took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.runs import Manifest, Run
from rag_app.errors import InputError
from rag_app.render.evaluation_plots import Figure
from rag_app.render.plots import Dots, Point

_SWEEP = "sweep"
_SHOWN = ("hit@", "recall@", "mrr@", "ndcg@", "element@", "kind@")  # of the halves of the search


@dataclass(frozen=True, slots=True)
class Advice:
    """What a sweep advises. source: the run it is from; tried: the choices on the tuning questions, as shown."""

    source: str
    metric: str
    questions: str
    sentences: tuple[str, ...]
    tried: tuple[tuple[str, ...], ...]
    figure: Figure | None


@dataclass(frozen=True, slots=True)
class Halves:
    """The same questions with parts of the search left out: setting -> a mean for each metric, "-" for none."""

    metrics: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    says: str


def advice(run: Run, runs_folder: Path) -> Advice | None:
    """The sweep of this run, or the newest one below `runs_folder` over the same questions and the same library."""
    if run.manifest.kind == _SWEEP:
        return _advice(run)
    for path in sorted(runs_folder.glob("*/sweep.json"), reverse=True):
        try:
            other = Run.open(path.parent)
            if _same(other.manifest, run.manifest):
                return _advice(other)
        except InputError:  # an older run that is damaged says nothing about this one
            continue
    return None


def _same(one: Manifest, other: Manifest) -> bool:
    names = ("questions", "library")
    return all(one.digests.get(name) and one.digests.get(name) == other.digests.get(name) for name in names)


def _advice(run: Run) -> Advice | None:
    found = run.kept(_SWEEP)
    if not found:
        return None
    split, metric = found["split"], found["metric"]
    points: dict[tuple[str, str], Point] = {}
    tried: list[tuple[str, ...]] = []
    for one in found["tried"]:
        score = one["score"]
        lost = score["unscored"] + score["failed"]
        mean = "-" if score["mean"] is None else f"{score['mean']:.3f}"
        interval = "-" if score["mean"] is None else f"{score['low']:.3f} to {score['high']:.3f}"
        tried.append((one["name"], mean, interval, str(score["scored"]), str(lost), "yes" if one["kept"] else ""))
        if score["mean"] is not None:
            points[one["name"], metric] = Point(score["mean"], score["low"], score["high"], score["scored"])
    names = tuple(dict.fromkeys(name for name, _ in points))
    shown = all(0 <= point.value <= 1 for point in points.values())
    questions = f"{split['tuning']} tuning questions and {split['held_out']} held out, split by {split['by']}"
    figure = None
    if names and shown:
        says = f"{metric} on the {split['tuning']} tuning questions, with 95 % bootstrap intervals."
        figure = Figure("sweep", "What the sweep tried", says, Dots(names, (metric,), points, metric))
    return Advice(run.folder.name, metric, questions, tuple(found["advice"]), tuple(tried), figure)


def halves(run: Run) -> Halves | None:
    """The ablation of a retrieval run, where it has one."""
    found = run.kept("ablation")
    if not found:
        return None
    settings = found["settings"]
    names = list(dict.fromkeys(name for setting in settings.values() for name in setting["scores"]))
    metrics = tuple(name for start in _SHOWN for name in names if name.startswith(start))
    rows = tuple(
        (name, *(_value(setting["scores"].get(metric)) for metric in metrics)) for name, setting in settings.items()
    )
    failed = sum(setting["failed"] for setting in settings.values())
    return Halves(metrics, rows, f"{found['k']} passages looked at; {failed} searches failed.")


def judging(run: Run) -> str | None:
    """What judging took, a sentence."""
    cost = run.kept("judge")
    if not cost:
        return None
    model = (run.manifest.judge or {}).get("model", "the judge")
    tokens = f", {cost['prompt_tokens']:,} tokens read and {cost['reply_tokens']:,} written"
    return (
        f"Judged by {model}: {cost['questions']} questions, {cost['cached']} of them from the cache and "
        f"{cost['failed']} not answered; {cost['requests']} requests, {cost['seconds']:.0f} s"
        f"{tokens if cost['prompt_tokens'] or cost['reply_tokens'] else ''}."
    )


def _value(score: dict[str, float] | None) -> str:
    return f"{score['value']:.3f}" if score and score["n"] else "-"


def advice_header(found: Advice) -> Sequence[str]:
    """The columns of `Advice.tried`."""
    return ("setting", found.metric, "95 % interval", "scored", "lost", "kept")
