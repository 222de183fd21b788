"""A training that is stopped while it notes where it stands goes on from that epoch or the one before."""

# torch comes with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

from pathlib import Path

import pytest


def test_stopped_while_one_epoch_takes_the_place_of_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from adapters.training.progress import Standing, load_standing, save_standing

    weight = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.AdamW([weight], lr=0.1)

    def epoch(number: int) -> None:
        weight.sum().backward()
        optimizer.step()
        save_standing(tmp_path, {"w": weight}, optimizer, Standing({"w": weight.detach().clone()}, {"epoch": number}))

    epoch(1)
    first = weight.detach().clone()
    real = Path.replace

    def stopped(self: Path, target: Path) -> Path:
        if self.name.endswith(".writing"):
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", stopped)
        epoch(2)
    assert load_standing(tmp_path, {"w": weight}, optimizer).notes == {"epoch": 1}
    assert torch.equal(weight, first)
    epoch(3)
    assert load_standing(tmp_path, {"w": weight}, optimizer).notes == {"epoch": 3}
    assert [one.name for one in tmp_path.iterdir()] == ["unfinished"]
