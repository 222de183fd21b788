"""Lets a torchvision that was built for CUDA be imported beside a CPU-only torch; called before what imports it.

Package indices often give exactly that pair: torchvision's compiled half then does not load, and its import fails on
the two operators its Python half registers fake kernels for: `operator torchvision::nms does not exist`. open_clip and
the image processors of transformers need only torchvision.transforms, which is all Python. So the two operators are
declared, without a body; whoever called them would get an error, and nothing here does.

It can go once torchvision imports without its compiled half, or the extras can pin matching builds.
"""

# torch comes with the clip extra only.
# pyright: reportMissingImports=false

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

_declared: list[Any] = []  # Any: torch.library.Library; the declarations last as long as this object lives


def ensure_torchvision() -> str:
    """Make `import torchvision` work: "native" when it does by itself, "declared" when the operators were needed.

    Raises ImportError where torchvision is not installed, and whatever else its import raises.
    """
    if "torchvision" in sys.modules:
        return "declared" if _declared else "native"
    try:
        importlib.import_module("torchvision")
        return "native"
    except RuntimeError as exc:
        if "torchvision::" not in str(exc):
            raise
    import torch

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    importlib.import_module("torchvision")
    return "declared"
