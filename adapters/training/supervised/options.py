"""How a vision-language model is tuned, and what is told meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.lora.vision_language import PARTS, Part


@dataclass(frozen=True, slots=True)
class Options:
    """How to train.

    parts            of the model that get LoRA layers
    rank, alpha      of LoRA; the change is scaled by alpha / rank
    learning_rate    at its highest, after `warm_up` of the steps; falls to 0 as a cosine
    batch            items that go through the model together; `accumulate` such batches make a step
    epochs           over all items, at most; steps: instead of epochs, where given
    patience         checks of the validation part without a lower loss after which it stops; 0 never does
    check_every      steps between such checks, each of which leaves a checkpoint; None: once an epoch
    four_bit         QLoRA: the base model in nf4; None: on a GPU where bitsandbytes is installed
    checkpointing    compute activations again instead of keeping them; None: on a GPU
    min_pixels, max_pixels  that a picture has when the model sees it; None: as its processor says; see
                     adapters.huggingface.pixels
    """

    parts: tuple[Part, ...] = PARTS
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 2e-4
    weight_decay: float = 0.0
    warm_up: float = 0.05
    batch: int = 4
    accumulate: int = 4
    epochs: int = 3
    steps: int | None = None
    patience: int = 3
    check_every: int | None = None
    four_bit: bool | None = None
    checkpointing: bool | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands; a line of curves.jsonl.

    loss             mean over the steps since the last line; validation_loss: over the validation part, then alone
    items_per_second of training since this run began, the checks' time left out
    seconds_left     at that rate, if it does not stop early
    memory           most bytes held so far: of the GPU, or of this process
    """

    step: int
    steps: int
    epoch: float
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    items_per_second: float | None = None
    seconds_left: float | None = None
    memory: int | None = None
