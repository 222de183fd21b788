"""Options that `ask` and `search` share: which papers, pages and kinds of evidence."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

EVIDENCE_KINDS = ("text", "table", "formula", "figure", "footnote", "reference")

F = TypeVar("F", bound=Callable[..., Any])


class KindList(click.ParamType):
    """Kinds of evidence with commas between them."""

    name = "kinds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # Any: click's signature
        kinds = [part.strip().lower() for part in value.split(",") if part.strip()]
        for kind in kinds:
            if kind not in EVIDENCE_KINDS:
                near = difflib.get_close_matches(kind, EVIDENCE_KINDS, n=1)
                hint = f"did you mean '{near[0]}'?" if near else ""
                self.fail(
                    f"there is no kind '{kind}'; {hint or 'the kinds are ' + ', '.join(EVIDENCE_KINDS)}", param, ctx
                )
        return tuple(kinds)


def filter_options(function: F) -> F:
    """Add --paper, --page, --kind and --references, which arrive as papers, pages, kinds and references."""
    for option in (
        click.option("--references", is_flag=True, help="Use entries of the bibliography as evidence too."),
        click.option(
            "--kind",
            "kinds",
            multiple=True,
            type=KindList(),
            metavar="KIND,...",
            help=f"Only this evidence: {', '.join(EVIDENCE_KINDS)}.",
        ),
        click.option(
            "--page", "pages", multiple=True, type=click.IntRange(min=1), metavar="N", help="Only this page (repeat)."
        ),
        click.option(
            "--paper", "papers", multiple=True, metavar="ID|FILE", help="Only this paper, by id or file name (repeat)."
        ),
    ):
        function = option(function)
    return function


def evidence_kinds(chosen: Sequence[tuple[str, ...]], *, references: bool) -> tuple[str, ...]:
    """What to hand to the library: () means its default, all but the bibliography."""
    kinds = tuple(dict.fromkeys(kind for group in chosen for kind in group))
    if not references:
        return kinds
    return tuple(dict.fromkeys([*(kinds or EVIDENCE_KINDS), "reference"]))
