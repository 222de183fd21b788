"""A heat map of images by captions as SVG or PNG: how well each caption fits each image, own pairs on the diagonal.

The colours are viridis (Smith and van der Walt 2015), which keeps its order for the colour-blind and in print.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from rag_app.render.rtl import is_right_to_left, visual_line

if TYPE_CHECKING:
    from PIL import Image, ImageFont

_VIRIDIS = ("440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725")
_NOTHING = (186, 184, 180)  # of a pair without a score
_INK, _SOFT, _PAPER = "#23221f", "#6f6b63", "#ffffff"
_PLOT, _CELLS = 720, (2, 30)  # pixels: of the plot at most where cells allow, of a cell
_WORDS_FROM = 13  # pixels of a cell from which each row and column has its words
_LABEL = 30  # characters
_SMALL, _BODY, _TITLE = 12, 13, 17  # pixels of letters
_FONTS = ("DejaVuSans.ttf", "Vazirmatn-Regular.ttf", "tahoma.ttf", "Arial.ttf")  # have Persian letters, joined


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Scores of `rows` (images) by `columns` (captions), (n, n), higher is better; -inf where there is none.

    Row i and column i belong together. scale: the scores at both ends of the colours.
    """

    scores: np.ndarray
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    title: str
    measure: str

    @property
    def scale(self) -> tuple[float, float]:
        """1st and 99.5th percentile, so that one pair does not take all the colours."""
        known = self.scores[np.isfinite(self.scores)]
        if not len(known):
            return 0.0, 1.0
        low, high = np.quantile(known, (0.01, 0.995))
        return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


@dataclass(frozen=True, slots=True)
class _Text:
    """Words with their middle line at (x, y); anchor "start", "middle" or "end"; up: turned, reading upwards."""

    x: float
    y: float
    words: str
    anchor: str = "start"
    size: int = _SMALL
    colour: str = _INK
    up: bool = False


@dataclass(frozen=True, slots=True)
class _Box:
    """A frame of `stroke`, or filled with `fill`."""

    x: float
    y: float
    width: float
    height: float
    fill: str | None = None
    stroke: str | None = None


@dataclass(frozen=True, slots=True)
class _Cells:
    """Pixels, (height, width, 3) uint8, in their own size."""

    x: float
    y: float
    pixels: np.ndarray


@dataclass(frozen=True, slots=True)
class _Drawing:
    width: int
    height: int
    parts: tuple[_Text | _Box | _Cells, ...]


def svg(heat: HeatMap, *, page: bool = False) -> str:
    """The heat map as an SVG document; as an element whose words take the colour of a page around it, if said."""
    drawing = _drawing(heat)
    shown = f'viewBox="0 0 {drawing.width} {drawing.height}" font-family="system-ui, DejaVu Sans, sans-serif"'
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawing.width}" height="{drawing.height}" {shown} role="img">'
    ]
    out.append(f"<title>{escape(heat.title)}</title>")
    if not page:
        out.append(f'<rect width="100%" height="100%" fill="{_PAPER}"/>')
    for part in drawing.parts:
        out.append(_svg_part(part, page=page))
    return "\n".join([*out, "</svg>\n"])


def png(heat: HeatMap) -> bytes:
    """The heat map as a PNG on white."""
    from PIL import Image, ImageDraw

    drawing = _drawing(heat)
    image = Image.new("RGB", (drawing.width, drawing.height), _PAPER)
    draw = ImageDraw.Draw(image)
    for part in drawing.parts:
        if isinstance(part, _Cells):
            image.paste(Image.fromarray(part.pixels), (round(part.x), round(part.y)))
        elif isinstance(part, _Box):
            corner = (part.x + part.width - 1, part.y + part.height - 1)
            draw.rectangle(((part.x, part.y), corner), fill=part.fill, outline=part.stroke)
        else:
            _write(image, part)
    return _encoded(image)


def colour(share: float) -> tuple[int, int, int]:
    """The colour at `share` of the scale, 0 to 1."""
    return tuple(int(value) for value in _coloured(np.array([[share]]), 0.0, 1.0)[0, 0])  # pyright: ignore[reportReturnType]  # three values


def _coloured(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    anchors = np.array([[int(one[i : i + 2], 16) for i in (0, 2, 4)] for one in _VIRIDIS], dtype=float)
    known = np.isfinite(scores)
    share = np.clip((np.where(known, scores, low) - low) / (high - low), 0, 1)
    places = np.linspace(0, 1, len(anchors))
    mixed = np.stack([np.interp(share, places, anchors[:, channel]) for channel in range(3)], axis=-1)
    return np.where(known[..., None], np.rint(mixed), np.array(_NOTHING)).astype(np.uint8)


def _drawing(heat: HeatMap) -> _Drawing:
    n = len(heat.rows)
    cell = min(max(_PLOT // max(n, 1), _CELLS[0]), _CELLS[1])
    side, named = cell * n, cell >= _WORDS_FROM
    rows, columns = [_short(one) for one in heat.rows], [_short(one) for one in heat.columns]
    left = 46 + (round(max(map(_wide, rows), default=0)) if named else 34)
    top = 92 + (round(max(map(_wide, columns), default=0)) if named else 14)
    parts: list[_Text | _Box | _Cells] = [_Text(16, 24, heat.title, size=_TITLE)]
    parts += [
        _Text(16, 46, f"{heat.measure}. On the diagonal: an image and its own caption.", size=_BODY, colour=_SOFT),
        _Text(left + side / 2, 72, "captions", "middle", _BODY, _SOFT),
        _Text(20, top + side / 2, "images", "middle", _BODY, _SOFT, up=True),
    ]
    pixels = _coloured(heat.scores, *heat.scale).repeat(cell, axis=0).repeat(cell, axis=1)
    parts.append(_Cells(left, top, pixels))
    parts.append(_Box(left - 1, top - 1, side + 2, side + 2, stroke=_SOFT))
    if named:
        for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
            middle = (i + 0.5) * cell
            parts.append(_Text(left - 6, top + middle, row, "end"))
            parts.append(_Text(left + middle, top - 6, column, "start", up=True))
    else:
        step = next(one for one in (5, 10, 20, 25, 50, 100, 200, 500, 1000) if n / one <= 12 or one == 1000)
        for i in range(step - 1, n, step):
            middle = (i + 0.5) * cell
            parts.append(_Text(left - 8, top + middle, str(i + 1), "end"))
            parts.append(_Text(left + middle, top - 12, str(i + 1), "middle"))
            parts.append(_Box(left - 5, round(top + middle), 4, 1, fill=_SOFT))
            parts.append(_Box(round(left + middle), top - 5, 1, 4, fill=_SOFT))
    parts += _diagonal(n, cell, left, top)
    parts += _legend(heat, left + side + 22, top, max(side, 120))
    width = max(left + side + 110, 560, 32 + round(_wide(heat.measure) * _BODY / _SMALL) + 330)
    return _Drawing(width, top + max(side, 150) + 24, tuple(parts))


def _diagonal(n: int, cell: int, left: float, top: float) -> list[_Text | _Box | _Cells]:
    """A frame around each own pair; where cells are small, corners that show where the diagonal begins and ends."""
    if cell >= 8:
        frames: list[_Text | _Box | _Cells] = []
        for i in range(n):
            x, y = left + i * cell, top + i * cell
            frames.append(_Box(x, y, cell, cell, stroke="#000000"))
            frames.append(_Box(x + 1, y + 1, cell - 2, cell - 2, stroke="#ffffff"))
        return frames
    long = 10
    x, y = left + n * cell, top + n * cell
    return [
        _Box(left - long, top - 2, long, 2, fill=_INK),
        _Box(left - 2, top - long, 2, long, fill=_INK),
        _Box(x, y, long, 2, fill=_INK),
        _Box(x, y, 2, long, fill=_INK),
    ]


def _legend(heat: HeatMap, x: float, top: float, height: float) -> list[_Text | _Box | _Cells]:
    low, high = heat.scale
    tall = int(min(height, 240)) - (28 if np.isneginf(heat.scores).any() else 0)
    bar = _coloured(np.linspace(high, low, tall)[:, None].repeat(14, axis=1), low, high)
    parts: list[_Text | _Box | _Cells] = [_Cells(x, top, bar)]
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(_Text(x + 20, top + 5 + (tall - 10) * (1 - share), f"{low + share * (high - low):.2f}"))
    if np.isneginf(heat.scores).any():
        parts.append(_Box(x, top + tall + 14, 14, 14, fill="#" + "".join(f"{v:02x}" for v in _NOTHING)))
        parts.append(_Text(x + 20, top + tall + 21, "none"))
    return parts


def _svg_part(part: _Text | _Box | _Cells, *, page: bool) -> str:
    if isinstance(part, _Cells):
        from PIL import Image

        height, width = part.pixels.shape[:2]
        content = base64.b64encode(_encoded(Image.fromarray(part.pixels))).decode("ascii")
        return (
            f'<image x="{part.x:g}" y="{part.y:g}" width="{width}" height="{height}" '
            f'style="image-rendering: pixelated" href="data:image/png;base64,{content}"/>'
        )
    if isinstance(part, _Box):
        if part.stroke is None:
            return (
                f'<rect x="{part.x:g}" y="{part.y:g}" width="{part.width:g}" height="{part.height:g}" '
                f'fill="{_of_page(part.fill or _INK, page)}"/>'
            )
        return (
            f'<rect x="{part.x + 0.5:g}" y="{part.y + 0.5:g}" width="{part.width - 1:g}" height="{part.height - 1:g}" '
            f'fill="none" stroke="{part.stroke}"/>'
        )
    turned = f' transform="rotate(-90 {part.x:g} {part.y:g})"' if part.up else ""
    anchor, way = part.anchor, ""
    if is_right_to_left(part.words):  # start and end change sides with the direction of the words
        anchor, way = {"start": "end", "end": "start"}.get(anchor, anchor), ' direction="rtl"'
    return (
        f'<text x="{part.x:g}" y="{part.y:g}" font-size="{part.size}" text-anchor="{anchor}"{way} '
        f'dominant-baseline="central" fill="{_of_page(part.colour, page)}"{turned}>{escape(part.words)}</text>'
    )


def _of_page(colour: str, page: bool) -> str:
    return {_INK: "currentColor", _SOFT: "var(--soft)"}.get(colour, colour) if page else colour


def _write(image: Image.Image, part: _Text) -> None:
    from PIL import Image as Images
    from PIL import ImageDraw

    words = visual_line(part.words, right_to_left=is_right_to_left(part.words))
    font = _font(part.size, beyond_latin=not words.isascii())
    x0, y0, x1, y1 = font.getbbox(words, anchor="lm")
    patch = Images.new("L", (max(1, round(x1 - x0) + 2), max(1, round(y1 - y0) + 2)))
    ImageDraw.Draw(patch).text((1 - x0, 1 - y0), words, fill=255, font=font, anchor="lm")
    along = {"start": 0.0, "middle": patch.width / 2, "end": float(patch.width)}[part.anchor]
    middle = 1 - y0
    if part.up:
        patch = patch.transpose(Images.Transpose.ROTATE_90)
        place = (round(part.x - middle), round(part.y - patch.height + along))
    else:
        place = (round(part.x - along), round(part.y - middle))
    image.paste(Images.new("RGB", patch.size, part.colour), place, patch)


@cache
def _font(size: int, *, beyond_latin: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, or for other letters one that is installed."""
    from PIL import ImageFont

    for name in _FONTS if beyond_latin else ():
        try:
            return ImageFont.truetype(name, size, layout_engine=ImageFont.Layout.BASIC)  # `visual_line` has joined
        except OSError:
            continue  # not installed here
    return ImageFont.load_default(size)


def _wide(words: str) -> float:
    """About how many pixels words of size _SMALL take."""
    return 6.6 * len(words)


def _short(words: str) -> str:
    shown = " ".join(words.split())
    return shown if len(shown) <= _LABEL else shown[: _LABEL - 1].rstrip() + "…"


def _encoded(image: Image.Image) -> bytes:
    written = io.BytesIO()
    image.save(written, "PNG", optimize=True)
    return written.getvalue()


def as_file(heat: HeatMap, suffix: str) -> bytes:
    """The content of a file with this suffix, ".png" or ".svg"."""
    return png(heat) if suffix == ".png" else svg(heat).encode()
