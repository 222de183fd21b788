"""transformers' Trainer, set up for an adapter and run to its end."""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from adapters.huggingface.loading import Parts
from adapters.huggingface.naming import Source
from adapters.huggingface.silence import silent_libraries
from adapters.lora.vision_language import WEIGHTS
from adapters.training.supervised import folder
from adapters.training.supervised.collating import Collator, Item
from adapters.training.supervised.options import Options, Progress
from rag_app.errors import ModelFailed

_LOSSES = 10  # steps between two losses on the curve, at most
_BETA2 = 0.98  # of AdamW: short trainings on few images need the second moments to follow sooner than at 0.999


def trainer_of(
    *,
    model: Any,  # Any: PeftModel in, Trainer out
    collator: Collator,
    train: Sequence[Item],
    validation: Sequence[Item],
    out: Path,
    options: Options,
    parts: Parts,
    on_progress: Callable[[Progress], None],
) -> Any:
    """A Trainer of `model` that checks, saves, stops early and tells, with its checkpoints and curves in `out`."""
    from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainingArguments

    from adapters.training.supervised.callbacks import Telling

    on_gpu = parts.device.startswith("cuda")
    an_epoch = math.ceil(math.ceil(len(train) / options.batch) / options.accumulate)
    steps = options.steps or an_epoch * options.epochs
    check_every = min(options.check_every or an_epoch, steps)
    arguments = TrainingArguments(
        output_dir=str((out / folder.CHECKPOINTS).absolute()),
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=options.batch,
        gradient_accumulation_steps=options.accumulate,
        max_steps=steps,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        adam_beta2=_BETA2,
        lr_scheduler_type="cosine",
        warmup_steps=round(options.warm_up * steps),
        bf16=on_gpu,
        use_cpu=not on_gpu,
        eval_strategy="steps",
        eval_steps=check_every,
        save_strategy="steps",
        save_steps=check_every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, min(_LOSSES, steps // 20)),
        logging_nan_inf_filter=False,
        prediction_loss_only=True,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_num_workers=4 if on_gpu else 0,
        dataloader_pin_memory=on_gpu,
        report_to=[],
        disable_tqdm=True,
        seed=options.seed,
    )
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1  # the model is on one GPU; Trainer would copy it to all of them
    telling = Telling(
        out / folder.CURVES,
        items_a_step=options.batch * options.accumulate,
        device=parts.device,
        on_progress=on_progress,
    )
    stopping = [EarlyStoppingCallback(options.patience)] if options.patience else []
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=collator,
        train_dataset=list(train),  # pyright: ignore[reportArgumentType]  # a list is a map-style dataset
        eval_dataset=list(validation),  # pyright: ignore[reportArgumentType]
        callbacks=[*stopping, telling],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def run_to_end(trainer: Any, checkpoint: Path | None, source: Source) -> None:  # Any: Trainer
    """Train, from the checkpoint on where there is one; the best weights are then in the model.

    Raises ModelFailed: not enough memory, or the loss is no number any more.
    """
    import torch

    if checkpoint is not None and _finished(trainer, checkpoint):
        return
    try:
        with silent_libraries():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except torch.OutOfMemoryError as exc:
        raise ModelFailed(
            f"Training {source.name} ran out of memory: halve --batch and double --accumulate, use smaller images, "
            "--checkpointing or --four-bit; --resume goes on only with the same settings, so choose another --out."
        ) from exc


def _finished(trainer: Any, checkpoint: Path) -> bool:  # Any: Trainer
    """Whether the training had come to its end at this checkpoint; then its state and best weights are taken up.

    Trainer itself would do a step more.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file
    from transformers import TrainerState

    saved = checkpoint / "trainer_state.json"
    state = TrainerState.load_from_json(str(saved))
    control = json.loads(saved.read_text(encoding="utf-8"))["stateful_callbacks"]["TrainerControl"]["args"]
    if state.global_step < state.max_steps and not control["should_training_stop"]:
        return False
    best = checkpoint.parent / Path(str(state.best_model_checkpoint)).name
    set_peft_model_state_dict(trainer.model, load_file(best / WEIGHTS))
    trainer.state = state
    return True
