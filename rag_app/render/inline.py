"""Pictures inside the terminal's text: the protocols of kitty and iTerm2, and sixel; which a terminal has, if any.

Nothing is asked of the terminal: what it is stands in its environment. Inside tmux and screen none is used.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Literal

from PIL import Image

Protocol = Literal["kitty", "iterm2", "sixel"]

_KITTY = ("ghostty", "WezTerm")  # TERM_PROGRAM
_ITERM2 = ("iTerm.app", "mintty", "rio")
_SIXEL_TERMS = ("mlterm", "foot", "contour", "yaft")  # how TERM begins
_PIECE = 4096  # base64 characters in one of kitty's escape sequences
_WIDEST = 800  # pixels
_COLOURS = 64  # of a sixel picture


def protocol(environ: Mapping[str, str]) -> Protocol | None:
    """The protocol that the terminal described by these environment variables has; None for none known."""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if "TMUX" in environ or term.startswith(("screen", "tmux")) or term in ("", "dumb"):
        return None
    if "KITTY_WINDOW_ID" in environ or "kitty" in term or program in _KITTY:
        return "kitty"
    if program in _ITERM2 or environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    return "sixel" if term.startswith(_SIXEL_TERMS) or "sixel" in term else None


def inline(png: bytes, how: Protocol) -> str:
    """The characters that show the picture, at most 800 pixels wide."""
    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGB")
    if image.width > _WIDEST:
        image = image.resize((_WIDEST, max(1, round(image.height * _WIDEST / image.width))), Image.Resampling.LANCZOS)
    if how == "sixel":
        return _sixel(image)
    file = io.BytesIO()
    image.save(file, "PNG")
    encoded = base64.b64encode(file.getvalue()).decode("ascii")
    if how == "iterm2":
        return f"\x1b]1337;File=inline=1;size={len(file.getvalue())};preserveAspectRatio=1:{encoded}\x07"
    pieces = [encoded[i : i + _PIECE] for i in range(0, len(encoded), _PIECE)]
    return "".join(
        f"\x1b_G{'a=T,f=100,' if i == 0 else ''}m={int(i < len(pieces) - 1)};{piece}\x1b\\"
        for i, piece in enumerate(pieces)
    )


def _sixel(image: Image.Image) -> str:
    """Sixel graphics (DEC STD 070): bands of six rows, each colour of a band as run-length coded columns of bits."""
    small = image.quantize(_COLOURS, dither=Image.Dither.NONE)
    palette = small.getpalette() or []
    width, height = small.size
    pixels = small.tobytes()
    out = [f'\x1bPq"1;1;{width};{height}']
    for colour in range(len(palette) // 3):
        red, green, blue = (round(value * 100 / 255) for value in palette[3 * colour : 3 * colour + 3])
        out.append(f"#{colour};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        bands: dict[int, bytearray] = {}
        for row in range(top, min(top + 6, height)):
            for x, colour in enumerate(pixels[row * width : (row + 1) * width]):
                bands.setdefault(colour, bytearray(width))[x] |= 1 << (row - top)
        out.append("$".join(f"#{colour}{_runs(band)}" for colour, band in sorted(bands.items())) + "-")
    return "".join([*out, "\x1b\\"])


def _runs(band: bytearray) -> str:
    parts = []
    start = 0
    for x in range(1, len(band) + 1):
        if x == len(band) or band[x] != band[start]:
            sign = chr(63 + band[start])
            parts.append(f"!{x - start}{sign}" if x - start > 3 else sign * (x - start))
            start = x
    return "".join(parts)
