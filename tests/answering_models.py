"""A scripted model for the protocol server that plays each part: answers from the evidence, rewrites, writes freely."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.speaking import says

QUOTE = "CLIP starts at 0.07"
Body = dict[str, Any]  # Any: JSON


def knows(body: Body, images: list[bytes]) -> str:
    """Answers about CLIP's temperature where the evidence holds it, refuses else; a question is given back."""
    prompt = body["messages"][-1]["content"]
    fields = (body.get("format") or {}).get("properties", {})
    if "question" in fields:
        return json.dumps({"question": prompt.rsplit("Last question: ", 1)[1].splitlines()[0]}, ensure_ascii=False)
    if "statements" not in fields:
        return "Contrastive learning pulls matching pairs together."
    for number, piece in re.findall(r"<piece (\d+) code=\w+>(.*?)</piece", prompt, re.DOTALL):
        if QUOTE in " ".join(piece.split()):
            return says(("CLIP starts it at 0.07.", int(number), QUOTE))
    return says(answerable=False)
