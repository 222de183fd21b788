"""A judge on the command line: its options, its making, and the rows of a run handed to it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rag_app.errors import UsageError

if TYPE_CHECKING:
    from eval.judging import Judge, Judgement
    from eval.runs import Run
    from rag_app.library import Library
    from rag_app.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
CACHE_FOLDER = "judge_cache"  # below the library's runs, shared by them


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """The options that `judge_options` adds, as given."""

    name: str | None
    metrics: str | None
    embedding: str
    timeout_s: float


_METRICS = (
    "Only these: faithfulness, response_relevancy, context_precision, context_recall, factual_correctness, "
    "answer_correctness, multimodal_faithfulness, multimodal_relevance. [default: all but the multimodal ones]"
)


def judge_options(function: F, *, metrics: str = _METRICS) -> F:
    """Add --judge, --judge-metrics, --judge-embedding and --judge-timeout; they arrive as one `judging`.

    metrics: the help of --judge-metrics.
    """

    @functools.wraps(function)
    def bundled(*args: Any, **given: Any) -> Any:  # Any: whatever the command takes
        judging = JudgeOptions(
            given.pop("judge"), given.pop("judge_metrics"), given.pop("judge_embedding"), given.pop("judge_timeout")
        )
        return function(*args, judging=judging, **given)

    wrapped: Any = bundled
    for option in (
        click.option(
            "--judge-timeout",
            type=click.FloatRange(min=1),
            default=300.0,
            show_default=True,
            metavar="SECONDS",
            help="For one question to the judge.",
        ),
        click.option(
            "--judge-embedding",
            metavar="NAME",
            default="builtin",
            show_default=True,
            help="The embedding of judged metrics that compare meanings.",
        ),
        click.option(
            "--judge-metrics",
            metavar="NAME,...",
            help=metrics,
        ),
        click.option(
            "--judge",
            metavar="NAME",
            help="A language model that judges the answers by the metrics of Ragas, as ollama:qwen2.5:7b.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


def made_judge(library: Library, judging: JudgeOptions) -> Judge | None:
    """The judge that was named, checked before any question is asked; None where none was."""
    if not named(judging):
        return None
    from eval.judging import TEXT_METRICS, read_metrics
    from rag_app.cli.evaluation_run import RUNS_FOLDER

    metrics = read_metrics(judging.metrics.split(",")) if judging.metrics else TEXT_METRICS
    return judge_of(judging, library.settings, metrics=metrics, cache=library.path / RUNS_FOLDER / CACHE_FOLDER)


def named(judging: JudgeOptions) -> bool:
    """Whether a judge was named. Raises UsageError for options of a judge without one."""
    if judging.name is None and judging.metrics is not None:
        raise UsageError("--judge-metrics needs a judge: add --judge ollama:NAME.")
    return judging.name is not None


def judge_of(judging: JudgeOptions, settings: Settings, *, metrics: Sequence[str], cache: Path) -> Judge:
    """The judge of these options, checked; `cache` is the folder of its replies."""
    from adapters.limits import limits_of
    from adapters.names import parse_model_name
    from eval.judging import Judge

    return Judge.by_name(
        judging.name or "",
        settings=settings,
        cache=cache,
        embedding=judging.embedding,
        metrics=metrics,
        parallel=limits_of(parse_model_name(judging.name or "builtin"), settings).at_once,
        timeout_s=judging.timeout_s,
    )


def cost_keeper(run: Run, judge: Judge) -> Callable[[], None]:
    """What keeps with the run what judging took, added to what it took before."""
    spent, before = run.kept("judge"), dataclasses.asdict(judge.cost)

    def keep() -> None:
        cost = dataclasses.asdict(judge.cost)
        run.keep("judge", {name: spent.get(name, 0) + amount - before[name] for name, amount in cost.items()})

    return keep


def judge_rows(run: Run, judge: Judge, library: Library) -> None:
    """Add the judge's scores, or its reasons for having none, to each row that has a result.

    What the judge has said before comes from its cache; what could not be judged is tried again.
    """
    from rag_app.answering.pictures import LibraryPictures
    from rag_app.cli.progress import ProgressBar

    rows = {row.id: row for row in run.rows() if row.error is None}
    pictures = LibraryPictures(library.path)

    def picture(node_id: str) -> bytes | None:
        found = library.passages([node_id])
        return pictures(found[0]) if found and found[0].image else None

    keep_cost, done = cost_keeper(run, judge), 0
    with ProgressBar("Judging", "answers") as progress:

        def keep(judged: Judgement) -> None:
            nonlocal done
            row = rows[judged.id]
            new = row.with_scores(judged.scores, judged.unscored)
            if new != row:
                seconds = max(judged.seconds, row.seconds.get("judge", 0.0))  # from the cache it takes none
                run.append(dataclasses.replace(new, seconds={**row.seconds, "judge": seconds}))
            keep_cost()
            done += 1
            progress(done, len(rows))

        judge.judge(list(rows.values()), pictures=picture, on_row=keep)


def told_of(judge: Judge) -> str:
    """What judging took, a line."""
    cost = judge.cost
    tokens = f", {cost.prompt_tokens + cost.reply_tokens} tokens" if cost.prompt_tokens or cost.reply_tokens else ""
    return (
        f"Judge {judge.identity['model']}: {cost.questions} questions, {cost.cached} from the cache, {cost.failed} "
        f"not answered; {cost.requests} requests, {cost.seconds:.0f} s{tokens}."
    )
