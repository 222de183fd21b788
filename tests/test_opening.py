"""Bad input: each file that cannot be read gives one clear sentence of the right class."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pymupdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.files import check_file, find_files, sha256_of
from ingestion.limits import Limits
from ingestion.opening import open_pdf
from rag_app.errors import CorruptPdf, EmptyFile, EncryptedPdf, InputError, NotAPaper, RagAppError, TooLarge
from tests.made_pdfs import document, flipped, save

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def opened(path: Path, *, password: str | None = None, limits: Limits | None = None) -> pymupdf.Document:
    limits = limits or Limits()
    assert check_file(path, limits=limits) == "pdf"
    return open_pdf(path, password=password, limits=limits)


@pytest.mark.parametrize(
    ("name", "data", "error", "said"),
    [
        ("empty.pdf", b"", EmptyFile, "is empty (0 bytes): download or copy it again"),
        ("noise.pdf", random.Random(1).randbytes(5000), NotAPaper, "is not a PDF but something we do not know"),
        ("zeros.pdf", bytes(5000), NotAPaper, "a file of zeros"),
        ("page.pdf", b"\n<!DOCTYPE html><html>404</html>", NotAPaper, "is not a PDF but a web page"),
        ("text.pdf", b"Only some words.\n" * 9, NotAPaper, "a text file"),
        ("picture.pdf", PNG, NotAPaper, "a PNG picture: rename it to .png"),
        ("paper.png", b"%PDF-1.7\n", NotAPaper, "is not a picture but a PDF: rename it to .pdf"),
        ("notes.docx", b"PK", NotAPaper, "has no suffix we read"),
        ("header.pdf", b"%PDF-1.7\n", CorruptPdf, "damaged"),
    ],
)
def test_what_is_no_pdf_is_named(tmp_path: Path, name: str, data: bytes, error: type[RagAppError], said: str):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(error) as caught:
        opened(path)
    assert type(caught.value) is error
    assert said in str(caught.value)
    assert str(caught.value).startswith(name) and str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_a_truncated_file_without_pages_is_corrupt(tmp_path: Path, share: float):
    data = document(6).tobytes(use_objstms=1, deflate=1)  # the page tree at the end, as TeX writes it
    path = tmp_path / "cut.pdf"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CorruptPdf, match=r"cut\.pdf is damaged"):
        opened(path)


def test_a_cut_table_of_objects_is_mended(tmp_path: Path):
    data = document(3).tobytes()
    path = tmp_path / "cut.pdf"
    path.write_bytes(data[: data.rindex(b"startxref") - 40])
    with opened(path) as doc:
        assert doc.page_count == 3
        assert doc.is_repaired


def test_bytes_before_the_header_are_allowed(tmp_path: Path):
    path = tmp_path / "mailed.pdf"
    path.write_bytes(b"\r\nX-Header: mail\r\n" * 20 + document(1).tobytes())
    assert opened(path).page_count == 1


def test_passwords(tmp_path: Path):
    locked = save(document(1), tmp_path / "l.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="o")
    owned = save(document(1), tmp_path / "o.pdf", encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="", owner_pw="o")
    with pytest.raises(EncryptedPdf, match=r"l\.pdf needs a password: give it with --password-file"):
        opened(locked)
    with pytest.raises(EncryptedPdf, match="password given does not open"):
        opened(locked, password="wrong")
    assert "Section number 1" in opened(locked, password="open")[0].get_text()
    assert "Section number 1" in opened(owned)[0].get_text()
    assert opened(owned, password="not needed").page_count == 1


def test_limits_on_pages_and_bytes(tmp_path: Path):
    path = save(document(3), tmp_path / "three.pdf")
    with pytest.raises(TooLarge, match=r"three\.pdf has 3 pages, the limit is 2"):
        opened(path, limits=Limits(pages=2))
    with pytest.raises(TooLarge, match="the limit is 0: split the file"):
        opened(path, limits=Limits(file_bytes=100))


def test_a_pdf_with_no_page(tmp_path: Path):
    path = tmp_path / "none.pdf"
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        b"xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000054 00000 n \n"
        b"trailer<</Size 3/Root 1 0 R>>\nstartxref\n101\n%%EOF\n"
    )
    with pytest.raises(CorruptPdf, match=r"none\.pdf is .*page"):
        opened(path)


def test_scripts_and_launch_actions_are_not_run(tmp_path: Path):
    doc = document(1)
    launched = tmp_path / "launched"
    action = doc.get_new_xref()
    doc.update_object(action, f"<< /S /Launch /F (/usr/bin/touch) /Win << /P ({launched}) >> >>")
    script = doc.get_new_xref()
    doc.update_object(script, "<< /S /JavaScript /JS (app.alert\\('hello'\\); this.deletePages\\(0\\);) >>")
    doc.xref_set_key(doc.pdf_catalog(), "OpenAction", f"{script} 0 R")
    doc.xref_set_key(doc.page_xref(0), "AA", f"<< /O {action} 0 R >>")
    path = save(doc, tmp_path / "active.pdf")
    assert "Section number 1" in opened(path)[0].get_text()
    assert not launched.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_what_is_no_regular_file(tmp_path: Path):
    pipe = tmp_path / "pipe.pdf"
    os.mkfifo(pipe)
    for refused in (check_file_of(pipe), lambda: sha256_of(pipe)):
        with pytest.raises(NotAPaper, match="not a regular file"):
            refused()
    with pytest.raises(NotAPaper, match="is a folder"):
        check_file(tmp_path, limits=Limits())
    with pytest.raises(NotAPaper):
        check_file(Path("/dev/zero"), limits=Limits())
    with pytest.raises(InputError, match="does not exist: check the name"):
        sha256_of(tmp_path / "missing.pdf")


def check_file_of(path: Path):
    return lambda: check_file(path, limits=Limits())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path):
    path = save(document(1), tmp_path / "secret.pdf")
    path.chmod(0)
    with pytest.raises(InputError, match="may not be read by this user"):
        check_file(path, limits=Limits())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), flips=st.integers(1, 400), keep=st.floats(0.05, 1))
def test_damage_gives_pages_or_one_of_our_errors(tmp_path: Path, seed: int, flips: int, keep: float):
    data = flipped(document(2).tobytes(), flips, seed=seed)
    path = tmp_path / "damaged.pdf"
    path.write_bytes(data[: max(1, int(keep * len(data)))])
    try:
        assert opened(path).page_count >= 1
    except InputError as exc:
        assert "damaged.pdf" in str(exc)


def test_find_files(tmp_path: Path):
    for name in ("b.pdf", "a.PDF", "c.txt", ".hidden.pdf", "sub/d.tiff", "sub/e.webp", ".git/f.pdf", "sub/deep/g.jpeg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert [str(p.relative_to(tmp_path)) for p in find_files([tmp_path])] == [
        "a.PDF",
        "b.pdf",
        "sub/d.tiff",
        "sub/e.webp",
        "sub/deep/g.jpeg",
    ]
    named = [tmp_path / "missing.pdf", tmp_path / "c.txt", tmp_path / "b.pdf", tmp_path / "sub" / ".." / "b.pdf"]
    assert find_files(named) == named[:3], "named paths stay, each file once"
    assert find_files([]) == []
