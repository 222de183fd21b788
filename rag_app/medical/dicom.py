"""DICOM files as 8-bit pictures: with the modality's own values, the window, and dark and light the right way round.

Of everything else in the file only what the report splits by is read (modality, body part, sex, decade of age) and a
key that tells patients apart, which never leaves memory: see `rag_app.medical.sources`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rag_app.errors import InputError, TooLarge

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_PIXELS = 89_000_000  # of one frame, as for other pictures
_MAGIC_AT, _MAGIC = 128, b"DICM"
_OLDEST = 90  # years: older patients are few, and so known by their age


@dataclass(frozen=True, slots=True)
class Dicom:
    """What is read of one file.

    frames     each (height, width) or (height, width, 3) uint8, in order
    patient    tells one patient from another inside one set of files; identifying, so it is not to be stored
    groups     {"modality": "MR", "body part": "HEAD", "sex": "F", "age": "40-49"}, without what the file does not say
    burned_in  the file says that its pixels show identifying text
    """

    frames: tuple[np.ndarray, ...]
    patient: str | None
    groups: dict[str, str]
    burned_in: bool


def is_dicom(path: Path) -> bool:
    """Whether the file begins as a DICOM file does, or has its ending."""
    if path.suffix.lower() in {".dcm", ".dicom"}:
        return True
    with path.open("rb") as file:
        return file.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] == _MAGIC


def read_dicom(path: Path) -> Dicom:
    """The frames of a DICOM file. Raises InputError: no DICOM, no pixels, damaged, or compressed without a codec."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of pydicom, about what it puts right itself
        try:
            data = pydicom.dcmread(path)
        except InvalidDicomError as exc:
            raise InputError(
                f"{path.name} is no DICOM file, whatever its name says: leave it out or rename it."
            ) from exc
        except FileNotFoundError as exc:
            raise InputError(f"There is no file {path}.") from exc
        except (OSError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError, EOFError) as exc:
            raise InputError(f"{path.name} is a damaged DICOM file ({_short(exc)}): export it again.") from exc
        return Dicom(
            tuple(_frames(data, path)), _patient(data), _groups(data), _says(data, "BurnedInAnnotation") == "YES"
        )


def _frames(data: Dataset, path: Path) -> Iterator[np.ndarray]:
    from pydicom.pixels.utils import pixel_array

    if not any(name in data for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise InputError(f"{path.name} holds no picture (it is a report, a plan or a signal): leave it out.")
    if int(data.get("Rows") or 0) * int(data.get("Columns") or 0) > MAX_PIXELS:
        raise TooLarge(
            f"{path.name} has {data.Columns} x {data.Rows} pixels, the limit is {MAX_PIXELS / 1e6:.0f} million."
        )
    try:
        pixels = pixel_array(data)  # colours come as RGB
        several = int(data.get("NumberOfFrames") or 1) > 1
        for frame in pixels if several else [pixels]:
            yield _shown(frame, data)
    except InputError:
        raise
    except (RuntimeError, NotImplementedError) as exc:
        syntax = data.file_meta.get("TransferSyntaxUID")
        name = getattr(syntax, "name", str(syntax))
        raise InputError(
            f"{path.name} is compressed as {name}, which cannot be read here: pip install 'pylibjpeg[all]', "
            "or decompress it with dcmdjpeg or gdcmconv; if that fails too, it is damaged."
        ) from exc
    except (AttributeError, ValueError, KeyError, TypeError, IndexError, OSError) as exc:
        raise InputError(f"The pixels of {path.name} are damaged ({_short(exc)}): export it again.") from exc


def _shown(frame: np.ndarray, data: Dataset) -> np.ndarray:
    """One frame as a radiologist's screen shows it, 8 bits a sample (DICOM PS3.4, N.2)."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

    kind = str(data.get("PhotometricInterpretation", "MONOCHROME2"))
    if kind == "PALETTE COLOR":
        frame = apply_color_lut(frame, data)
    if frame.ndim == 3:
        return _eight_bits(frame.astype(np.float64), 0, _top(frame))
    values = apply_modality_lut(frame.copy(), data)  # it may change what it is given
    if "VOILUTSequence" in data or "WindowCenter" in data:
        low, high = _window_ends(data)
        values = apply_voi_lut(values, data)
    else:  # from the darkest to the lightest, but for the one value in a thousand that is noise or metal
        padding = data.get("PixelPaddingValue")
        inside = values[frame != padding] if padding is not None and (frame != padding).any() else values
        low, high = (float(value) for value in np.quantile(inside, (0.0005, 0.9995)))
    grey = _eight_bits(values.astype(np.float64), low, high)
    return 255 - grey if kind == "MONOCHROME1" else grey


def _window_ends(data: Dataset) -> tuple[float, float]:
    """What the darkest and the lightest value of the window become in `apply_voi_lut`."""
    from pydicom.pixels.processing import apply_voi_lut

    if "VOILUTSequence" in data:
        return 0.0, float(2 ** int(data.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    low, high = apply_voi_lut(np.array([-1e12, 1e12]), data)
    return float(low), float(high)


def _eight_bits(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (np.clip((values - low) / max(high - low, 1e-9), 0, 1) * 255 + 0.5).astype(np.uint8)


def _top(frame: np.ndarray) -> float:
    return float(np.iinfo(frame.dtype).max) if np.issubdtype(frame.dtype, np.integer) else float(frame.max())


def _patient(data: Dataset) -> str | None:
    parts = [_says(data, "IssuerOfPatientID"), _says(data, "PatientID") or _says(data, "PatientName")]
    return "\n".join(parts) if parts[1] else None


def _groups(data: Dataset) -> dict[str, str]:
    found = {
        "modality": _says(data, "Modality"),
        "body part": _says(data, "BodyPartExamined").upper(),
        "sex": _says(data, "PatientSex"),
        "age": _decade(_says(data, "PatientAge")),
    }
    return {name: value for name, value in found.items() if value}


def _decade(age: str) -> str:
    """ "043Y" -> "40-49"; months, weeks and days are "0-9"."""
    if not (len(age) == 4 and age[:3].isdigit()):
        return ""
    years = int(age[:3]) if age[3] == "Y" else 0
    return f"{_OLDEST}+" if years >= _OLDEST else f"{years // 10 * 10}-{years // 10 * 10 + 9}"


def _says(data: Dataset, name: str) -> str:
    return str(data.get(name) or "").strip()


def _short(exc: Exception) -> str:
    return str(exc).splitlines()[0][:120] if str(exc) else type(exc).__name__
