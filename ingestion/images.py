"""Reads picture files (PNG, JPEG, WebP, TIFF): each is a Paper with one figure for each frame."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from ingestion.crops import save_png
from ingestion.elements import Element, PageSize, Paper, Place, Problem
from ingestion.limits import Limits
from ingestion.ocr import available, ocr_text
from rag_app.errors import CorruptPicture, InputError, TooLarge

_OCR_SIDE = 3000  # pixels; a larger picture is read at this size
_OCR_ZOOM = 2  # charts are saved small: at twice their size 5 % more words and 17 % more numbers are read


def read_picture(path: Path, sha256: str, *, crops: Path, limits: Limits, parser: str) -> Paper:
    """The picture as a Paper; a pixel counts as a point. Colours become RGB on white, turned as its EXIF data says.

    A TIFF gives one page for each frame; of another animated picture the first frame counts.

    Raises:
        TooLarge: over `limits.picture_pixels`, known from its header before it is unpacked.
        CorruptPicture: it is truncated or damaged.
    """
    problems: list[Problem] = []
    pages: list[PageSize] = []
    elements: list[Element] = []
    for number, image in enumerate(_frames(path, limits, problems), start=1):
        width, height = image.size
        pages.append(PageSize(float(width), float(height)))
        text = _text_in(image, number, problems)
        crop = image.copy()
        crop.thumbnail((limits.crop_pixels, limits.crop_pixels))
        elements.append(
            Element(
                id=f"e{number - 1:04}",
                order=number - 1,
                kind="figure",
                places=(Place(number, (0.0, 0.0, float(width), float(height))),),
                text=text,
                image=save_png(_png(crop), crops),
                ocr=bool(text),
            )
        )
    return Paper(
        sha256=sha256,
        name=path.name,
        title=path.stem,
        language="und",
        pages=tuple(pages),
        elements=tuple(elements),
        problems=tuple(problems),
        parser=parser,
    )


def render_frame(path: Path, page: int, *, dpi: int, limits: Limits) -> bytes:
    """PNG of one frame (1-based), a pixel being a point: at 72 dpi in its own size, never above `limits.ocr_pixels`.

    Raises:
        InputError: it has no such frame, or is damaged.
    """
    seen = 0
    for seen, image in enumerate(_frames(path, limits, []), start=1):
        if seen == page:
            zoom = min(dpi / 72, (limits.ocr_pixels / (image.width * image.height)) ** 0.5)
            return _png(image.resize((max(1, round(image.width * zoom)), max(1, round(image.height * zoom)))))
    raise InputError(f"{path.name} has pages 1 to {seen}, not {page}.")


def _frames(path: Path, limits: Limits, problems: list[Problem]) -> Iterator[Image.Image]:
    """Its frames as RGB, upright."""
    try:
        with Image.open(path) as image:
            count = getattr(image, "n_frames", 1)
            kept = min(count, limits.picture_frames) if image.format == "TIFF" else 1
            if kept < count:
                problems.append(
                    Problem(
                        "open", None, f"Of its {count} frames the first {kept} {'is' if kept == 1 else 'are'} kept."
                    )
                )
            for number, frame in enumerate(ImageSequence.Iterator(image), start=1):
                if number > kept:
                    break
                if frame.width * frame.height > limits.picture_pixels:
                    raise TooLarge(
                        f"{path.name} measures {frame.width} x {frame.height} pixels, the limit is "
                        f"{limits.picture_pixels / 1e6:.0f} million pixels: make it smaller."
                    )
                frame.load()
                yield _plain(frame)
    except Image.DecompressionBombError as exc:
        raise TooLarge(
            f"{path.name} has more than the {limits.picture_pixels / 1e6:.0f} million pixels allowed: make it smaller."
        ) from exc
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as exc:
        raise CorruptPicture(f"{path.name} is a damaged picture ({exc}): download or copy it again.") from exc


def _plain(image: Image.Image) -> Image.Image:
    """The image as RGB, upright, on white."""
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I") or turned.mode == "F":  # 16 bits and more: stretch what is there over 8 bits
        values = np.asarray(turned, dtype=np.float64)
        low, high = values.min(), values.max()
        turned = Image.fromarray(((values - low) * (255.0 / max(high - low, 1e-9))).astype(np.uint8))
    if turned.mode in {"RGBA", "LA", "PA"} or "transparency" in turned.info:
        layered = turned.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return turned.convert("RGB")


def _text_in(image: Image.Image, number: int, problems: list[Problem]) -> str:
    status = available()
    if not status.ready:
        problems.append(Problem("ocr", number, f"Text in the picture was not read. {status.message}"))
        return ""
    zoom = min(_OCR_ZOOM, _OCR_SIDE / max(image.size))
    read = image.resize(
        (max(1, round(image.width * zoom)), max(1, round(image.height * zoom))), Image.Resampling.LANCZOS
    )
    if len(read.getcolors(maxcolors=2) or ((), ())) == 1:
        return ""
    return ocr_text(pymupdf.Pixmap(pymupdf.csRGB, read.width, read.height, read.tobytes(), False), status)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
