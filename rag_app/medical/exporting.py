"""A tuned model given away: merged, for transformers and for Ollama, with a test that it still sees.

LoRA adapters as such do not reach Ollama: it takes them for text models of few architectures only, and a converted one
loses its vision layers without a word. Merged weights keep them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.names import parse_model_name
from rag_app.errors import UsageError
from rag_app.medical.records import Dataset
from rag_app.models import LanguageModel

if TYPE_CHECKING:
    from adapters.huggingface.pixels import Budget

MODELFILE = "Modelfile"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model said of different images. sees: not the same of all of them."""

    question: str
    replies: tuple[tuple[str, str], ...]  # (label of the image, reply)

    @property
    def sees(self) -> bool:
        return len({reply for _, reply in self.replies}) > 1

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {"question": self.question, "replies": dict(self.replies), "sees": self.sees}


def export(name: str, out: Path) -> Path:
    """Write the model `name`, "hf:NAME+ADAPTER", merged, to `out`, with a Modelfile; see adapters.huggingface.merging.

    Raises UsageError, ModelUnsuitable, WeightsMissing.
    """
    named = parse_model_name(name)
    if named.scheme != "hf":
        raise UsageError(f"Only models of transformers are merged, not {name}; name one as hf:NAME+ADAPTER.")
    from adapters.huggingface.merging import merge
    from adapters.huggingface.naming import parse_source

    merge(parse_source(named), out)
    (out / MODELFILE).write_text("FROM .\nPARAMETER temperature 0\n", encoding="utf-8")
    return out


def shown_otherwise(folder: Path) -> tuple[Budget, Budget] | None:
    """The pixel budgets at which the merged model in `folder` was tuned and at which Ollama shows it its pictures.

    None where they are the same, or where the model brings every picture to a size of its own.
    """
    from adapters.huggingface import files
    from adapters.huggingface.loading import load_processor
    from adapters.huggingface.naming import Source
    from adapters.huggingface.pixels import budget, served_by_ollama

    source = Source(folder=folder.absolute())
    processor = load_processor(source, files.locate(source))
    tuned, served = budget(processor), served_by_ollama(processor)
    return (tuned, served) if tuned and served else None


def look(model: LanguageModel, dataset: Dataset) -> Sight:
    """Ask for the diagnosis of one test image of each label.

    A model that does not get to see its pictures, or not what its vision layers have learned, says the same of all.
    Raises what `LanguageModel.ask` raises; UsageError when the test part has one label only.
    """
    firsts = {example.label: example for example in reversed(dataset.of("test"))}
    if len(firsts) < 2:
        raise UsageError(f"The test part of {dataset.folder} has images of one label only: no two should differ.")
    questions = _diagnosis(dataset)
    replies = [
        (label, model.ask(questions, images=(dataset.picture(firsts[label]).read_bytes(),), max_tokens=64).text.strip())
        for label in sorted(firsts)
    ]
    return Sight(questions, tuple(replies))


def _diagnosis(dataset: Dataset) -> str:
    found: Sequence[str] = [
        turn.question for turn in dataset.of("test")[0].turns if (turn.kind, turn.language) == ("diagnosis", "en")
    ]
    if not found:
        raise UsageError(f"The test part of {dataset.folder} has no question for the diagnosis; prepare it again.")
    return found[0]
