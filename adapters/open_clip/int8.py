"""The fast image tower: ONNX Runtime with 8-bit weights, its agreement with the exact one measured before it is used.

Two to three times as many pictures a second on a CPU. The vectors differ slightly, so they form a space of their own
(`...#int8` in the name), and a model on whose pictures they differ too much is refused. Matrix products are quantised,
dynamically; convolutions are not, so ResNets gain nothing.
"""

# torch and open_clip come with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rag_app.errors import ModelUnsuitable

LEAST_AGREEMENT = 0.99
_REVISION = 1  # raise when what is written changes


@dataclass(frozen=True, slots=True)
class Agreement:
    """Cosine of int8 to fp32 vectors of the same pictures: the worst, the mean, and of how many pictures."""

    least: float
    mean: float
    pictures: int


class Int8Tower:
    """Takes prepared pictures (n, 3, height, width), gives unit vectors (n, dimensions)."""

    def __init__(self, model: Any, fingerprint: str, side: int) -> None:  # Any: open_clip's model
        """The quantised tower of `model`, written once beside the other prepared weights and kept there."""
        import onnxruntime

        self._exact = model
        self.agreement: Agreement | None = None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = _prepared(model, fingerprint, side)
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def encode(self, pictures: torch.Tensor, name: str) -> np.ndarray:
        """Vectors of one batch; the first one measures `agreement`. Raises ModelUnsuitable below LEAST_AGREEMENT."""
        raw = np.asarray(self._session.run(["vectors"], {"pictures": pictures.numpy()})[0])
        vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        if self.agreement is None:
            with torch.inference_mode():
                exact = self._exact.encode_image(pictures, normalize=True).numpy()
            cosine = (vectors * exact).sum(axis=1)
            measured = Agreement(float(cosine.min()), float(cosine.mean()), len(cosine))
            if not measured.least >= LEAST_AGREEMENT:
                raise ModelUnsuitable(
                    f"{name} agrees with the exact model only to {measured.least:.3f} on the first {len(cosine)} "
                    f"pictures (at least {LEAST_AGREEMENT} is asked): leave #int8 away."
                )
            self.agreement = measured
        return vectors


class _ImageTower(torch.nn.Module):
    def __init__(self, model: Any) -> None:  # Any: open_clip's model
        super().__init__()
        self.model = model

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.model.encode_image(pictures)


def _prepared(model: Any, fingerprint: str, side: int) -> Path:  # Any: open_clip's model
    """The quantised graph of these weights, made where it is missing (10 s and twice the tower's memory)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = os.environ.get("RAG_APP_MODELS")
    folder = (Path(root) if root else Path(sys.prefix) / "share" / "rag-app" / "models") / "open_clip-int8"
    key = hashlib.sha256(f"{fingerprint} {side} {_REVISION} {torch.__version__}".encode()).hexdigest()[:16]
    path = folder / f"{key}.onnx"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch_name, warnings.catch_warnings():
        # torch's TorchScript exporter is announced as old; the new one needs onnxscript, which nothing else here does.
        warnings.simplefilter("ignore")
        scratch = Path(scratch_name)
        fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # ONNX has no operator for torch's fused attention
        try:
            torch.onnx.export(
                _ImageTower(model).eval(),
                (torch.zeros(1, 3, side, side),),
                str(scratch / "exact.onnx"),
                input_names=["pictures"],
                output_names=["vectors"],
                dynamic_axes={"pictures": {0: "n"}, "vectors": {0: "n"}},
                opset_version=17,
                dynamo=False,
            )
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
        quantize_dynamic(
            scratch / "exact.onnx",
            scratch / "int8.onnx",
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Gemm"],
        )
        with (scratch / "int8.onnx").open("rb") as written:
            os.fsync(written.fileno())
        (scratch / "int8.onnx").replace(path)
    return path
