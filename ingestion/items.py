"""Blocks on their way to elements."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingestion.blocks import Block, PageBlocks
from ingestion.elements import Kind


@dataclass
class Item:
    """A block on its way to an element: its kind may change, further blocks may join it."""

    kind: Kind
    page: PageBlocks
    block: Block
    parts: list[tuple[PageBlocks, Block]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parts = [(self.page, self.block)]

    @property
    def last(self) -> tuple[PageBlocks, Block]:
        return self.parts[-1]
