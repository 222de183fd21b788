"""DICOM: the values of the modality, the window, inverted greys, frames, colours, and what is not kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from rag_app.errors import InputError
from rag_app.medical.dicom import is_dicom, read_dicom
from rag_app.medical.preparing import Options, prepare
from tests.xrays import drawn


def written(path: Path, pixels: np.ndarray, **elements: object) -> Path:
    """A DICOM file of 16-bit grey pixels (rows, columns) or (frames, rows, columns), with these elements."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = FileDataset(str(path), Dataset(), file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.PixelData = pixels.astype("<u2").tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


RAMP = np.linspace(0, 4000, 64 * 64).reshape(64, 64).round()


def test_without_a_window_the_range_is_shown(tmp_path: Path) -> None:
    frame = read_dicom(written(tmp_path / "a.dcm", RAMP)).frames[0]
    assert frame.dtype == np.uint8 and frame.shape == (64, 64)
    assert frame[0, 0] == 0 and frame[-1, -1] == 255 and frame[32, 0] == pytest.approx(128, abs=2)


def test_the_window_is_applied_to_the_modality_s_values(tmp_path: Path) -> None:
    """Stored 2000 is 1000 after rescaling; the window of 400 around it goes from black to white."""
    path = written(tmp_path / "a.dcm", RAMP, RescaleSlope=1, RescaleIntercept=-1000, WindowCenter=1000, WindowWidth=400)
    frame = read_dicom(path).frames[0]
    grey = {value: int(frame.flat[int(np.abs(RAMP - value).argmin())]) for value in (1700, 1801, 2000, 2199, 2300)}
    assert grey[1700] == 0 and grey[2300] == 255
    assert grey[2000] == pytest.approx(128, abs=2)
    assert grey[1801] == pytest.approx(1, abs=1) and grey[2199] == pytest.approx(254, abs=1)


def test_a_window_is_not_stretched_to_the_image(tmp_path: Path) -> None:
    """An image that fills a tenth of its window stays dark."""
    frame = read_dicom(written(tmp_path / "a.dcm", RAMP / 10, WindowCenter=2000, WindowWidth=4000)).frames[0]
    assert frame.max() == pytest.approx(25.5, abs=1)


def test_monochrome1_is_turned_round(tmp_path: Path) -> None:
    plain = read_dicom(written(tmp_path / "a.dcm", RAMP)).frames[0]
    turned = read_dicom(written(tmp_path / "b.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")).frames[0]
    assert (plain.astype(int) + turned == 255).all()


def test_frames(tmp_path: Path) -> None:
    frames = read_dicom(written(tmp_path / "a.dcm", np.stack([RAMP, RAMP[::-1], RAMP.T]))).frames
    assert len(frames) == 3 and (frames[1] == frames[0][::-1]).all()


def test_groups_and_no_names(tmp_path: Path) -> None:
    said = {"PatientName": "Doe^Jane", "PatientID": "4711", "PatientAge": "093Y", "PatientSex": "F", "Modality": "CR"}
    dicom = read_dicom(written(tmp_path / "a.dcm", RAMP, **said, BurnedInAnnotation="YES"))
    assert dicom.groups == {"modality": "CR", "sex": "F", "age": "90+"}
    assert dicom.burned_in


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("MR_small.dcm", (64, 64)),
        ("CT_small.dcm", (128, 128)),
        ("MR_small_jp2klossless.dcm", (64, 64)),
        ("MR_small_RLE.dcm", (64, 64)),
        ("examples_palette.dcm", (350, 800, 3)),
        ("SC_rgb_jpeg_dcmtk.dcm", (100, 100, 3)),
    ],
)
def test_real_files(name: str, shape: tuple[int, ...]) -> None:
    frame = read_dicom(Path(str(get_testdata_file(name)))).frames[0]
    assert frame.shape == shape and frame.dtype == np.uint8 and frame.std() > 5


def test_lossless_forms_of_one_image_look_alike() -> None:
    plain, *others = (
        read_dicom(Path(str(get_testdata_file(name)))).frames[0]
        for name in ("MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_bigendian.dcm")
    )
    assert all((plain == other).all() for other in others)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "JPEG-LS Lossless.*pylibjpeg"),
        ("MR_truncated.dcm", "damaged"),
        ("badVR.dcm", "damaged"),
        ("reportsi.dcm", "holds no picture"),
        ("no_meta.dcm", "is no DICOM file"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_dicom(Path(str(get_testdata_file(name))))


def test_prepare_takes_dicom_and_keeps_no_identity(tmp_path: Path) -> None:
    source = tmp_path / "scans"
    for i, (label, image) in enumerate(drawn(24, seed=6)):
        folder = source / ("normal" if label == "normal" else "abnormal")
        folder.mkdir(parents=True, exist_ok=True)
        identity = {"PatientName": f"Doe^Jane{i // 2}", "PatientID": f"id-{i // 2}", "StudyDate": "20260102"}
        written(
            folder / f"{i}.dcm" if i % 2 else folder / f"scan{i}", np.asarray(image) * 10, Modality="CR", **identity
        )
    (source / "normal" / "report.dcm").write_bytes(Path(str(get_testdata_file("reportsi.dcm"))).read_bytes())
    made = prepare(source, tmp_path / "dataset", Options())
    assert len(made.dataset.examples) == 24
    assert [problem.file for problem in made.problems] == ["report.dcm"]
    assert {example.groups["modality"] for example in made.dataset.examples} == {"CR"}
    assert len({example.patient for example in made.dataset.examples}) == 12
    kept = b"".join(path.read_bytes() for path in sorted((tmp_path / "dataset").rglob("*")) if path.is_file())
    assert not any(secret in kept for secret in (b"Doe", b"Jane", b"id-3", b"20260102"))
    assert made.dataset.examples[0].captions["en"].startswith("CR image")


def test_what_is_dicom(tmp_path: Path) -> None:
    path = written(tmp_path / "a", RAMP)
    assert is_dicom(path)
    (tmp_path / "b").write_bytes(b"short")
    assert not is_dicom(tmp_path / "b")
    assert pydicom.dcmread(path).Rows == 64
