"""What stands after `openclip:` in a model name.

    ARCHITECTURE/TAG      ViT-B-32/laion2b_s34b_b79k   weights open_clip knows by a tag, from the Hugging Face cache
    ARCHITECTURE@FILE     ViT-B-32@/data/mine.pt       a checkpoint file: .safetensors, .pt, .pth or .bin
    FOLDER                /data/my-clip                open_clip_config.json, weights and tokenizer in one folder
    local-dir:FOLDER      the same, as open_clip writes it
    hf-hub:OWNER/NAME     hf-hub:timm/ViT-B-16-SigLIP  a hub repository, from the Hugging Face cache

`#int8` after any of them asks for the fast, slightly different image vectors of int8.py; `+FOLDER` after it all for a
LoRA adapter. An architecture may be written with slashes (ViT-B/32), as open_clip allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapters.names import ModelName
from rag_app.errors import UnknownName

Kind = Literal["tag", "file", "folder", "hub"]

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_HUB, _LOCAL, _INT8 = "hf-hub:", "local-dir:", "#int8"
_FORMS = (
    "openclip:ViT-B-32/laion2b_s34b_b79k, openclip:ViT-B-32@/path/to/weights.safetensors or openclip:/path/to/folder"
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from.

    architecture   open_clip's name of it; empty for a folder and a hub repository, which say it themselves
    tag            of known weights, for kind "tag"
    path           absolute, of the file or folder
    repository     "owner/name", for kind "hub"
    int8           whether pictures go through the fast int8 tower
    adapter        absolute path of a LoRA adapter's folder
    """

    kind: Kind
    architecture: str = ""
    tag: str = ""
    path: Path | None = None
    repository: str = ""
    int8: bool = False
    adapter: Path | None = None

    @property
    def base(self) -> str:
        """The full name without int8 and adapter: the model whose weights these are."""
        rest = {
            "tag": f"{self.architecture}/{self.tag}",
            "file": f"{self.architecture}@{self.path}",
            "folder": str(self.path),
            "hub": _HUB + self.repository,
        }[self.kind]
        return f"openclip:{rest}"

    @property
    def name(self) -> str:
        """The full name, which names the space and with which it is loaded again from any folder."""
        return self.base + (_INT8 if self.int8 else "") + (f"+{self.adapter}" if self.adapter else "")


def parse_source(name: ModelName) -> Source:
    """The parts of an openclip name. Raises UnknownName, with how such names are written; looks nothing up."""
    rest, int8 = name.rest, False
    if rest.endswith(_INT8):
        rest, int8 = rest.removesuffix(_INT8), True
    adapter = _absolute(name.adapter) if name.adapter else None
    if rest.startswith(_HUB):
        repository = rest.removeprefix(_HUB)
        if repository.count("/") != 1 or "" in repository.split("/"):
            raise UnknownName(f"{name} names no hub repository; write openclip:hf-hub:OWNER/NAME.")
        return Source("hub", repository=repository, int8=int8, adapter=adapter)
    if rest.startswith((_LOCAL, "/", "./", "../", "~")) or Path(rest).is_absolute():
        folder = _absolute(rest.removeprefix(_LOCAL))
        if folder.suffix in SUFFIXES:
            raise UnknownName(
                f"{name} is a file that does not say its architecture; write it before the file: "
                f"openclip:ViT-B-32@{folder}."
            )
        return Source("folder", path=folder, int8=int8, adapter=adapter)
    architecture, at, file = rest.partition("@")
    if at:
        if not architecture or not file:
            raise UnknownName(f"{name} is no model name. Write {_FORMS}.")
        path = _absolute(file)
        if path.suffix not in SUFFIXES:
            raise UnknownName(f"{path.name} is no checkpoint that can be read: its name must end in {_list(SUFFIXES)}.")
        return Source("file", _dashed(architecture), path=path, int8=int8, adapter=adapter)
    architecture, slash, tag = rest.rpartition("/")
    if tag.endswith(SUFFIXES):
        head, _, tail = rest.partition("/")
        raise UnknownName(f"{name} names a file; write it after an @: openclip:{head}@/{tail}.")
    if not slash or not architecture or not tag:
        raise UnknownName(f"{name} says no weights. Write {_FORMS}.")
    return Source("tag", _dashed(architecture), tag=tag, int8=int8, adapter=adapter)


def _dashed(architecture: str) -> str:
    return architecture.replace("/", "-")


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


def _list(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
