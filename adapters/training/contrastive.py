"""Fine-tuning a CLIP model on one's own pictures and captions: contrastive, by LoRA, told before and after."""

# torch, open_clip and peft come with the clip and lora extras only.
# pyright: reportMissingImports=false

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.decoding import batches
from adapters.lora.clip import CONFIG, Tower, attach, save_adapter
from adapters.names import parse_model_name
from adapters.open_clip.naming import parse_source
from adapters.pictures import quiet
from adapters.training.pairs import Pair, digest, split_by_group
from adapters.training.recall import Recall, recall
from rag_app.errors import ModelFailed, UsageError

if TYPE_CHECKING:
    import torch

    from adapters.open_clip.texts import TextEncoder
    from adapters.open_clip.towers import Towers

REPORT = "report.json"
_LARGEST_SCALE = math.log(100)  # CLIP's own bound of its temperature


@dataclass(frozen=True, slots=True)
class Options:
    """How to train.

    rank, alpha      of LoRA; the change is scaled by alpha / rank
    learning_rate    at its highest, after a tenth of the first epoch; falls to 0 as a cosine over `epochs`
    patience         epochs without a better validation after which it stops
    validation, test shares of the pairs, in whole groups
    towers           which of them learn
    """

    rank: int = 8
    alpha: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    batch: int = 32
    epochs: int = 20
    patience: int = 4
    validation: float = 0.15
    test: float = 0.15
    seed: int = 0
    towers: tuple[Tower, ...] = ("image", "text")


@dataclass(frozen=True, slots=True)
class Epoch:
    """number 0 is the base model; losses are means over pairs, of training while it learned."""

    number: int
    training_loss: float | None
    validation_loss: float
    validation: Recall


@dataclass(frozen=True, slots=True)
class Report:
    """What a fine-tuning did. `before` and `after` are of the test part, which nothing was chosen by.

    best_epoch   whose weights were saved; 0 where no epoch was better than the base on the validation part
    pairs        by part; groups the same
    problems     pictures left out, one sentence each, by file
    """

    base: str
    adapter: str
    before: Recall
    after: Recall
    best_epoch: int
    history: tuple[Epoch, ...]
    options: Options
    pairs: dict[str, int]
    groups: dict[str, int]
    pairs_digest: str
    problems: dict[str, str]
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


def fine_tune(
    base: str,
    pairs: Sequence[Pair],
    folder: Path,
    *,
    options: Options = Options(),
    resume: bool = False,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Report:
    """Train a LoRA adapter for `base` ("openclip:...") on `pairs`, save it to `folder` and report its effect.

    Loaded afterwards as `<base>+<folder>`. After each epoch the standing is written, so that a run that was stopped
    goes on with resume=True and ends, to rounding, as if it had not been. The same pairs, options and seed give the
    same adapter on the same machine and thread count. The model stays in evaluation mode, with the base's batch
    statistics.

    Raises:
        UsageError: fewer than three groups, a folder that holds an adapter already, or nothing that fits to resume.
        UnknownName, WeightsMissing, ModelUnsuitable: as loading `base` does.
        ModelFailed: the loss is no number any more.
    """
    source = parse_source(parse_model_name(base))
    if source.adapter is not None or source.int8:
        raise UsageError(f"{base} is no plain model: fine-tune {source.base}.")
    if (folder / CONFIG).exists():
        raise UsageError(f"{folder} holds an adapter already: name another folder, or remove it.")
    split = split_by_group(pairs, validation=options.validation, test=options.test, seed=options.seed)
    folder.mkdir(parents=True, exist_ok=True)
    from adapters.open_clip.towers import build, fingerprint

    towers = build(source)
    from adapters.open_clip.texts import TextEncoder
    from adapters.training.progress import Standing, forget_standing, load_standing, save_standing

    started = time.monotonic()
    base_fingerprint = fingerprint(towers.model)
    run = _Run(towers, TextEncoder(towers, source.name), options)
    before, _ = run.measure(split.test)

    import torch

    torch.manual_seed(options.seed)
    wrapped = attach(towers.model, rank=options.rank, alpha=options.alpha, towers=options.towers)
    parameters = {name: value for name, value in wrapped.named_parameters() if value.requires_grad}
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=options.learning_rate, betas=(0.9, 0.98), weight_decay=options.weight_decay
    )
    identity = {"base": base_fingerprint, "pairs": digest(pairs), "options": dataclasses.asdict(options)}
    identity = json.loads(json.dumps(identity))  # as it is read back: tuples are lists
    if resume:
        standing = load_standing(folder, parameters, optimizer)
        if standing.notes["identity"] != identity:
            raise UsageError(f"{folder} was begun with another model, other pairs or options; start without resume.")
        history = [_epoch(one) for one in standing.notes["history"]]
        best, best_epoch = standing.best, int(standing.notes["best_epoch"])
        run.problems.update(standing.notes["problems"])
    else:
        score, loss = run.measure(split.validation)
        history, best_epoch = [Epoch(0, None, loss, score)], 0
        best = {name: value.detach().clone() for name, value in parameters.items()}

    while len(history) <= options.epochs and history[-1].number - best_epoch < options.patience:
        number = len(history)
        training_loss = run.learn(split.train, number, optimizer, list(parameters.values()))
        score, loss = run.measure(split.validation)
        history.append(Epoch(number, training_loss, loss, score))
        if _better(history[number], history[best_epoch]):
            best_epoch = number
            best = {name: value.detach().clone() for name, value in parameters.items()}
        notes = {
            "identity": identity,
            "history": [dataclasses.asdict(one) for one in history],
            "best_epoch": best_epoch,
            "problems": run.problems,
        }
        save_standing(folder, parameters, optimizer, Standing(best, notes))
        if on_epoch is not None:
            on_epoch(history[-1])

    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(best[name])
    after, _ = run.measure(split.test)
    save_adapter(wrapped, folder, base=source.base, base_fingerprint=base_fingerprint)
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    report = Report(
        base=source.base,
        adapter=str(folder.absolute()),
        before=before,
        after=after,
        best_epoch=best_epoch,
        history=tuple(history),
        options=options,
        pairs={name: len(part) for name, part in parts.items()},
        groups={name: len({pair.group for pair in part}) for name, part in parts.items()},
        pairs_digest=digest(pairs),
        problems=run.problems,
        seconds=time.monotonic() - started,
        versions={p: importlib.metadata.version(p) for p in ("torch", "open_clip_torch", "peft")},
    )
    (folder / REPORT).write_text(json.dumps(report.to_dict(), ensure_ascii=False, indent=1), encoding="utf-8")
    forget_standing(folder)
    return report


class _Run:
    """One training's model and data; `problems` collects the pictures it could not use."""

    def __init__(self, towers: Towers, texts: TextEncoder, options: Options) -> None:
        self._towers, self._texts, self._options = towers, texts, options
        self.problems: dict[str, str] = {}

    def learn(
        self, pairs: Sequence[Pair], epoch: int, optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]
    ) -> float:
        """One pass over `pairs` in the epoch's own order; the mean loss."""
        import torch

        order = list(pairs)
        random.Random(f"{self._options.seed} {epoch}").shuffle(order)
        steps = math.ceil(len(order) / self._options.batch)
        total = seen = 0.0
        for step, (chosen, pictures) in enumerate(self._batches(order)):
            if len(chosen) < 2:  # one pair alone has nothing to be told from
                continue
            for group in optimizer.param_groups:
                group["lr"] = self._options.learning_rate * self._pace((epoch - 1) * steps + step, steps)
            vectors = self._towers.model.encode_image(pictures.to(self._towers.device), normalize=True)
            loss = self._loss(vectors, self._texts.tensor([pair.caption for pair in chosen]), chosen)
            if not torch.isfinite(loss):
                raise ModelFailed(f"The loss of epoch {epoch} is no number: train with a smaller learning_rate.")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            total, seen = total + loss.item() * len(chosen), seen + len(chosen)
        if not seen:
            raise UsageError("No two pictures of the training part can be read: see the problems told before.")
        return total / seen

    def measure(self, pairs: Sequence[Pair]) -> tuple[Recall, float]:
        """Recall among `pairs`, and their mean loss in batches of the training's size."""
        import torch

        rows: dict[Path, np.ndarray] = {}
        texts: dict[str, np.ndarray] = {}
        usable: list[Pair] = []
        total = 0.0
        with torch.inference_mode():
            for chosen, pictures in self._batches(pairs):
                images = self._towers.model.encode_image(pictures.to(self._towers.device), normalize=True)
                captions = self._texts.tensor([pair.caption for pair in chosen])
                total += self._loss(images, captions, chosen).item() * len(chosen)
                for pair, image, caption in zip(chosen, images.cpu().numpy(), captions.cpu().numpy(), strict=True):
                    rows[pair.image], texts[pair.caption] = image, caption
                usable.extend(chosen)
        if not usable:
            raise UsageError("No picture of a part can be read: see the problems told before.")
        image_index = {image: i for i, image in enumerate(rows)}
        text_index = {text: i for i, text in enumerate(texts)}
        matches = [(image_index[pair.image], text_index[pair.caption]) for pair in usable]
        return recall(np.stack([*rows.values()]), np.stack([*texts.values()]), matches), total / len(usable)

    def _batches(self, pairs: Sequence[Pair]) -> Any:  # Any: iterator of (pairs, torch.Tensor)
        import torch

        with quiet():
            images = (pair.image for pair in pairs)
            for batch in batches(images, self._towers.prepare, size=self._options.batch):
                self.problems.update({str(pairs[index].image): said for index, said in batch.problems.items()})
                if batch.indices:
                    yield [pairs[index] for index in batch.indices], torch.stack(batch.prepared)

    def _loss(self, images: torch.Tensor, texts: torch.Tensor, pairs: Sequence[Pair]) -> torch.Tensor:
        """CLIP's cross entropy both ways, or SigLIP's of each picture with each text where the model has its bias.

        Two pairs with the same picture or caption are right answers to each other, not wrong ones.
        """
        import torch
        import torch.nn.functional as F

        same = [[a.caption == b.caption or a.image == b.image for b in pairs] for a in pairs]
        right = torch.tensor(same, dtype=images.dtype, device=images.device)
        model = self._towers.model
        logits = model.logit_scale.clamp(max=_LARGEST_SCALE).exp() * images @ texts.T
        if model.logit_bias is not None:
            return -F.logsigmoid((2 * right - 1) * (logits + model.logit_bias)).sum() / len(pairs)
        wanted = right / right.sum(dim=1, keepdim=True)
        return (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2

    def _pace(self, step: int, steps: int) -> float:
        warm = max(1, steps // 10)
        return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / (steps * self._options.epochs)))


def _better(one: Epoch, other: Epoch) -> bool:
    """By recall at 1 on the validation part; by loss where that is equal."""
    return (one.validation.mean_at_1, -one.validation_loss) > (other.validation.mean_at_1, -other.validation_loss)


def _epoch(raw: dict[str, Any]) -> Epoch:  # Any: JSON
    return Epoch(**{**raw, "validation": Recall(**raw["validation"])})
