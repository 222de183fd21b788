"""A dataset of drawings with a mark that says their label, and models on a socket that read it, or do not."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rag_app.medical.captions import Wording
from rag_app.medical.records import Dataset, Example, Split
from tests.xrays import LABELS, drawn

SPOILT = 250  # grey of the mark on a picture that no model has a usable reply to


def dataset(
    folder: Path, sizes: dict[Split, int], *, spoilt: int = 0, captions: Mapping[str, Mapping[str, str]] | None = None
) -> Dataset:
    """Drawings with a mark in the corner that says their label; two of a cluster; half of each scanner.

    captions: by label and language.
    """
    (folder / "images").mkdir(parents=True)
    wording = Wording(LABELS, "normal")
    lines = []
    for number, (split, n) in enumerate(sizes.items()):
        for i, (label, picture) in enumerate(drawn(n, seed=number)):
            name = f"{split}-{i}.png"
            grey = SPOILT if split == "test" and i < spoilt else 50 * LABELS.index(label)
            picture.paste(grey, (0, 0, 16, 16))
            picture.save(folder / "images" / name)
            said = (captions or {}).get(label, {})
            one = Example(
                id=name,
                image=name,
                label=label,
                abnormal=label != "normal",
                split=split,
                cluster=f"{split}-{i // 2}",
                patient=None,
                captions=said,
                caption_by="label",
                turns=wording.turns(label, said),
                groups={"scanner": "AB"[i % 2]},
            )
            lines.append(json.dumps(one.to_dict(), ensure_ascii=False))
    (folder / "examples.jsonl").write_text("\n".join(lines), encoding="utf-8")
    about = {"format": 1, "labels": LABELS, "normal": "normal"}
    (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
    return Dataset.read(folder)


def mark(images: list[bytes]) -> int:
    with Image.open(io.BytesIO(images[0])) as picture:
        return round(float(np.asarray(picture.convert("L"), float)[:8, :8].mean()))


def wise(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    """Reads the mark: 90 % for the label that it says."""
    grey = mark(images)
    place = round(grey / 50)
    wanted = body.get("format")
    if grey > 220 and wanted:
        return "I cannot say."
    if not wanted:
        asked = body["messages"][-1]["content"]
        if "Describe" in asked:
            return f"A drawing of the chest. It shows {LABELS[place]}."
        return LABELS[place] if "diagnosis" in asked else "yes" if place else "no"
    names = list(wanted["properties"])
    if len(names) == 2:  # no, yes
        shares = [10, 90] if place else [90, 10]
    else:
        shares = [90 if i == place else 3 for i in range(len(names))]
    return json.dumps(dict(zip(names, shares, strict=True)))


def poor(body: dict[str, Any], images: list[bytes]) -> str:  # Any: JSON
    """Always says the last of the choices."""
    assert images
    if not body.get("format"):
        return f"A drawing of the chest. It shows {LABELS[-1]}."
    names = list(body["format"]["properties"])
    return json.dumps({name: 70 if i == len(names) - 1 else 10 for i, name in enumerate(names)})
