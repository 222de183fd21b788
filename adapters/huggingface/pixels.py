"""How large a model gets to see its pictures: the pixel budget of processors that scale each picture on its own.

Those of Qwen-VL and its kin do: a picture keeps its shape and becomes one token for each square of
`patch_size * merge_size` pixels a side. A model reads best at the budget that it was tuned at, so an adapter and the
model merged from it carry theirs. All other processors bring every picture to sizes of their own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.huggingface.files import PROCESSOR
from adapters.pictures import LONG_SIDE
from rag_app.errors import ModelUnsuitable, UsageError

# Tokens that Ollama, 0.30 and later, gives a picture of a Qwen-VL model: it starts llama-server with
# --image-min-tokens 1024, whose own upper limit for these models is 4096 (llama.cpp#17020).
OLLAMA_TOKENS = (1024, 4096)


@dataclass(frozen=True, slots=True)
class Budget:
    """Pixels that a picture has at least and at most when the model sees it; smaller and larger ones are scaled."""

    smallest: int
    largest: int

    def __str__(self) -> str:
        return f"{self.smallest:,} to {self.largest:,} pixels"


def budget(processor: Any) -> Budget | None:  # Any: transformers' ProcessorMixin
    """The processor's pixel budget; None where it has none."""
    pictures = processor.image_processor
    size = getattr(pictures, "size", None)
    smallest, largest = (int(getattr(size, edge, None) or 0) for edge in ("shortest_edge", "longest_edge"))
    if not (hasattr(pictures, "merge_size") and smallest and largest):  # of others, `size` is pixels a side
        return None
    return Budget(smallest, largest)


def set_budget(processor: Any, *, smallest: int | None, largest: int | None, name: str) -> None:
    """Change the processor's budget; None leaves that end as it is. Any: transformers' ProcessorMixin.

    Raises ModelUnsuitable where it has none, UsageError where the smallest is more than the largest.
    """
    if smallest is None and largest is None:
        return
    before = budget(processor)
    if before is None:
        raise ModelUnsuitable(
            f"{name} brings every picture to a size of its own: leave out --min-pixels and --max-pixels."
        )
    after = Budget(smallest or before.smallest, largest or before.largest)
    if after.smallest > after.largest:
        raise UsageError(
            f"A picture of {name} would have {after}: set --min-pixels and --max-pixels, the first no more than the "
            "second."
        )
    processor.image_processor.size = {"shortest_edge": after.smallest, "longest_edge": after.largest}


def served_by_ollama(processor: Any) -> Budget | None:  # Any: transformers' ProcessorMixin
    """The budget at which Ollama shows this model its pictures, where it is another one; else None."""
    found = budget(processor)
    if found is None:
        return None
    square = (processor.image_processor.patch_size * processor.image_processor.merge_size) ** 2
    served = Budget(OLLAMA_TOKENS[0] * square, OLLAMA_TOKENS[1] * square)
    return served if _seen(found) != _seen(served) else None


def write_budget(folder: Path, found: Budget) -> None:
    """Put the budget into the processor files of a model's folder, whose form stays as it is.

    Of `size` and `min_pixels`, `max_pixels` the hub's files have the one, the other or both.
    """
    for file in (folder / name for name in PROCESSOR):
        if not file.is_file():
            continue
        raw = json.loads(file.read_text(encoding="utf-8"))
        pictures = raw.get("image_processor") if file.name == PROCESSOR[0] else raw
        if not pictures:
            continue
        size = {"shortest_edge": found.smallest, "longest_edge": found.largest}
        pixels = {"min_pixels": found.smallest, "max_pixels": found.largest}
        new = {key: value for key, value in {"size": size, **pixels}.items() if key in pictures} or {"size": size}
        if any(pictures.get(key) != value for key, value in new.items()):
            pictures.update(new)
            file.write_text(json.dumps(raw, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _seen(found: Budget) -> tuple[int, int]:
    """The budget within what pictures are made before a model gets them, see adapters.pictures.sized."""
    return min(found.smallest, LONG_SIDE**2), min(found.largest, LONG_SIDE**2)
