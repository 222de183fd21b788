"""Models by name: `builtin`, `ollama:qwen2.5vl:7b`, `openai:Qwen/Qwen3-8B`, `hf:Qwen/Qwen2.5-VL-3B-Instruct+adapter`.

A bare name such as `gemma3:4b` means Ollama. A model is loaded by its role through one line in LOADERS.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from rag_app.errors import UnknownName
from rag_app.settings import Settings

Role = Literal["answer", "vision", "text_embedding", "image_embedding", "judge", "rerank"]
ROLES: tuple[Role, ...] = ("answer", "vision", "text_embedding", "image_embedding", "judge", "rerank")
SCHEMES = ("builtin", "ollama", "openai", "hf", "openclip")

# (role, scheme) -> "module:function"; it takes a ModelName and the Settings. Looked up at first use: leaves are heavy.
LOADERS: dict[tuple[Role, str], str] = {
    ("answer", "builtin"): "adapters.builtin.extractive:load",
    ("answer", "ollama"): "adapters.ollama.language:load",
    ("text_embedding", "builtin"): "adapters.builtin.minilm:load",
    ("text_embedding", "ollama"): "adapters.ollama.embedding:load",
    ("image_embedding", "builtin"): "adapters.builtin.visual:load",
    ("image_embedding", "openclip"): "adapters.open_clip.embedding:load",
    ("vision", "ollama"): "adapters.ollama.language:load_vision",
    ("judge", "ollama"): "adapters.ollama.language:load",
    ("answer", "openai"): "adapters.openai_compatible.language:load",
    ("vision", "openai"): "adapters.openai_compatible.language:load_vision",
    ("judge", "openai"): "adapters.openai_compatible.language:load",
    ("text_embedding", "openai"): "adapters.openai_compatible.embedding:load",
    ("answer", "hf"): "adapters.huggingface.language:load",
    ("vision", "hf"): "adapters.huggingface.language:load",
    ("judge", "hf"): "adapters.huggingface.language:load",
}


@dataclass(frozen=True, slots=True)
class ModelName:
    """scheme:rest+adapter; `rest` is empty for builtin, `adapter` is the path of a LoRA adapter or None."""

    scheme: str
    rest: str = ""
    adapter: str | None = None

    def __str__(self) -> str:
        name = f"{self.scheme}:{self.rest}" if self.rest else self.scheme
        return f"{name}+{self.adapter}" if self.adapter else name


def parse_model_name(text: str) -> ModelName:
    """The parts of a model name; UnknownName when it is empty or its scheme has no model after it."""
    name = text.strip()
    scheme, colon, rest = name.partition(":")
    scheme = scheme.lower()
    if scheme not in SCHEMES:
        if difflib.get_close_matches(name.lower(), ["builtin"], cutoff=0.75):
            raise UnknownName(f"There is no model {text!r}. Did you mean builtin? A model of Ollama: ollama:{name}.")
        scheme, rest = "ollama", name
    elif scheme == "builtin" and not colon:
        return ModelName("builtin")
    rest, _, adapter = rest.partition("+")
    if not rest:
        raise UnknownName(
            f"{text!r} is no model name. Use builtin, ollama:NAME, openai:NAME, hf:NAME or openclip:NAME, such as "
            "ollama:gemma3:4b."
        )
    return ModelName(scheme, rest, adapter or None)


def load_model(
    role: Role, name: ModelName, settings: Settings | None = None
) -> Any:  # Any: each role has its own class
    """The model that fills `role`; cheap, weights load at first use. UnknownName lists what the role can be."""
    target = LOADERS.get((role, name.scheme))
    if target is None:
        choices = sorted(scheme for known, scheme in LOADERS if known == role)
        raise UnknownName(
            f"The role {role} cannot be filled by {name}: "
            + (f"this version knows {', '.join(choices)}." if choices else "no model for it comes with this version.")
        )
    module, function = target.split(":")
    loader: Callable[[ModelName, Settings], Any] = getattr(importlib.import_module(module), function)
    return loader(name, settings or Settings())


def parse_role(text: str) -> Role:
    """The role of that name; UnknownName gives the nearest."""
    for role in ROLES:
        if role == text:
            return role
    near = difflib.get_close_matches(text, ROLES, n=1, cutoff=0.0)[0]
    raise UnknownName(f"There is no role {text!r}. Did you mean {near}? The roles are {', '.join(ROLES)}.")
