"""Finding picture files, making sure that they can be read, and thumbnails of them."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from ingestion.limits import Limits
from rag_app.errors import CorruptPicture, EmptyFile, InputError, RagAppError, TooLarge

READ = frozenset(".png .jpg .jpeg .jpe .jfif .webp .gif .bmp .dib .tif .tiff".split())
# Pictures that cameras make and that are not read: found in a folder, they get a row that says so.
NAMED = frozenset(".heic .heif .avif .jxl .jp2 .cr2 .nef .arw .dng".split())
THUMBNAIL_PIXELS = 320  # longest side
_THUMBNAIL_QUALITY = 70


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file. name: its path as a row has it. sha256: "" and problem set where it cannot be read at all."""

    path: Path
    name: str
    sha256: str
    problem: str = ""


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """Every picture file among `paths` and below its folders, once, folders in order of name.

    A file named itself is taken whatever it is called; in a folder the suffix decides, and hidden files are left out.
    Raises InputError for a path that does not exist.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            for folder, names, files in os.walk(path):
                names[:] = sorted(name for name in names if not name.startswith("."))
                for name in sorted(files):
                    if not name.startswith(".") and Path(name).suffix.lower() in READ | NAMED:
                        file = Path(folder) / name
                        found.setdefault(os.path.realpath(file), file)
        elif path.exists():
            found.setdefault(os.path.realpath(path), path)
        else:
            raise InputError(f"There is no file or folder {path}.")
    return list(found.values())


def look_at(path: Path, *, beside: Path, limits: Limits) -> Picture:
    """The picture at `path` with its digest, named relative to the folder `beside`."""
    try:
        name = os.path.relpath(path, beside)
    except ValueError:  # another drive, on Windows
        name = str(path.absolute())
    name = name.replace(os.sep, "/")
    try:
        size = path.stat().st_size
        if size > limits.file_bytes:
            return Picture(path, name, "", f"{path.name} has {size / 1e9:.1f} GB, more than is read: make it smaller.")
        with path.open("rb") as file:
            return Picture(path, name, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as exc:
        return Picture(path, name, "", f"{path.name} cannot be read ({exc.strerror}): check that it may be.")


def read_picture(path: Path, *, limits: Limits) -> bytes:
    """The bytes of a picture that can be shown to a model.

    It is decoded once (JPEGs at an eighth of their size), so that what is cut or damaged is known before a model waits.

    Raises:
        EmptyFile, CorruptPicture: not a picture, damaged, or of a kind that is not read.
        TooLarge: over `limits.picture_pixels`, known from its header before it is unpacked.
    """
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InputError(f"{path.name} cannot be read ({exc.strerror}): check that it may be.") from exc
    _decoded(content, path.name, limits, side=64)
    return content


def thumbnail(path: Path, *, side: int = THUMBNAIL_PIXELS, limits: Limits | None = None) -> bytes:
    """A WebP of `small_picture`. Raises as it does."""
    webp = io.BytesIO()
    small_picture(path, side=side, limits=limits).save(webp, "WEBP", quality=_THUMBNAIL_QUALITY, method=4)
    return webp.getvalue()


def small_picture(path: Path, *, side: int, limits: Limits | None = None) -> Image.Image:
    """The picture in `path`, upright, on white, at most `side` pixels wide and high.

    Raises as `read_picture`, and OSError.
    """
    image = _decoded(path.read_bytes(), path.name, limits or Limits(), side=2 * side)
    image.thumbnail((side, side))
    shown = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")


def _decoded(content: bytes, name: str, limits: Limits, *, side: int) -> Image.Image:
    """The first frame, upright; a JPEG only as large as a picture of `side` pixels needs."""
    if not content:
        raise EmptyFile(f"{name} is empty: copy it again.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours
            image = Image.open(io.BytesIO(content))
        if image.width * image.height > limits.picture_pixels:
            raise TooLarge(
                f"{name} measures {image.width} x {image.height} pixels, the limit is "
                f"{limits.picture_pixels / 1e6:.0f} million pixels: make it smaller."
            )
        image.draft("RGB", (side, side))
        image.load()
        return ImageOps.exif_transpose(image)
    except RagAppError:
        raise
    except Image.DecompressionBombError as exc:
        raise TooLarge(
            f"{name} has more than the {limits.picture_pixels / 1e6:.0f} million pixels allowed: make it smaller."
        ) from exc
    except UnidentifiedImageError as exc:
        raise CorruptPicture(_unknown(content, name)) from exc
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, MemoryError) as exc:
        raise CorruptPicture(f"{name} is a damaged picture ({exc}): copy it again.") from exc


def _unknown(content: bytes, name: str) -> str:
    if content[4:8] == b"ftyp" and content[8:12] in {b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"}:
        return f"{name} is a HEIC picture, which is not read here: save it as JPEG or PNG."
    if Path(name).suffix.lower() in NAMED:
        return f"{name} is of a kind that is not read here: save it as JPEG or PNG."
    return f"{name} is not a picture, or a damaged one: use PNG, JPEG, WebP, GIF, BMP or TIFF."
