"""What a caller may set for one request; anything else is refused, because the server drops what it does not know."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ollama

from rag_app.errors import UsageError

KEYWORDS = ("temperature", "seed", "max_tokens", "options", "format", "keep_alive", "think", "tools")
OPTIONS = frozenset(ollama.Options.model_fields) | {"min_p"}


@dataclass(frozen=True, slots=True)
class Options:
    """A request's settings as the API has them; `options` always has temperature, seed and num_predict."""

    options: Mapping[str, Any]  # Any: JSON
    format: str | Mapping[str, Any] | None  # Any: JSON Schema
    keep_alive: float | str | None
    think: bool | str | None
    tools: tuple[dict[str, Any], ...]  # Any: JSON Schema


def read_options(given: Mapping[str, Any], *, defaults: Mapping[str, Any]) -> Options:  # Any: JSON
    """The settings of one request: `given` over `defaults`, both keyed by KEYWORDS; None counts as not given.

    Raises:
        UsageError: an unknown keyword or option, with the nearest known one, or a value that is out of range.
    """
    for key in given:
        if key not in KEYWORDS:
            raise UsageError(_unknown("keyword", key, KEYWORDS))
    said = {**defaults, **{key: value for key, value in given.items() if value is not None}}
    options = {**(defaults.get("options") or {}), **(said.get("options") or {})}
    for key in options:
        if key not in OPTIONS:
            raise UsageError(_unknown("option", key, OPTIONS))
    # A keyword of the call is nearer than an option of the model; an option of the call is nearer than both.
    near = given.get("options") or {}
    for key, keyword in (("temperature", "temperature"), ("seed", "seed"), ("num_predict", "max_tokens")):
        if near.get(key) is None and (given.get(keyword) is not None or options.get(key) is None):
            options[key] = said.get(keyword)
    options = {key: value for key, value in options.items() if value is not None}
    if not isinstance(options.get("num_predict"), int) or options["num_predict"] < 1:  # 0 and less mean: no limit
        raise UsageError(f"max_tokens is {options.get('num_predict')!r}; set a whole number of 1 or more.")
    for key in ("temperature", "seed"):
        if isinstance(options.get(key), bool) or not isinstance(options.get(key), (int, float)):
            raise UsageError(f"{key} is {options.get(key)!r}; set a number.")
    wanted = said.get("format") or None
    if wanted is not None and wanted != "json" and not isinstance(wanted, Mapping):
        raise UsageError(f"format is {wanted!r}; set 'json' or a JSON Schema.")
    return Options(options, wanted, said.get("keep_alive"), said.get("think"), tuple(said.get("tools") or ()))


def _unknown(what: str, key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}."
    return f"Ollama models take no {what} {key!r}; {hint}"
