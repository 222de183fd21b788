"""Small CLIP models of true open_clip architectures, with seeded weights, saved as open_clip saves them."""

# torch and open_clip come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SEED = 7
ENGLISH = ("a bar chart with error bars", "two cats on a sofa", "the loss curve of a model over training epochs", "cat")
PERSIAN = ("نمودار ستونی با میله‌های خطا", "دو گربه روی مبل", "گربه")


@dataclass(frozen=True, slots=True)
class Made:
    """A saved model: its folder, and what open_clip is to be told to make the same without it."""

    folder: Path
    config: Mapping[str, Any]  # Any: JSON
    preprocess: Mapping[str, Any]  # Any: JSON

    @property
    def weights(self) -> Path:
        return self.folder / "open_clip_model.safetensors"


def vit(folder: Path) -> Made:
    """CLIP's own shape: a vision transformer, a causal text transformer read at the end of the text."""
    return save(folder, {"embed_dim": 32, "vision_cfg": _vit(), "text_cfg": _text()})


def resnet(folder: Path) -> Made:
    """CLIP's ResNet with attention pooling."""
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16}
    return save(folder, {"embed_dim": 32, "vision_cfg": vision, "text_cfg": _text(), "quick_gelu": True})


def siglip(folder: Path) -> Made:
    """SigLIP's shape: a timm tower, text attention both ways that reads its padding, squashed pictures."""
    text = {
        "context_length": 16,
        "vocab_size": write_tokenizer(folder),
        "hf_tokenizer_name": "a hub name that is not used",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 32,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    }
    vision = {"image_size": 224, "timm_model_name": "vit_tiny_patch16_224", "timm_pool": "map", "timm_proj": "none"}
    config = {"embed_dim": 192, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    half = [0.5, 0.5, 0.5]
    return save(folder, config, {"mean": half, "std": half, "interpolation": "bicubic", "resize_mode": "squash"})


def xlm_roberta(folder: Path) -> Made:
    """A multilingual Hugging Face text tower, mean pooled under its attention mask."""
    from transformers import XLMRobertaConfig

    tower = folder / "tower"
    size = write_tokenizer(folder)
    XLMRobertaConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
        pad_token_id=1,
    ).save_pretrained(tower)
    text = {
        "hf_model_name": str(tower),
        "hf_tokenizer_name": "xlm-roberta-base",
        "hf_pooler_type": "mean_pooler",
        "context_length": 24,
    }
    return save(folder, {"embed_dim": 32, "vision_cfg": _vit(), "text_cfg": text})


def nllb(folder: Path) -> Made:
    """nllb-clip's text tower, whose tokenizer must be told the language of each text."""
    from tokenizers import Tokenizer
    from transformers import M2M100Config, NllbTokenizer

    tower = folder / "tower"
    write_tokenizer(folder, of_bytes=False)
    raw = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = raw["model"]["vocab"]
    merges: Any = [tuple(merge) for merge in raw["model"]["merges"]]  # Any: typed as text in transformers
    tokenizer = NllbTokenizer(
        vocab=vocabulary, merges=merges, extra_special_tokens=["eng_Latn", "pes_Arab", "arb_Arab"]
    )
    (folder / "tokenizer.json").unlink()
    tokenizer.save_pretrained(folder)
    size = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    M2M100Config(
        vocab_size=size,
        d_model=32,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=64,
        pad_token_id=vocabulary["<pad>"],
    ).save_pretrained(tower)
    text = {
        "hf_model_name": str(tower),
        "hf_tokenizer_name": "facebook/nllb-200-distilled-600M",
        "hf_proj_type": "linear",
        "hf_pooler_type": "cls_pooler",
        "context_length": 24,
    }
    return save(folder, {"embed_dim": 16, "vision_cfg": _vit(), "text_cfg": text})


MADE: Mapping[str, Callable[[Path], Made]] = {
    "vit": vit,
    "resnet": resnet,
    "siglip": siglip,
    "xlm_roberta": xlm_roberta,
    "nllb": nllb,
}


def save(folder: Path, config: Mapping[str, Any], preprocess: Mapping[str, Any] | None = None) -> Made:  # Any: JSON
    """A model of this configuration with seeded weights, as a folder open_clip can load."""
    from adapters.torchvision_shim import ensure_torchvision

    ensure_torchvision()
    import torch
    from open_clip.factory import create_model
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    raw = {"model_cfg": config, "preprocess_cfg": dict(preprocess or {})}
    (folder / "open_clip_config.json").write_text(json.dumps(raw), encoding="utf-8")
    torch.manual_seed(SEED)
    model = create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    for name, tensor in state.items():
        # Untrained, a tower's biases are 0 and its norms 1: give each its own value, so that none can be mixed up.
        if tensor.is_floating_point() and tensor.ndim == 1 and "running_var" not in name:
            state[name] = tensor + 0.05 * torch.randn_like(tensor)
    save_file(state, folder / "open_clip_model.safetensors")
    return Made(folder, config, preprocess or {})


def write_tokenizer(
    folder: Path, texts: Sequence[str] = (*ENGLISH, *PERSIAN), *, size: int = 600, of_bytes: bool = True
) -> int:
    """A BPE trained on `texts`, of bytes or of words marked as nllb does, saved as Hugging Face does; its size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = (
        pre_tokenizers.ByteLevel(add_prefix_space=False) if of_bytes else pre_tokenizers.Metaspace()
    )
    tokenizer.decoder = decoders.ByteLevel() if of_bytes else decoders.Metaspace()
    alphabet = pre_tokenizers.ByteLevel.alphabet() if of_bytes else []
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair=None, special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    ).save_pretrained(folder)
    return tokenizer.get_vocab_size()


def write_pictures(folder: Path, *, count: int = 8, side: int = 60) -> list[Path]:
    """Seeded pictures of several sizes and modes, PNG and JPEG; one JPEG is large enough to be decoded at a half."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(SEED)
    files = []
    for number in range(count):
        width, height = side + 17 * number, side + 40 - 5 * number
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        image = coarse.resize((width, height), Image.Resampling.BICUBIC)
        if number % 4 == 1:
            image = image.convert("L")
        file = folder / f"{number:03}.{'png' if number % 2 else 'jpg'}"
        image.save(file)
        files.append(file)
    large = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((2400, 1800))
    files.append(folder / "large.jpg")
    large.save(files[-1], quality=90)
    return files


def reference(made: Made, files: Sequence[Path], texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of pictures and texts by open_clip's own documented loop, one at a time."""
    import torch
    from open_clip.factory import create_model_from_pretrained, get_tokenizer

    name = f"local-dir:{made.folder}"
    model, preprocess = create_model_from_pretrained(name)
    return loop(model.eval(), preprocess, files), loop_texts(model, get_tokenizer(name), texts, torch)


def loop(model: Any, preprocess: Any, files: Sequence[Path]) -> np.ndarray:  # Any: as open_clip gives them
    import torch

    if not files:
        return np.empty((0, 0))
    with torch.no_grad():
        rows = [
            model.encode_image(preprocess(Image.open(file).convert("RGB")).unsqueeze(0), normalize=True)
            for file in files
        ]
    return torch.cat(rows).numpy()


def loop_texts(model: Any, tokenizer: Any, texts: Sequence[str], torch: Any) -> np.ndarray:  # Any: as open_clip's
    with torch.no_grad():
        return torch.cat([model.encode_text(tokenizer([text]), normalize=True) for text in texts]).numpy()


def _vit() -> dict[str, Any]:  # Any: JSON
    return {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8}


def _text() -> dict[str, Any]:  # Any: JSON
    return {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
