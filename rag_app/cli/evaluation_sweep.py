"""`rag-app eval sweep`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rag_app.cli.evaluation_run import RunOptions, begin, conclude, kept_options, manifest_of, question_sets
from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from eval.questions import Question
    from eval.runs import Manifest, Row
    from eval.sweep_records import Choice, Split, SplitBy, Value
    from rag_app.library import Library

_TRIED = {"chunk_tokens": (120, 180, 260), "dense": (0.5, 2.0), "structure": (0.5, 2.0), "k": (4, 8, 12)}


class Values(click.ParamType):
    """Values with commas between them, of one type and at least `least`."""

    name = "values"

    def __init__(self, kind: type[str] | type[int] | type[float], least: float = 0) -> None:
        self._kind, self._least = kind, least

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # Any: click's signature
        if not isinstance(value, str):
            return value
        try:
            values = [self._kind(part.strip()) for part in value.split(",") if part.strip()]
        except ValueError:
            self.fail(f"{value!r} is no list of numbers with commas between them", param, ctx)
        low = [one for one in values if not isinstance(one, str) and not self._least <= one < float("inf")]
        if low:
            self.fail(f"{low[0]:g} is less than {self._least:g} or no number", param, ctx)
        return tuple(dict.fromkeys(values))


@command(
    "sweep",
    example="rag-app eval sweep data/questions/sample.jsonl --split question\n"
    "rag-app eval sweep mine.jsonl --answer builtin,ollama:gemma3:4b -k 4,8 --html sweep.html\n"
    "rag-app eval sweep mine.jsonl --metric ndcg@10 --dense 0,0.5,1,2",
)
@question_sets
@click.option("--chunk-tokens", type=Values(int, 32), metavar="N,...", help="Sizes of passages.")
@click.option("-k", "k", type=Values(int, 1), metavar="N,...", help="Numbers of passages to answer from.")
@click.option("--dense", type=Values(float), metavar="X,...", help="Weights of likeness in meaning.")
@click.option("--structure", type=Values(float), metavar="X,...", help="Weights of named and mentioned elements.")
@click.option("--text-embedding", type=Values(str), metavar="NAME,...", help="Embedding models.")
@click.option("--answer", type=Values(str), metavar="NAME,...", help="Models that answer.")
@click.option(
    "--metric",
    default="correct",
    show_default=True,
    help="What is to rise: correct (right, or rightly refused), any metric of eval answers, or one of eval retrieval, "
    "as ndcg@10, for which no answer is asked.",
)
@click.option(
    "--held-out",
    type=click.FloatRange(0.1, 0.9),
    default=0.4,
    show_default=True,
    metavar="SHARE",
    help="Of the questions, kept out of the choosing.",
)
@click.option(
    "--split",
    "by",
    type=click.Choice(["paper", "question"]),
    default="paper",
    show_default=True,
    help="Hold out whole papers, or single questions.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Which are held out.")
@kept_options
@pass_call
def sweep(
    call: Call,
    *,
    questions: tuple[Path, ...],
    metric: str,
    held_out: float,
    by: SplitBy,
    seed: int,
    options: RunOptions,
    **factors: tuple[Value, ...] | None,
) -> Shown:
    """Find settings that answer your questions better.

    From the settings as they are, the values of each factor are tried on one part of the questions; what was best is
    then measured on the other part, held out of all choosing. The list of advice says what to set, where, and whether
    the gain is beyond chance. Without any factor: passages of 120, 180, 260 word pieces; half and twice the weights;
    4, 8, 12 passages. The library is not changed: other passages are made in a temporary one, without parsing again.
    """
    from eval.questions import read_questions
    from eval.sweep import split_questions
    from eval.sweep import sweep as run_sweep
    from eval.sweep_records import Choice
    from rag_app.cli.progress import ProgressBar
    from rag_app.library import Library

    values = {name: given for name, given in factors.items() if given} or dict(_TRIED)
    depth = _depth(metric)
    if depth is not None:
        if factors["k"] or factors["answer"]:
            raise UsageError(f"{metric} is of the search, which -k and --answer do not change: leave them out.")
        values.pop("k", None)
    split = split_questions(read_questions(questions), share=held_out, seed=seed, by=by)
    with Library.open(call.library, create=False, read_only=True) as library, ExitStack() as stack:
        default = Choice.of(library.settings, k=8)
        manifest = _manifest(library, questions, split, default, values, metric=metric)
        bench = _Bench(library, default, stack, depth)
        with begin(call, options, manifest) as run:
            with ProgressBar("Trying", "questions") as progress:
                found = run_sweep(run, split, default, values, bench.ready, metric=metric, on_progress=progress)
            run.keep("sweep", found.to_dict())
            return conclude(call, options, run, document=found.to_dict(), text=found.table())


def _depth(metric: str) -> int | None:
    """Of a metric of the search, as ndcg@10: how many passages it looks at; None for a metric of answers."""
    _, at, number = metric.partition("@")
    return int(number) if at and number.isdecimal() and int(number) > 0 else None


def _manifest(
    library: Library,
    files: Sequence[Path],
    split: Split,
    default: Choice,
    values: dict[str, tuple[Value, ...]],
    *,
    metric: str,
) -> Manifest:
    import dataclasses

    return manifest_of(
        "sweep",
        library,
        files,
        total=0,  # how many rows there will be depends on what turns out best
        settings={
            "default": dataclasses.asdict(default),
            "values": {name: list(given) for name, given in values.items()},
            "metric": metric,
            "split": split.by,
            "held_out": len(split.held_out),
        },
        seeds={"split": split.seed},
    )


class _Bench:
    """Makes ready for a choice; libraries with other passages or vectors are made once, in a temporary folder.

    depth: passages that a search looks at, where only the search is measured.
    """

    def __init__(self, library: Library, default: Choice, stack: ExitStack, depth: int | None) -> None:
        self._library, self._default, self._stack, self._depth = library, default, stack, depth
        self._folders: dict[tuple[str, int], Path] = {}

    def ready(self, choice: Choice) -> Callable[[Question], Row]:
        """What makes the row of a question under this choice."""
        from rag_app.library import Library

        settings = choice.settings(self._library.settings)
        folder = self._folder(choice)
        library = self._stack.enter_context(Library.open(folder, settings=settings, create=False, read_only=True))
        if self._depth is not None:
            return _searching(library, self._depth)
        from eval.sweep import with_correct
        from rag_app.cli.evaluation_answers import answering

        engine = library.as_query_engine(k=choice.k)
        engine.answerer.check()
        work = answering(library, engine)
        return lambda question: with_correct(work(question))

    def _folder(self, choice: Choice) -> Path:
        made = (choice.text_embedding, choice.chunk_tokens)
        if made == (self._default.text_embedding, self._default.chunk_tokens):
            return self._library.path
        if made not in self._folders:
            from rag_app.cli.progress import ProgressBar

            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory())) / "library"
            with ProgressBar(f"Making passages ({choice.called(self._default)})", "papers") as progress:
                self._library.remake(folder, settings=choice.settings(self._library.settings), on_progress=progress)
            self._folders[made] = folder
        return self._folders[made]


def _searching(library: Library, depth: int) -> Callable[[Question], Row]:
    from eval.retrieval import rows

    return lambda question: next(rows(lambda text: library.search(text, k=depth), [question], k=depth))
