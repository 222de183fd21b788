"""What a training takes of memory is counted on one question, and the model is left as it was."""

# torch, transformers and peft come with the medical extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from adapters.huggingface.loading import load_parts
from adapters.lora.vision_language import PARTS, attach
from adapters.training.supervised import memory
from adapters.training.supervised.collating import Collator
from rag_app.errors import ModelUnsuitable
from rag_app.medical.records import Dataset
from rag_app.medical.training import items
from tests.medical.models import MADE
from tests.medical.tuning import written

N = 1000  # numbers in a row of the model below; 4 bytes each


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return written(tmp_path_factory.mktemp("memory") / "data", {"train": 8, "validation": 1, "test": 1}, seed=3)


def product(*, again: bool) -> Any:  # Any: a torch Module that is called as transformers' are
    """Three steps, each the product with a weight, then its exponential, and the exponential of that.

    again: what is inside a step is computed again on the way back.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    class Product(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.full((), 0.1))

        def step(self, values: Any) -> Any:
            return (values * self.weight).exp().exp()

        def forward(self, values: Any, *, use_cache: bool) -> Any:
            assert not use_cache
            for _ in range(3):
                values = checkpoint(self.step, values, use_reentrant=False) if again else self.step(values)
            return SimpleNamespace(loss=values.sum())

    return Product()


def test_counted_by_hand() -> None:
    """Rows, at the widest place. Kept: two exponentials a step, six; and the gradient of the last one: seven.

    Computed again: kept is what comes out of the first two steps, and inside the third its two exponentials; with the
    gradient of the last one, five. The batch itself is not counted.
    """
    import torch

    from adapters.training.supervised.trial import bytes_of_a_step

    batch = {"values": torch.rand(N)}
    kept, fewer = (bytes_of_a_step(product(again=one), batch, device="cpu", limit=10**9) for one in (False, True))
    assert 0 <= kept - 7 * N * 4 <= 16  # some single numbers beside the rows
    assert 0 <= fewer - 5 * N * 4 <= 16


@pytest.mark.parametrize("name", MADE)
def test_a_batch_takes_as_many_times_what_one_question_takes(made: dict[str, Path], data: Dataset, name: str) -> None:
    import torch

    from adapters.training.supervised.trial import bytes_of_a_step

    parts = load_parts(str(made[name]), device="cpu")
    model = attach(parts.model, parts=PARTS, rank=4, alpha=8, dropout=0.1, seed=0)
    one, eight = (Collator(parts.processor, name)(items(data, "train")[:1] * count) for count in (1, 8))
    before = torch.get_rng_state()
    found = [bytes_of_a_step(model, batch, device="cpu", limit=10**12) for batch in (one, eight)]
    assert found[1] / found[0] == pytest.approx(8, rel=0.02)
    assert torch.equal(before, torch.get_rng_state())
    assert all(weight.grad is None for weight in model.parameters())
    model.get_base_model().gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    assert bytes_of_a_step(model, one, device="cpu", limit=10**12) < found[0]


def test_it_is_broken_off_before_memory_is_out(made: dict[str, Path], data: Dataset) -> None:
    parts = load_parts(str(made["qwen2_5_vl"]), device="cpu")
    model = attach(parts.model, parts=PARTS, rank=4, alpha=8, dropout=0.0, seed=0)
    batch = Collator(parts.processor, "tiny")(items(data, "train")[:1])

    def given(free: int) -> memory.Estimate:
        return memory.estimate(model, batch, rows=4, device="cpu", free=free)

    whole = given(10**12)
    assert given(whole.total).fits
    assert not given(whole.total - 1).fits
    with pytest.raises(ModelUnsuitable, match=r"takes about .* Try --batch 2 with more --accumulate"):
        memory.check_fits(given(whole.total - 1), four_bit=False, checkpointing=False)
    with pytest.raises(ModelUnsuitable, match=r"takes more than .* Try --batch 1 with more --accumulate"):
        memory.check_fits(given(whole.total - whole.activations * 4 // 5), four_bit=False, checkpointing=False)


def test_memory_that_was_used_is_known_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    here = memory.used("cpu")
    assert here == pytest.approx(psutil.Process().memory_info().rss, rel=1.0)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "resource", None)
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=5))
    monkeypatch.setattr(psutil, "Process", lambda: process)
    assert memory.used("cpu") == 5
