"""A vision-language model of transformers with its processor, from files that are there."""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters.huggingface import files
from adapters.huggingface.naming import Source, parse_source
from adapters.huggingface.silence import silent_libraries
from adapters.names import ModelName
from adapters.torchvision_shim import ensure_torchvision
from rag_app.errors import ModelFailed, ModelUnsuitable, WeightsMissing

NEEDED = ("torch", "torchvision", "transformers", "accelerate", "peft")


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Parts:
    """A loaded model, in evaluation mode: fp32 on a processor, bf16 on a GPU, nf4 where it is quantised.

    model         an AutoModelForImageTextToText; with an adapter, peft's PeftModel around it (frozen)
    processor     its AutoProcessor: the adapter's own where the adapter was saved with one, so that pictures come at
                  the size it was trained at
    fingerprint   of the base model's weights, adapter and quantisation not counted; see files.fingerprint
    revision      the hub's commit; None for a folder
    folder        where the base model's files are
    """

    source: Source
    model: Any  # Any: transformers' PreTrainedModel or peft's PeftModel
    processor: Any  # Any: transformers' ProcessorMixin
    fingerprint: str
    revision: str | None
    folder: Path
    device: str

    @property
    def tokenizer(self) -> Any:  # Any: transformers' tokenizer
        return self.processor.tokenizer


def load_parts(name: str, *, adapter: Path | None = None, quantised: bool = False, device: str | None = None) -> Parts:
    """The model `name`, "owner/name" or a folder, with or without "hf:" before it.

    Args:
        adapter: folder of a LoRA adapter trained on this model.
        quantised: hold its linear layers in 4 bits (nf4, double quantisation), by bitsandbytes.
        device: "cpu" or "cuda"; None takes the GPU where there is one.

    Raises:
        UnknownName, WeightsMissing: see files.locate.
        ModelUnsuitable: no vision-language model, one that needs code of its own, without a chat template, an adapter
            of another model, or something that is not installed.
        ModelFailed: not enough memory.
    """
    source = parse_source(ModelName("hf", name.removeprefix("hf:"), str(adapter) if adapter else None))
    return load(replace(source, quantised=source.quantised or quantised), device=device)


def load(source: Source, *, device: str | None = None) -> Parts:
    """As `load_parts`, for what a model name says."""
    check_installed(source)
    ensure_torchvision()
    import torch

    found = files.locate(source)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    marks = files.fingerprint(found.weights)
    with silent_libraries():
        model = _model(source, found, device)
        if source.adapter is not None:
            from adapters.lora.vision_language import load_adapter

            model = load_adapter(model, source.adapter, base=source.base, base_fingerprint=marks)
        processor = load_processor(source, found)
    model.eval().requires_grad_(False)
    return Parts(source, model, processor, marks, found.revision, found.folder, device)


def check(source: Source) -> None:
    """Make sure that `load` can load it, as far as that can be told without its weights. Raises as `load`."""
    check_installed(source)
    found = files.locate(source)
    check_architecture(source, found.folder)
    if source.adapter is not None:
        from adapters.lora.vision_language import check_base

        check_base(source.adapter, base=source.base, base_fingerprint=files.fingerprint(found.weights))


def check_installed(source: Source) -> None:
    """Raises ModelUnsuitable, with the pip command, where a package this model needs is missing."""
    if any(importlib.util.find_spec(package) is None for package in NEEDED):
        raise files.not_installed(source.name)
    if source.quantised and importlib.util.find_spec("bitsandbytes") is None:
        raise ModelUnsuitable(
            "4 bits need bitsandbytes, which is not installed. Run: pip install bitsandbytes, or leave out #4bit."
        )


def _model(source: Source, found: files.Files, device: str) -> Any:  # Any: PreTrainedModel
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText, BitsAndBytesConfig

    check_architecture(source, found.folder)
    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    four_bit = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    try:
        return AutoModelForImageTextToText.from_pretrained(
            str(found.folder),
            dtype=dtype,
            device_map={"": device},
            quantization_config=four_bit if source.quantised else None,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except torch.OutOfMemoryError as exc:
        raise ModelFailed(
            f"{source.name} does not fit into the GPU's memory; add #4bit after its name, or use a smaller model."
        ) from exc
    except SafetensorError as exc:
        raise WeightsMissing(
            f"The weights in {found.folder} are damaged ({exc}): download or copy them again."
        ) from exc
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, OSError) as exc:
        raise ModelUnsuitable(f"{source.name} could not be loaded: {_short(exc)}. Use another model.") from exc


def check_architecture(source: Source, folder: Path) -> None:
    """Raises ModelUnsuitable where the configuration in `folder` is of no vision-language model of transformers."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KNOWN

    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, OSError) as exc:
        raise ModelUnsuitable(
            f"{source.name} is of an architecture that this transformers does not know, or brings code of its own, "
            f"which is not run ({_short(exc)}). Use another model, such as hf:Qwen/Qwen2.5-VL-3B-Instruct."
        ) from exc
    if config.model_type not in KNOWN:
        raise ModelUnsuitable(
            f"{source.name} is a {config.model_type} model, which does not read pictures and write text. Use a "
            "vision-language model, such as hf:Qwen/Qwen2.5-VL-3B-Instruct."
        )


def load_processor(source: Source, found: files.Files) -> Any:  # Any: ProcessorMixin
    """Its AutoProcessor alone, the adapter's own where it has one; torchvision can be imported, see `load`.

    Raises ModelUnsuitable where there is none for pictures and text, or it has no chat template.
    """
    from transformers import AutoProcessor

    folder = found.folder
    if source.adapter is not None and any((source.adapter / file).is_file() for file in files.PROCESSOR):
        folder = source.adapter
    try:
        processor = AutoProcessor.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as exc:
        raise ModelUnsuitable(f"The processor of {source.name} could not be loaded: {_short(exc)}.") from exc
    if getattr(processor, "tokenizer", None) is None or getattr(processor, "image_processor", None) is None:
        raise ModelUnsuitable(f"{folder} holds no processor for pictures and text; save the model's processor there.")
    if not getattr(processor, "chat_template", None):
        raise ModelUnsuitable(
            f"{source.name} has no chat template: it was not trained to answer. Take its instruction-tuned version, "
            "whose name often ends in -Instruct or -it."
        )
    return processor


def _short(exc: Exception) -> str:
    return " ".join(str(exc).split())[:300].rstrip(".")
