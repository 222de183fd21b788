"""Names of Ollama models: `gemma3:4b` = `Gemma3:4B`; `qwen2.5vl` = `qwen2.5vl:latest`; `hf.co/user/repo:quant`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def full(name: str) -> str:
    """The one spelling under which we show and compare a name: lower case, no `:latest`."""
    return name.strip().lower().removesuffix(":latest")


def on_wire(name: str) -> str:
    """The name as it is sent: `full`, except names with a registry before them, whose case is somebody else's."""
    bare = name.strip()
    if "." in bare.partition("/")[0] and "/" in bare:
        return bare
    return full(bare)


def nearest(name: str, installed: Iterable[str]) -> list[str]:
    """Up to three installed names that `name` may have been meant as, best first."""
    wanted = full(name)
    family, _, tag = wanted.partition(":")

    def likeness(known: str) -> float:
        known_family, _, known_tag = known.partition(":")
        alike = difflib.SequenceMatcher(None, family, known_family).ratio()
        if known_family.rpartition("/")[2] == family or family.rpartition("/")[2] == known_family:
            alike = max(alike, 0.95)
        elif family and (known_family.startswith(family) or family.startswith(known_family)):
            alike = max(alike, 0.8)
        return alike + 0.1 * difflib.SequenceMatcher(None, tag, known_tag).ratio()

    scored = sorted(
        ((likeness(known), known) for known in {full(one) for one in installed}), key=lambda pair: (-pair[0], pair[1])
    )
    return [known for score, known in scored if score >= 0.7][:3]
