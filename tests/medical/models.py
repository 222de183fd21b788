"""Tiny vision-language models of the true architectures of transformers, with seeded random weights and own tokenizers.

Each function saves a model with its processor to a folder, as save_pretrained does, and gives the folder back.
"""

# torch and transformers come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.torchvision_shim import ensure_torchvision

SEED = 0
CORPUS = [
    "is there an abnormality? yes, a nodule. no, normal. what is the diagnosis? effusion cardiomegaly nodule",
    "describe the image. a chest x-ray of two lungs with ribs. a bright nodule in the left right lung upper lower",
    "این تصویر را توصیف کن. یک تصویر رادیوگرافی قفسه سینه با دو ریه. بله خیر طبیعی غیرطبیعی ندول",
    '{"findings": "answer"} what shape is it? a large circle, a small square',
] * 20

# For each message: its role, then images and texts in order. `turn` opens and closes it, `start` opens the reply.
_TURNS = (
    "{{% for m in messages %}}{opening}{{% if m['content'] is string %}}{{{{ m['content'] }}}}{{% else %}}"
    "{{% for c in m['content'] %}}{{% if c['type']=='image' %}}{image}{{% elif c['type']=='text' %}}{{{{ c['text'] }}}}"
    "{{% endif %}}{{% endfor %}}{{% endif %}}{closing}{{% endfor %}}"
    "{{% if add_generation_prompt %}}{start}{{% endif %}}"
)
QWEN = _TURNS.format(
    opening="<|im_start|>{{ m['role'] }}\n",
    image="<|vision_start|><|image_pad|><|vision_end|>",
    closing="<|im_end|>\n",
    start="<|im_start|>assistant\n",
)
GEMMA = "{{ bos_token }}" + _TURNS.format(
    opening="<start_of_turn>{{ 'model' if m['role']=='assistant' else m['role'] }}\n",
    image="<start_of_image>",
    closing="<end_of_turn>\n",
    start="<start_of_turn>model\n",
)
LLAMA = "{{ bos_token }}" + _TURNS.format(
    opening="<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n",
    image="<|image|>",
    closing="<|eot_id|>",
    start="<|start_header_id|>assistant<|end_header_id|>\n\n",
)
SMOL = "<|im_start|>" + _TURNS.format(
    opening="{{ m['role'] | capitalize }}: ", image="<image>", closing="<end_of_utterance>\n", start="Assistant:"
)


def qwen(
    folder: Path, *, hidden: int = 64, depth: int = 2, vision_depth: int = 3, vision_width: int = 64, side: int = 112
) -> Path:
    """Qwen2.5-VL; pictures of up to `side` x `side` pixels."""
    ensure_torchvision()
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
    )
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    special = [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|vision_pad|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ]
    tokens = tokenizer(special, pad_token=special[0], eos_token=special[2], additional_special_tokens=special[1:])
    number = tokens.convert_tokens_to_ids
    pictures = Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=side * side, patch_size=14, merge_size=2)
    processor = Qwen2_5_VLProcessor(
        image_processor=pictures, tokenizer=tokens, video_processor=Qwen2VLVideoProcessor(), chat_template=QWEN
    )
    head = hidden // 4
    sixth = head // 16 * 3
    text = {
        **_text(len(tokens), hidden, depth),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [head // 2 - 2 * sixth, sixth, sixth],  # its sum must be half a head
        },
        "bos_token_id": number(special[0]),
        "eos_token_id": number(special[2]),
        "pad_token_id": number(special[0]),
    }
    vision = {
        "depth": vision_depth,
        "hidden_size": vision_width,
        "intermediate_size": vision_width * 3,
        "num_heads": 4,
        "out_hidden_size": hidden,
        "patch_size": 14,
        "spatial_merge_size": 2,
        "window_size": 112,
        "fullatt_block_indexes": [vision_depth - 1],
    }
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    return save(folder, Qwen2_5_VLForConditionalGeneration, config, processor, "<|im_end|>")


def gemma(folder: Path, *, hidden: int = 64, depth: int = 2) -> Path:
    """Gemma 3."""
    ensure_torchvision()
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3ImageProcessor, Gemma3Processor

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    special += ["<start_of_image>", "<end_of_image>", "<image_soft_token>"]
    tokens = tokenizer(
        special,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        additional_special_tokens=special[4:],
        extra_special_tokens={"boi_token": special[6], "eoi_token": special[7], "image_token": special[8]},
    )
    number = tokens.convert_tokens_to_ids
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessor(size={"height": 112, "width": 112}),
        tokenizer=tokens,
        chat_template=GEMMA,
        image_seq_length=16,
    )
    text = {
        **_text(len(tokens), hidden, depth),
        "head_dim": hidden // 4,
        "sliding_window": 128,
        "query_pre_attn_scalar": hidden // 4,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    config = Gemma3Config(
        text_config=text,
        vision_config={**_vision(), "vision_use_head": False},
        mm_tokens_per_image=16,
        boi_token_index=number(special[6]),
        eoi_token_index=number(special[7]),
        image_token_index=number(special[8]),
    )
    return save(folder, Gemma3ForConditionalGeneration, config, processor, "<end_of_turn>")


def mllama(folder: Path, *, hidden: int = 64, depth: int = 3) -> Path:
    """Llama 3.2 Vision: pictures come in through cross-attention; one picture a conversation."""
    ensure_torchvision()
    from transformers import MllamaConfig, MllamaForConditionalGeneration, MllamaImageProcessor, MllamaProcessor

    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|start_header_id|>"]
    special += ["<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"]
    tokens = tokenizer(
        special,
        pad_token=special[2],
        eos_token=special[5],
        bos_token=special[0],
        additional_special_tokens=special[3:],
    )
    words = len(tokens)  # the picture's token stands after the vocabulary
    tokens.add_special_tokens({"additional_special_tokens": ["<|image|>"]})
    number = tokens.convert_tokens_to_ids
    processor = MllamaProcessor(
        image_processor=MllamaImageProcessor(size={"height": 112, "width": 112}, max_image_tiles=1),
        tokenizer=tokens,
        chat_template=LLAMA,
    )
    text = {
        **_text(words, hidden, depth),
        "cross_attention_layers": [1],
        "bos_token_id": 0,
        "eos_token_id": number("<|eot_id|>"),
        "pad_token_id": 2,
    }
    vision = {
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 4,
        "image_size": 112,
        "patch_size": 14,
        "max_num_tiles": 1,
        "supported_aspect_ratios": [[1, 1]],
        "intermediate_layers_indices": [0, 1],
        "vision_output_dim": 64 * 3,
    }
    config = MllamaConfig(vision_config=vision, text_config=text, image_token_index=number("<|image|>"))
    return save(folder, MllamaForConditionalGeneration, config, processor, "<|eot_id|>")


def smolvlm(folder: Path, *, hidden: int = 64, depth: int = 2) -> Path:
    """SmolVLM."""
    ensure_torchvision()
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMImageProcessor, SmolVLMProcessor
    from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

    tokens = _smol_tokenizer()
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(**_SMOL_PICTURES), tokens, SmolVLMVideoProcessor(), image_seq_len=16, chat_template=SMOL
    )
    config = SmolVLMConfig(**_smol_config(tokens, hidden, depth))
    return save(folder, SmolVLMForConditionalGeneration, config, processor, "<end_of_utterance>")


def idefics(folder: Path, *, hidden: int = 64, depth: int = 2) -> Path:
    """Idefics 3."""
    ensure_torchvision()
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessor,
        Idefics3Processor,
    )

    tokens = _smol_tokenizer()
    processor = Idefics3Processor(
        Idefics3ImageProcessor(**_SMOL_PICTURES), tokens, image_seq_len=16, chat_template=SMOL
    )
    config = Idefics3Config(**_smol_config(tokens, hidden, depth))
    return save(folder, Idefics3ForConditionalGeneration, config, processor, "<end_of_utterance>")


MADE: dict[str, Callable[[Path], Path]] = {
    "qwen2_5_vl": qwen,
    "gemma3": gemma,
    "mllama": mllama,
    "smolvlm": smolvlm,
    "idefics3": idefics,
}

_SMOL_PICTURES: dict[str, Any] = {
    "do_image_splitting": False,
    "size": {"longest_edge": 112},
    "max_image_size": {"longest_edge": 112},
}


def tokenizer(special: list[str], **named: Any) -> Any:  # Any: PreTrainedTokenizerFast's arguments and itself
    """A byte-level BPE of 512 tokens over English and Persian words: it can write any text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, **named)


def save(folder: Path, kind: Any, config: Any, processor: Any, end: str) -> Path:  # Any: classes of transformers
    """The seeded model of this configuration with its processor, saved; `end` ends a reply."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = kind(config)
        for name, parameter in model.named_parameters():
            if "gate" in name.rpartition(".")[2] or "mm_input_projection" in name:
                torch.nn.init.normal_(parameter, std=0.3)  # zero as they are made: the model would not see
    tokens = processor.tokenizer
    model.generation_config.eos_token_id = tokens.convert_tokens_to_ids(end)
    model.generation_config.pad_token_id = tokens.pad_token_id
    model.save_pretrained(str(folder))
    processor.save_pretrained(str(folder))
    return folder


def _text(vocabulary: int, hidden: int, depth: int) -> dict[str, Any]:  # Any: a transformers configuration
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": hidden * 3,
        "num_hidden_layers": depth,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
    }


def _vision() -> dict[str, Any]:  # Any: a transformers configuration
    return {
        "hidden_size": 64,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 112,
        "patch_size": 14,
    }


def _smol_tokenizer() -> Any:  # Any: PreTrainedTokenizerFast
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>"]
    special += ["<end_of_utterance>", "<global-img>"]
    special += [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    return tokenizer(
        special,
        pad_token="<|im_end|>",
        eos_token="<end_of_utterance>",
        bos_token="<|im_start|>",
        additional_special_tokens=special[3:],
    )


def _smol_config(tokens: Any, hidden: int, depth: int) -> dict[str, Any]:  # Any: a transformers configuration
    text = {
        "model_type": "llama",
        **_text(len(tokens), hidden, depth),
        "pad_token_id": 2,
        "bos_token_id": 1,
        "eos_token_id": tokens.convert_tokens_to_ids("<end_of_utterance>"),
    }
    return {
        "vision_config": _vision(),
        "text_config": text,
        "scale_factor": 2,
        "image_token_id": tokens.convert_tokens_to_ids("<image>"),
        "tie_word_embeddings": False,
    }
