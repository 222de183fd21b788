"""An open_clip model with its own preparation of pictures and its own tokenizer, from files that are there."""

# torch, open_clip and safetensors come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from adapters.open_clip.hub import cache_folder, cached, offline
from adapters.open_clip.naming import Source
from adapters.open_clip.weights import TOKENIZER_FILES, Plan, locate
from adapters.pictures import open_picture
from adapters.torchvision_shim import ensure_torchvision
from rag_app.errors import ModelFailed, ModelUnsuitable, WeightsMissing


@dataclass(frozen=True, slots=True)
class Towers:
    """A loaded model, in evaluation mode, fp32.

    preprocess  RGB picture -> float32 tensor (3, height, width), open_clip's own transform for these weights
    tokenizer   open_clip's own for this architecture: texts -> int64 tensor (n, context_length)
    side        pixels of the picture's longer side as the model gets it
    """

    model: Any  # Any: open_clip's CLIP, CustomTextCLIP or CoCa
    preprocess: Callable[[Image.Image], Any]  # Any: torch.Tensor
    tokenizer: Any  # Any: open_clip's SimpleTokenizer or HFTokenizer
    config: Mapping[str, Any]  # Any: JSON
    device: str
    side: int

    @property
    def dimensions(self) -> int:
        return int(self.config["embed_dim"])

    def prepare(self, image: Path | bytes) -> Any:  # Any: torch.Tensor
        """The picture as the image tower takes it, (3, height, width); raises InputError."""
        return self.preprocess(open_picture(image, side=self.side))


def build(source: Source) -> Towers:
    """The model behind `source`, its LoRA adapter merged in, on the GPU where there is one.

    Always fp32: bf16 is slower on a CPU without AMX, and on a GPU its agreement has not been measured.

    Raises:
        UnknownName, WeightsMissing: see weights.locate.
        ModelUnsuitable: a checkpoint of another architecture, one that holds code, or a tokenizer that does not fit.
        ModelFailed: not enough memory.
    """
    ensure_torchvision()
    import torch

    plan = locate(source)
    device = "cuda" if torch.cuda.is_available() and not source.int8 else "cpu"  # int8 is a way of the CPU
    model = _model(plan, source, device)
    if source.adapter is not None:
        from adapters.lora.clip import merge_adapter

        model = merge_adapter(model, source.adapter, base=source.base)
    model.eval().requires_grad_(False)
    from open_clip.transform import PreprocessCfg, image_transform_v2

    prepared_as = model.visual.preprocess_cfg
    preprocess: Any = image_transform_v2(PreprocessCfg(**prepared_as), is_train=False)  # Any: torchvision's Compose
    size = prepared_as["size"]
    return Towers(
        model=model,
        preprocess=preprocess,
        tokenizer=_tokenizer(plan, source),
        config=plan.config,
        device=device,
        side=max(size) if isinstance(size, tuple | list) else int(size),
    )


def fingerprint(model: Any) -> str:  # Any: open_clip's model
    """16 hex digits that tell these weights from others: of each tensor its name, shape and up to 64 spread values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().cpu().flatten()
        picked = flat[:: max(1, flat.numel() // 64)][:64]
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(picked.float().numpy().tobytes())
    return digest.hexdigest()[:16]


def _model(plan: Plan, source: Source, device: str) -> Any:  # Any: open_clip's model
    import torch
    from open_clip.factory import create_model
    from safetensors import SafetensorError

    named = plan.architecture.startswith(("local-dir:", "hf-hub:"))
    try:
        with offline():
            return create_model(
                plan.architecture,
                pretrained=None if named else str(plan.weights),
                cache_dir=str(cache_folder()),
                device=device,
                precision="fp32",
                force_quick_gelu=plan.quick_gelu,
                force_preprocess_cfg=dict(plan.preprocess) or None,
                require_pretrained=True,  # without it open_clip logs a warning and goes on with random weights
                weights_only=True,
            )
    except pickle.UnpicklingError as exc:
        raise ModelUnsuitable(
            f"{plan.weights} holds more than weights (pickled code) and was not opened: save the model's state_dict as "
            f".safetensors and name that file."
        ) from exc
    except torch.OutOfMemoryError as exc:
        raise ModelFailed(f"{source.name} does not fit into the GPU's memory; use a smaller model.") from exc
    except (SafetensorError, EOFError) as exc:
        raise WeightsMissing(f"{plan.weights} is damaged or incomplete ({exc}): download or copy it again.") from exc
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, AssertionError, OSError) as exc:
        reason = " ".join(str(exc).split())
        if "TorchScript" in reason:
            reason = "it is a TorchScript archive, which holds code; save its state_dict as .safetensors"
        elif "zip archive" in reason or "unexpected EOF" in reason:
            raise WeightsMissing(f"{plan.weights} is damaged or incomplete: download or copy it again.") from exc
        raise ModelUnsuitable(
            f"{plan.weights} could not be loaded as {source.name}: {reason[:300]}. Name the architecture it was "
            f"trained with before the @, or use another file."
        ) from exc


def _tokenizer(plan: Plan, source: Source) -> Any:  # Any: open_clip's tokenizer
    """open_clip's own. One from the hub is read from its folder in the cache: asked for by its name, transformers wants
    files besides that a tokenizer's repository need not have."""
    from open_clip.factory import get_tokenizer
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer

    text = plan.config["text_cfg"]
    name = text.get("hf_tokenizer_name")
    safe = {"trust_remote_code": False}  # overrides what a configuration may wish
    try:
        with offline():
            if not name:
                return get_tokenizer(plan.architecture)
            if source.kind == "folder" or Path(name).is_dir():
                return get_tokenizer(plan.architecture, cache_dir=None, **safe)
            file = cached(name, *TOKENIZER_FILES)
            assert file is not None  # weights.locate looked
            return HFTokenizer(
                str(file.parent),
                context_length=text.get("context_length", DEFAULT_CONTEXT_LENGTH),
                tokenizer_mode=text.get("tokenizer_mode"),
                **{**text.get("tokenizer_kwargs", {}), **safe},
            )
    except (OSError, ValueError, KeyError, TypeError, ImportError) as exc:
        reason = " ".join(str(exc).split())[:300]
        raise ModelUnsuitable(f"The tokenizer of {source.name} could not be loaded: {reason}.") from exc
