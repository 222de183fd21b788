"""What stands after `hf:` in a model name.

    OWNER/NAME   Qwen/Qwen2.5-VL-3B-Instruct   a hub repository, from the Hugging Face cache
    FOLDER       /data/my-model, ./merged      a model saved by transformers (save_pretrained)

`#4bit` after either loads it in 4 bits (nf4, by bitsandbytes); `+FOLDER` after it all adds a LoRA adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapters.names import ModelName
from rag_app.errors import UnknownName

_FOUR_BIT = "#4bit"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from: a hub `repository` "owner/name", or a `folder` (absolute); the other one is empty.

    quantised   whether its linear layers are held in 4 bits
    adapter     absolute path of a LoRA adapter's folder
    """

    repository: str = ""
    folder: Path | None = None
    quantised: bool = False
    adapter: Path | None = None

    @property
    def base(self) -> str:
        """The full name without 4 bits and adapter: the model whose weights these are."""
        return f"hf:{self.folder or self.repository}"

    @property
    def name(self) -> str:
        """The full name, with which it is loaded again from any folder."""
        return self.base + (_FOUR_BIT if self.quantised else "") + (f"+{self.adapter}" if self.adapter else "")


def parse_source(name: ModelName) -> Source:
    """The parts of an hf name. Raises UnknownName, with how such names are written; looks nothing up."""
    rest = name.rest.removesuffix(_FOUR_BIT)
    quantised = rest != name.rest
    adapter = absolute(name.adapter) if name.adapter else None
    if rest.startswith(("/", "./", "../", "~")) or Path(rest).is_absolute():
        return Source(folder=absolute(rest), quantised=quantised, adapter=adapter)
    if rest.count("/") != 1 or "" in rest.split("/") or "#" in rest:
        raise UnknownName(
            f"{name} names no model of transformers. Write hf:OWNER/NAME, such as hf:Qwen/Qwen2.5-VL-3B-Instruct, or "
            "hf:/path/to/folder; #4bit after it loads it in 4 bits."
        )
    return Source(repository=rest, quantised=quantised, adapter=adapter)


def absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()
