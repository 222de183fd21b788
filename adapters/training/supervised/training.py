"""LoRA on a vision-language model, by transformers' Trainer: interrupted at any time it goes on, and it stops early."""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.huggingface import files
from adapters.huggingface.loading import Parts, check_installed, load
from adapters.huggingface.naming import Source, parse_source
from adapters.huggingface.pixels import budget, set_budget
from adapters.huggingface.prompting import context_tokens
from adapters.huggingface.silence import silent_libraries
from adapters.lora.vision_language import Origin, attach, save_adapter
from adapters.names import parse_model_name
from adapters.training.supervised import folder, memory
from adapters.training.supervised.checking import check_items, check_length, largest_item
from adapters.training.supervised.collating import Collator, Item
from adapters.training.supervised.options import Options, Progress
from adapters.training.supervised.running import run_to_end, trainer_of
from rag_app.errors import UsageError


@dataclass(frozen=True, slots=True)
class Report:
    """What a training came to.

    base                 full name of the model
    best_step            whose weights were kept, of `steps` done; planned: if it had not stopped early
    loss_before, loss    over the validation part, without the adapter and with it
    trained, parameters  numbers trained, and in all
    resumed_from         step from which it went on; None where it was not interrupted
    """

    base: str
    adapter: Path
    best_step: int
    steps: int
    planned: int
    loss_before: float
    loss: float
    trained: int
    parameters: int
    seconds: float
    memory: int
    resumed_from: int | None

    @property
    def better(self) -> bool:
        return self.loss < self.loss_before

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return {**dataclasses.asdict(self), "adapter": str(self.adapter)}


def fine_tune(
    name: str,
    train: Sequence[Item],
    validation: Sequence[Item],
    out: Path,
    *,
    data: Mapping[str, Any],  # Any: JSON
    options: Options | None = None,
    resume: bool = False,
    device: str | None = None,
    fits: bool = False,
    note: str = "",
    on_estimate: Callable[[memory.Estimate], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Train an adapter of the model `name` into `out`: the adapter with its card, run.json and curves.jsonl.

    Args:
        data: what the adapter card says of the items: digest, counts, labels.
        resume: go on from the last whole checkpoint in `out`; all else must be as it was.
        device: "cpu" or "cuda"; None takes the GPU where there is one.
        fits: start although the estimated memory is more than there is.
        note: what the adapter card says first.

    Raises:
        UsageError: something is in `out` already, nothing to resume, or what is resumed began otherwise.
        InputError: no items, or a picture that is not there.
        UnknownName, WeightsMissing, ModelUnsuitable: see `load_parts`; or it will not fit, into memory or into the
            model's context; or the model has no pixel budget to set.
        ModelFailed: not enough memory after all, or the loss is no number any more.
    """
    options = options or Options()
    named = parse_model_name(f"hf:{name.removeprefix('hf:')}")
    if named.adapter:
        raise UsageError(f"{name} has an adapter already; name the model alone, {named.scheme}:{named.rest}.")
    source = parse_source(named)
    check_items(train, validation)
    (folder.check_unfinished if resume else folder.check_empty)(out)
    source = dataclasses.replace(source, quantised=_four_bit(source, options, device))
    check_installed(source)
    free = memory.free_bytes(device)
    parts = load(source, device=device)
    if parts.device == "cpu":
        memory.give_back_large_blocks()
    set_budget(parts.processor, smallest=options.min_pixels, largest=options.max_pixels, name=source.name)
    run = {
        "base": source.base,
        "weights": parts.fingerprint,
        "four_bit": source.quantised,
        "data": dict(data),
        "items": {"train": len(train), "validation": len(validation)},
        "options": dataclasses.asdict(options),
    }
    checkpoint = folder.go_on(out, run) if resume else None
    if not resume:
        folder.check_empty(out)
    model, checkpointing = _attached(parts, options)
    collator = Collator(parts.processor, source.base)
    largest = collator([largest_item([*train, *validation])])
    check_length(largest["input_ids"].shape[1], context_tokens(model), source)
    found = memory.estimate(model, largest, rows=options.batch, device=parts.device, free=free)
    on_estimate(found)
    if not fits:
        memory.check_fits(found, four_bit=source.quantised, checkpointing=checkpointing)
    if not resume:
        folder.begin(out, run)
    began = time.monotonic()
    trainer = trainer_of(
        model=model,
        collator=collator,
        train=train,
        validation=validation,
        out=out,
        options=options,
        parts=parts,
        on_progress=on_progress,
    )
    if checkpoint is None:
        trainer.args.eval_on_start = True  # the model itself, for comparison
    run_to_end(trainer, checkpoint, source)
    report = _report(
        trainer=trainer,
        model=model,
        out=out,
        base=source.base,
        device=parts.device,
        checkpoint=checkpoint,
        seconds=time.monotonic() - began,
    )
    origin = Origin(
        base=source.base,
        base_fingerprint=parts.fingerprint,
        revision=parts.revision,
        data=data,
        options={
            **dataclasses.asdict(options),
            "four_bit": source.quantised,
            "checkpointing": checkpointing,
            **_pixels(parts),
        },
        metrics={
            "validation loss of the model itself": report.loss_before,
            "validation loss with the adapter": report.loss,
            "best step": report.best_step,
            "steps": report.steps,
        },
        versions=_versions(four_bit=source.quantised),
        note=note,
    )
    scratch = out / folder.CHECKPOINTS / "adapter"
    save_adapter(model, scratch, processor=parts.processor, origin=origin)
    folder.finish(out, scratch)
    return report


def _four_bit(source: Source, options: Options, device: str | None) -> bool:
    if options.four_bit is not None:
        return options.four_bit
    if source.quantised or device == "cpu" or importlib.util.find_spec("bitsandbytes") is None:
        return source.quantised
    if importlib.util.find_spec("torch") is None:
        raise files.not_installed(source.name)
    import torch

    return torch.cuda.is_available()


def _attached(parts: Parts, options: Options) -> tuple[Any, bool]:  # Any: PeftModel
    """The model with untrained LoRA layers, and whether it computes its activations again."""
    again = parts.device.startswith("cuda") if options.checkpointing is None else options.checkpointing
    with silent_libraries():
        model = attach(
            parts.model,
            parts=options.parts,
            rank=options.rank,
            alpha=options.alpha,
            dropout=options.dropout,
            seed=options.seed,
        )
        if again:
            model.get_base_model().gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    _keep_gradients(model)
    return model, again


def _keep_gradients(model: Any) -> None:  # Any: PeftModel
    """Keep 4-bit weights as they are: where a processor has bf16, bitsandbytes packs them anew at the first check, in a
    form that has no gradients."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _pixels(parts: Parts) -> dict[str, int]:
    """The pixel budget it is trained at, under the names of the options; of a model that has none, nothing."""
    found = budget(parts.processor)
    return {"min_pixels": found.smallest, "max_pixels": found.largest} if found else {}


def _report(
    *,
    trainer: Any,  # Any: Trainer, PeftModel
    model: Any,
    out: Path,
    base: str,
    device: str,
    checkpoint: Path | None,
    seconds: float,
) -> Report:
    checked = {line["step"]: line["validation_loss"] for line in folder.read_curves(out) if line["validation_loss"]}
    best = int(str(trainer.state.best_model_checkpoint).rpartition("-")[2])
    counts = [(one.numel(), one.requires_grad) for one in model.parameters()]
    return Report(
        base=base,
        adapter=out,
        best_step=best,
        steps=trainer.state.global_step,
        planned=trainer.state.max_steps,
        loss_before=checked[0],
        loss=checked[best],
        trained=sum(count for count, learns in counts if learns),
        parameters=sum(count for count, _ in counts),
        seconds=seconds,
        memory=memory.used(device),
        resumed_from=int(checkpoint.name.partition("-")[2]) if checkpoint else None,
    )


def _versions(*, four_bit: bool) -> dict[str, str]:
    packages = ["rag-app", "torch", "transformers", "peft", "accelerate", *(["bitsandbytes"] if four_bit else [])]
    return {package: importlib.metadata.version(package) for package in packages}
